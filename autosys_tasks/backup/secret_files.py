"""Looks into small files for secrets that their names do not tell of."""

from __future__ import annotations

import os

from autosys_tasks.backup.read import read_steadily
from autosys_tasks.backup.retry import Patience
from autosys_tasks.backup.secrets_text import LARGEST, holds_secret
from autosys_tasks.backup.values import FILE, SECRET, Found


def text_tells(source: str) -> bool:
    """Whether a small file's text holds a secret; of one that cannot be read it is said when it is packed."""
    try:
        size = os.lstat(source).st_size
        if not 0 < size <= LARGEST:
            return False
        text = read_steadily(Found(source, source, FILE, size, 0, 0), lambda stream: stream.read(), Patience(0))
    except OSError:
        return False
    return bool(with_secret((), text))


def with_secret(flags: tuple[str, ...], text: bytes) -> tuple[str, ...]:
    """The flags of a file with this text."""
    if SECRET in flags or len(text) > LARGEST or not holds_secret(_plain(text)):
        return flags
    return (*flags, SECRET)


def _plain(text: bytes) -> bytes:
    """UTF-16, which PowerShell writes, as if it were ASCII."""
    return text.replace(b"\0", b"") if text[:2] in (b"\xff\xfe", b"\xfe\xff") else text

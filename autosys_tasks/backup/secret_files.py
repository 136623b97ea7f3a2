"""Looks into small files for secrets that their names do not tell of."""

from __future__ import annotations

from autosys_tasks.backup.patience import Patience
from autosys_tasks.backup.read import read_steadily
from autosys_tasks.backup.secrets_text import LARGEST, SECRET, holds_secret
from autosys_tasks.backup.values import FILE, Found


def flagged(found: Found, patience: Patience | None = None) -> Found:
    """`found`, flagged when its text holds a secret; a file that cannot be read is named when it is packed."""
    if found.kind != FILE or SECRET in found.flags or not 0 < found.size <= LARGEST:
        return found
    try:
        text = read_steadily(found, lambda stream: stream.read(), patience or Patience(0))
    except OSError:
        return found
    return found._replace(flags=with_secret(found.flags, text))


def with_secret(flags: tuple[str, ...], text: bytes | bytearray) -> tuple[str, ...]:
    """The flags of a file with this text; of a longer one than is looked into, its first bytes are enough."""
    if SECRET in flags or len(text) > LARGEST or not holds_secret(_plain(bytes(text))):
        return flags
    return (*flags, SECRET)


def _plain(text: bytes) -> bytes:
    """UTF-16, which PowerShell writes, as if it were ASCII."""
    return text.replace(b"\0", b"") if text[:2] in (b"\xff\xfe", b"\xfe\xff") else text

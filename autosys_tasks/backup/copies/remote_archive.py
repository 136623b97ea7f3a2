"""Tries a passphrase on an archive at a second place before all of it is fetched."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from typing import Any

from autosys_tasks.backup.copies.place import CHUNK, Place
from autosys_tasks.backup.errors import Damaged
from autosys_tasks.backup.seven_zip.read import Archive
from autosys_tasks.backup.values import Backup


def must_open(place: Place, one: Backup, passphrase: str) -> None:
    """Raises NeedsPassphrase where the archive of a backup is encrypted and this passphrase does not open it.

    What else is wrong with it is said when it is here. A small one is as soon brought as asked.
    """
    if one.encrypted and one.archive_bytes > CHUNK:
        far = io.BufferedReader(_Far(place, one.archive, one.archive_bytes), CHUNK)
        with contextlib.suppress(Damaged), Archive(Path(one.archive), passphrase, file=far):
            pass


class _Far(io.RawIOBase):
    """A file at a place, read by pieces on demand."""

    def __init__(self, place: Place, name: str, size: int) -> None:
        self.place, self.name, self.size, self.at = place, name, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self.at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self.at, os.SEEK_END: self.size}[whence]
        return self.at

    def readinto(self, into: Any) -> int:
        size = min(len(into), self.size - self.at)
        data = self.place.piece(self.name, self.at, size) if size > 0 else b""
        into[: len(data)] = data
        self.at += len(data)
        return len(data)

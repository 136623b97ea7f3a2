"""Reads files that others may be writing: what comes out is what lay there at one moment, or an error that says why.

A log that only grew is whole: its first bytes, as many as there were when it was opened.
"""

from __future__ import annotations

import os
import stat
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, TypeVar, cast

from autosys_tasks import host
from autosys_tasks.backup.patience import Patience
from autosys_tasks.backup.values import Found

T = TypeVar("T")
TRIES = 4  # how often a file is read that changes each time
HOT_S = 60.0  # what was written to since then is read twice
PART = 1 << 20


class Changed(OSError):
    """The file changed while it was read, and not by growing: what was handed out is to be thrown away."""


def read_steadily(found: Found, use: Callable[[BinaryIO], T], patience: Patience | None = None) -> T:
    """`use(stream)` with the bytes of one file, and again from the beginning when reading fails or the file changes.

    What was locked, vanished or unreadable is tried once more, what changes a few times. Raises the last OSError.
    """
    patience, proven = patience or Patience(), False
    for last in [False] * (TRIES - 1) + [True]:
        try:
            with open_steadily(found, proven=proven) as stream:
                return use(stream)
        except Changed:
            if last:
                raise
            proven = True
        except OSError:
            break
        patience.wait()
    patience.wait()
    with open_steadily(found, proven=proven) as stream:
        return use(stream)


@contextmanager
def open_steadily(found: Found, *, proven: bool = False) -> Iterator[BinaryIO]:
    """A stream (`read` alone) of the bytes that the file has now; its last part comes only after a look for changes.

    `proven`: read twice and compared, as what was written to lately always is. Raises OSError; Changed is one.
    """
    with os.fdopen(host.open_read(found.source), "rb", buffering=0) as file:
        yield cast(BinaryIO, _Steady(cast(BinaryIO, file), proven))


class _Steady:
    """The first bytes of an open file, as many as it had when it was opened."""

    def __init__(self, file: BinaryIO, proven: bool) -> None:
        self.file = file
        self.began = os.fstat(file.fileno())
        if not stat.S_ISREG(self.began.st_mode):
            raise OSError("is no file any more")
        self.left = self.began.st_size
        self.proven = proven or self.began.st_mtime > time.time() - HOT_S
        self.sum = 0

    def read(self, most: int = -1) -> bytes:
        """The next bytes; b"" at the end."""
        if most < 0:
            return b"".join(iter(lambda: self.read(PART), b""))
        if not self.left or not most:
            return b""
        data = self.file.read(min(most, self.left))
        if not data:
            raise Changed("became shorter while it was read")
        self.left -= len(data)
        if self.proven:
            self.sum = zlib.crc32(data, self.sum)
        if not self.left:
            self._look_again()
        return data

    def _look_again(self) -> None:
        if self.proven:
            same = self._second_sum() == self.sum
        else:
            now = os.fstat(self.file.fileno())
            same = (now.st_size, now.st_mtime_ns) == (self.began.st_size, self.began.st_mtime_ns)
        if not same:
            raise Changed("changed while it was read")

    def _second_sum(self) -> int:
        self.file.seek(0)
        found, left = 0, self.began.st_size
        while left and (data := self.file.read(min(PART, left))):
            found, left = zlib.crc32(data, found), left - len(data)
        return -1 if left else found

"""Reads files that others may be writing to: a consistent state, or an error.

Of a file that grows meanwhile: the bytes that it had when it was opened.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from autosys_tasks import host
from autosys_tasks.backup.progress import TellBytes
from autosys_tasks.backup.retry import RetryBudget
from autosys_tasks.backup.values import Found
from autosys_tasks.core.files import retry_while_held

T = TypeVar("T")
TRIES = 4  # for a file that changes each time
RECENT_S = 60.0  # a file modified within this time is read twice and compared
PART = 1 << 20
SMALL = 1 << 20  # bytes; a file of up to this size is read at once


class Changed(OSError):
    """The file changed while it was read, other than by growing: discard what was read."""


def read_steadily(found: Found, use: Callable[[BinaryIO], T], retries: RetryBudget | None = None) -> T:
    """`use(stream)` with the bytes of one file; called again from the beginning when the file changes or reading fails.

    A changing file is tried TRIES times, any other error twice. Raises the last OSError.
    """

    def read(twice: bool) -> T:
        with open_steadily(found, twice=twice) as stream:
            return use(stream)

    return _with_retries(read, retries or RetryBudget())


def read_small(found: Found, most: int, retries: RetryBudget) -> bytes | None:
    """The bytes of a file; None when there are more than `most`. Half the cost of `read_steadily`."""
    return _with_retries(lambda twice: _read_whole(found, most, twice), retries)


def _with_retries(read: Callable[[bool], T], retries: RetryBudget) -> T:
    twice = False
    for tried in range(TRIES):
        try:
            return read(twice)
        except Changed:
            if tried == TRIES - 1:
                raise
            twice = True
        except OSError:
            break
        retries.wait()
    retries.wait()
    return read(twice)


def _read_whole(found: Found, most: int, twice: bool) -> bytes | None:
    fd = host.open_read(found.source)
    try:
        size, time_ns = found.size, found.mtime_ns
        if size <= most and not _needs_second_read(time_ns, twice):
            data = os.read(fd, size) if size else b""
            if len(data) == size and _is_unchanged(fd, size, time_ns):
                return data  # nearly all files end here
        return _read_current(fd, most, twice)
    finally:
        os.close(fd)


def _read_current(fd: int, most: int, twice: bool) -> bytes | None:
    began = _status(fd)
    if began.st_size > most:
        return None
    data = _read_from_start(fd, began.st_size)
    if len(data) < began.st_size:
        raise Changed("became shorter while it was read")
    if _needs_second_read(began.st_mtime_ns, twice):
        same = _read_from_start(fd, began.st_size) == data
    else:
        same = not data or _is_unchanged(fd, began.st_size, began.st_mtime_ns)
    if not same:
        raise Changed("changed while it was read")
    return data


def _read_from_start(fd: int, size: int) -> bytes:
    os.lseek(fd, 0, os.SEEK_SET)
    return _first_bytes(fd, size)


def _first_bytes(fd: int, size: int) -> bytes:
    data = os.read(fd, size) if size else b""
    while len(data) < size and (more := os.read(fd, size - len(data))):
        data += more
    return data


def _status(fd: int) -> os.stat_result:
    """The status of an open file; raises OSError when it is no regular file."""
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise OSError("is no file any more")
    return status


def _needs_second_read(mtime_ns: int, twice: bool) -> bool:
    return twice or mtime_ns > (time.time() - RECENT_S) * 1e9


def _is_unchanged(fd: int, size: int, mtime_ns: int) -> bool:
    now = os.fstat(fd)
    return now.st_size == size and now.st_mtime_ns == mtime_ns and stat.S_ISREG(now.st_mode)


def sha256_of(path: str | Path, tell_bytes: TellBytes = lambda count: None) -> str:
    """The SHA-256 of a file as it lies there, in hex; raises OSError."""
    with retry_while_held(lambda: open(path, "rb")) as file:
        return sha256_of_stream(file, tell_bytes)


def sha256_of_stream(source: BinaryIO, tell_bytes: TellBytes = lambda count: None) -> str:
    """The SHA-256 of the rest of a stream, in hex; raises OSError."""
    digest = hashlib.sha256()
    while data := source.read(PART):
        digest.update(data)
        tell_bytes(len(data))
    return digest.hexdigest()


@contextmanager
def open_steadily(found: Found, *, twice: bool = False) -> Iterator[BinaryIO]:
    """A stream (only `read`) of the bytes that the file has now; the last `read` checks that it has not changed.

    `twice`: read it twice and compare, as is always done with a file modified recently. Raises OSError, Changed.
    """
    with os.fdopen(host.open_read(found.source), "rb", buffering=0) as file:
        yield cast(BinaryIO, _SteadyStream(cast(BinaryIO, file), twice))


class _SteadyStream:
    """The stream of `open_steadily`: an open file, up to the size that it had when it was opened."""

    def __init__(self, file: BinaryIO, twice: bool) -> None:
        self.file = file
        self.began = _status(file.fileno())
        self.left = self.began.st_size
        self.twice = _needs_second_read(self.began.st_mtime_ns, twice)
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
        if self.twice:
            self.sum = zlib.crc32(data, self.sum)
        if not self.left:
            self._check_unchanged()
        return data

    def _check_unchanged(self) -> None:
        if self.twice:
            same = self._second_sum() == self.sum
        else:
            same = _is_unchanged(self.file.fileno(), self.began.st_size, self.began.st_mtime_ns)
        if not same:
            raise Changed("changed while it was read")

    def _second_sum(self) -> int:
        self.file.seek(0)
        found, left = 0, self.began.st_size
        while left and (data := self.file.read(min(PART, left))):
            found, left = zlib.crc32(data, found), left - len(data)
        return -1 if left else found

"""Writes the bytes of a file that is restored, holes as holes, and tells whether they are those of the manifest."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from autosys_tasks.backup.progress import TellBytes
from autosys_tasks.backup.values import FOLDER, Entry
from autosys_tasks.core.files import is_full, write_all

NO_RIGHT = 1314  # ERROR_PRIVILEGE_NOT_HELD: Windows keeps links for administrators and its developer mode
NO_SPACE = "no space is left"
PAGE = 1 << 12  # bytes; whole pages of 0 take no room on a disk
ZERO_PAGE = bytes(PAGE)
BITS = 0o1777  # of a file's mode; who may become whom by a program is not for an archive to say
FOLDER_BITS = 0o3777  # what is made in a folder may take its group: that gives nobody a right

if TYPE_CHECKING:
    from hashlib import _Hash


class WrongBytes(Exception):
    """The bytes are not those that the manifest names."""


class Partial(NamedTuple):
    """A file that is being written: its scratch path, hash and size so far; `why` writing failed, or ""."""

    scratch: str
    digest: _Hash
    size: int = 0
    why: str = ""
    has_metadata: bool = False  # it has its mode and time


class StreamWriter:
    """Writes streams into open files; `tell_bytes` takes the bytes of each write, `fault` is a test's fault point."""

    def __init__(self, tell_bytes: TellBytes, fault: Callable[[str], None]) -> None:
        self.tell_bytes, self.fault = tell_bytes, fault

    def write(self, fd: int, partial: Partial, most: int, chunks: Iterable[bytes]) -> Partial:
        """Append a stream to a partial file, at most `most` bytes in all; zeros become holes."""
        scratch, digest, size, why, _ = partial
        hole = False
        for chunk in chunks:
            digest.update(chunk)
            if not why and size + len(chunk) <= most:
                why, hole = self._written(fd, chunk, size)
            size += len(chunk)
            self.tell_bytes(len(chunk))
        if hole and not why:
            why = _grown(fd, min(size, most))
        return Partial(scratch, digest, size, why)

    def _written(self, fd: int, chunk: bytes, at: int) -> tuple[str, bool]:
        """Why the bytes could not be written, "" when they are; and whether they end in a hole."""
        done = end = 0
        try:
            self.fault("restore.during-write")
            for begin, end in _holes(chunk, at):
                write_all(fd, chunk[done:begin])
                os.lseek(fd, end - begin, os.SEEK_CUR)
                done = end
            write_all(fd, chunk[done:] if done else chunk)
        except OSError as error:
            return reason(error), False
        return "", 0 < end == len(chunk)


def compare(partial: Partial, entry: Entry) -> None:
    """Raises WrongBytes when the bytes are not those of the manifest, OSError when they could not be written."""
    if partial.size != entry.size or partial.digest.hexdigest() != entry.sha256:
        raise WrongBytes
    if partial.why:
        raise OSError(partial.why)


def _holes(chunk: bytes, at: int) -> Iterator[tuple[int, int]]:
    """From where to where in a piece of a file, which begins at `at` there, the file's pages are 0.

    What the piece has of the pages at its two ends goes along: its neighbours have the rest. Only a page that begins
    with 0 is looked at further.
    """
    first = -at % PAGE
    pages = (len(chunk) - first) // PAGE
    begins = chunk[first::PAGE]
    page = begins.find(0, 0, max(pages, 0))
    while page >= 0:
        end = page
        while end < pages and chunk.startswith(ZERO_PAGE, first + end * PAGE):
            end += 1
        if end > page:
            begin, behind = first + page * PAGE, first + end * PAGE
            with_head = not page and not any(chunk[:first])
            with_tail = end == pages and not any(chunk[behind:])
            yield 0 if with_head else begin, len(chunk) if with_tail else behind
        page = begins.find(0, end + 1, pages)


def _grown(fd: int, size: int) -> str:
    """Set the size of a file that ends in a hole; why that failed, or ""."""
    try:
        os.ftruncate(fd, size)
    except OSError as error:
        return reason(error)
    return ""


def try_set_metadata(fd: int, entry: Entry, mode: int) -> str:
    """Set time and mode of an open file that was made with `mode`; why that failed, or ""."""
    try:
        try:  # not `suppress`, whose cost tells when files are small
            os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))
        except OverflowError:
            pass
        if entry.mode & BITS != mode:
            os.chmod(fd, entry.mode & BITS)
    except OSError as error:
        return reason(error)
    return ""


def set_metadata(path: str, entry: Entry) -> None:
    """Set time and mode; the time first, which a read-only file on Windows does not take."""
    with contextlib.suppress(OverflowError):
        os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns))
    os.chmod(path, entry.mode & (FOLDER_BITS if entry.kind == FOLDER else BITS))


def reason(error: BaseException) -> str:
    """Why something could not be written, for a person."""
    if getattr(error, "winerror", None) == NO_RIGHT:
        return "links need a right on Windows: turn on its developer mode, then type the same again"
    if isinstance(error, OSError) and is_full(error):
        return NO_SPACE
    return getattr(error, "strerror", None) or str(error)

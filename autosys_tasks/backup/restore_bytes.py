"""Writes the bytes of a file that is restored, holes as holes, and tells whether they are those of the manifest."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from autosys_tasks.backup.values import Entry
from autosys_tasks.core.files import is_full, write_all

NO_RIGHT = 1314  # ERROR_PRIVILEGE_NOT_HELD: Windows keeps links for administrators and its developer mode
NO_SPACE = "no space is left"
HOLE = 1 << 16  # bytes of 0 at once that take no room on a disk
BITS = 0o1777  # of a mode; who may become whom by a program is not for an archive to say

if TYPE_CHECKING:
    from hashlib import _Hash


class Different(Exception):
    """The bytes are not those that the manifest names."""


class Begun(NamedTuple):
    """A file on its way: where it is written, what came of its bytes so far, and why not all of them are there."""

    scratch: str
    digest: _Hash
    size: int = 0
    lost: str = ""
    dressed: bool = False  # it has its mode and time


class Pourer:
    """Writes streams into open files; `tell` is told of bytes as they are written, `fault` of each write before it."""

    def __init__(self, tell: Callable[[int], None], fault: Callable[[str], None]) -> None:
        self.tell, self.fault = tell, fault

    def poured(self, fd: int, begun: Begun, most: int, chunks: Iterable[bytes]) -> Begun:
        """What is begun, with a stream written behind it into an open file: no more than `most` bytes in all."""
        scratch, digest, size, lost, _ = begun
        hole = False
        for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
            hole = len(chunk) >= HOLE and _is_hole(chunk)
            lost = lost or ("" if size > most else self._written(fd, chunk, hole))
            self.tell(len(chunk))
        if hole and not lost:
            lost = _grown(fd, min(size, most))
        return Begun(scratch, digest, size, lost)

    def _written(self, fd: int, chunk: bytes, hole: bool) -> str:
        """Why the bytes could not be written, "" when they are."""
        try:
            self.fault("restore.during-write")
            if hole:
                os.lseek(fd, len(chunk), os.SEEK_CUR)
            else:
                write_all(fd, chunk)
        except OSError as error:
            return reason(error)
        return ""


def compare(begun: Begun, entry: Entry) -> None:
    """Raises Different unless its bytes are those of the manifest, OSError when not all of them are there."""
    if begun.size != entry.size or begun.digest.hexdigest() != entry.sha256:
        raise Different
    if begun.lost:
        raise OSError(begun.lost)


def _is_hole(chunk: bytes) -> bool:
    """Whether all are 0; only what begins with one is looked at further."""
    return not chunk[0] and chunk == bytes(len(chunk))


def _grown(fd: int, size: int) -> str:
    """Give a file that ends in a hole its size; why not, "" when it has it."""
    try:
        os.ftruncate(fd, size)
    except OSError as error:
        return reason(error)
    return ""


def dressed(fd: int, entry: Entry, mode: int) -> str:
    """Give an open file that was made with `mode` its time and its mode; why not, "" when it has them."""
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


def dress(path: str, entry: Entry) -> None:
    """Mode and time; the time first: what is read-only takes none on Windows."""
    with contextlib.suppress(OverflowError):
        os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns))
    os.chmod(path, entry.mode & BITS)


def reason(error: BaseException) -> str:
    """Why something could not be put there, for a person."""
    if getattr(error, "winerror", None) == NO_RIGHT:
        return "links need a right on Windows: turn on its developer mode, then type the same again"
    if isinstance(error, OSError) and is_full(error):
        return NO_SPACE
    return getattr(error, "strerror", None) or str(error)

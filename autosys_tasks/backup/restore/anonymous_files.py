"""Files that have no name while they are written: what a kill leaves of one is nothing. Linux, on most of its disks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

FLAGS = os.O_WRONLY | getattr(os, "O_TMPFILE", 0)
NUMBERS = "/proc/self/fd"  # by it an open file gets a name


@contextlib.contextmanager
def maker(folder: str) -> Iterator[Maker | None]:
    """What makes them on the disk of `folder`, which is new and ours; None where that has no such thing."""
    numbers = -1
    try:
        try:
            numbers = os.open(NUMBERS, os.O_RDONLY)
            made = Maker(numbers, os.stat(folder).st_dev)
            _try(made, folder)
        except (OSError, NotImplementedError):
            made = None
        yield made
    finally:
        if numbers >= 0:
            os.close(numbers)


@contextlib.contextmanager
def again(made: Maker | None) -> Iterator[Maker | None]:
    """The same in a copy of the process that it was made in: the numbers of open files are those of one process."""
    if made is None:
        yield None
        return
    numbers = os.open(NUMBERS, os.O_RDONLY)
    try:
        yield Maker(numbers, made.disk)
    finally:
        os.close(numbers)


class Maker:
    """Makes files without a name on one disk, and names them."""

    def __init__(self, numbers: int, disk: int) -> None:
        self._numbers, self.disk = numbers, disk
        self._kept: dict[str, int] = {}  # bits of a mode that a folder leaves to a new file; -1: it is on another disk

    def open(self, folder: str, mode: int) -> tuple[int, int]:
        """A new file, open, that will lie in `folder`; and which bits of `mode` it got. Raises what the OS raises."""
        kept = self._kept.get(folder)
        kept = self._learnt(folder) if kept is None else kept
        if kept < 0:
            raise OSError(f"`{folder}` is on another disk")
        return os.open(folder, FLAGS, mode & kept), mode & kept

    def name(self, fd: int, path: str) -> None:
        """Give it its name; FileExistsError when something has it."""
        os.link(str(fd), path, src_dir_fd=self._numbers)

    def _learnt(self, folder: str) -> int:
        """An umask, or the folder itself, may keep some bits from new files."""
        fd = os.open(folder, FLAGS, 0o777)
        try:
            status = os.fstat(fd)
        finally:
            os.close(fd)
        kept = self._kept[folder] = status.st_mode & 0o777 if status.st_dev == self.disk else -1
        return kept


def _try(made: Maker, folder: str) -> None:
    """Make one; raises what the OS raises."""
    fd, _ = made.open(folder, 0o600)
    try:
        made.name(fd, os.path.join(folder, "trial"))
    finally:
        os.close(fd)
    os.unlink(os.path.join(folder, "trial"))

"""Files that have no name while they are written (O_TMPFILE), so that a kill leaves nothing. Linux, on most disks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

FLAGS = os.O_WRONLY | getattr(os, "O_TMPFILE", 0)
OPEN_FILES = "/proc/self/fd"  # linking a name in it names the open file


@contextlib.contextmanager
def maker(folder: str) -> Iterator[Maker | None]:
    """A Maker for the disk of `folder`, which is new and ours; None where that has no anonymous files."""
    open_files = -1
    try:
        try:
            open_files = os.open(OPEN_FILES, os.O_RDONLY)
            made = Maker(open_files, os.stat(folder).st_dev)
            _try(made, folder)
        except (OSError, NotImplementedError):
            made = None
        yield made
    finally:
        if open_files >= 0:
            os.close(open_files)


@contextlib.contextmanager
def reopened(made: Maker | None) -> Iterator[Maker | None]:
    """The same Maker for a forked process, whose open files are its own."""
    if made is None:
        yield None
        return
    open_files = os.open(OPEN_FILES, os.O_RDONLY)
    try:
        yield Maker(open_files, made.disk)
    finally:
        os.close(open_files)


class Maker:
    """Makes anonymous files on one disk, and names them."""

    def __init__(self, open_files: int, disk: int) -> None:
        self._open_files, self.disk = open_files, disk
        self._mode_bits: dict[str, int] = {}  # folder -> permission bits its new files get; -1: on another disk

    def open(self, folder: str, mode: int) -> tuple[int, int]:
        """Open a new file that will lie in `folder`: (descriptor, the bits of `mode` that it got). Raises OSError."""
        bits = self._mode_bits.get(folder)
        bits = self._learn(folder) if bits is None else bits
        if bits < 0:
            raise OSError(f"`{folder}` is on another disk")
        return os.open(folder, FLAGS, mode & bits), mode & bits

    def name(self, fd: int, path: str) -> None:
        """Name the file; FileExistsError when something has that name."""
        os.link(str(fd), path, src_dir_fd=self._open_files)

    def _learn(self, folder: str) -> int:
        """Learn which permission bits the umask and the folder leave to new files."""
        fd = os.open(folder, FLAGS, 0o777)
        try:
            status = os.fstat(fd)
        finally:
            os.close(fd)
        bits = self._mode_bits[folder] = status.st_mode & 0o777 if status.st_dev == self.disk else -1
        return bits


def _try(made: Maker, folder: str) -> None:
    """Make and name one file; raises OSError."""
    fd, _ = made.open(folder, 0o600)
    try:
        made.name(fd, os.path.join(folder, "trial"))
    finally:
        os.close(fd)
    os.unlink(os.path.join(folder, "trial"))

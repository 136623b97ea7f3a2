"""Entries of a manifest on the disk while it is not known yet how many there are: a million do not fill memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from autosys_tasks.backup.manifest_text import entries_of, in_whole_lines, row, split
from autosys_tasks.backup.values import Entry

PIECE = 1 << 16  # bytes that are read at once: few enough for the cache of a CPU


class Spool:
    """Entries in order of path, written once, as the manifest has them, and then read as often as needed.

    At its end all is closed, a reading that broke off, too: Windows removes no file that is open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes = 0  # of all that the archive holds of them
        self._last, self._comma = "", b""
        self._file = path.open("wb", buffering=1 << 16)
        self._readings: list[BinaryIO] = []

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        for file in (self._file, *self._readings):
            file.close()

    def add(self, entry: Entry) -> None:
        """One more; ValueError when it does not come behind the others."""
        self.add_lines(row(entry), entry.path, entry.path, entry.size - entry.tail[0])

    def add_lines(self, lines: bytes, first: str, last: str, size: int) -> None:
        """The lines of several, from the path `first` to `last`, with commas between them; `size` of all in bytes."""
        if first <= self._last:
            raise ValueError(f"a manifest is in order of path: `{first}` comes after `{self._last}`")
        self._last = last
        self.bytes += size
        self._file.write(self._comma + lines)
        self._comma = b","

    def pieces(self) -> Iterator[bytes]:
        """All of them, from the first, as a manifest has them: so many bytes at a time."""
        self._file.flush()
        with self.path.open("rb", buffering=0) as file:
            self._readings.append(file)
            yield from iter(partial(file.read, PIECE), b"")

    def read(self) -> Iterator[Entry]:
        """All of them, from the first."""
        for text in in_whole_lines(self.pieces()):
            yield from entries_of(split(text))

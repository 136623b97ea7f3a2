"""The entries of a new manifest, on the disk until all are known: a million of them would fill memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from autosys_tasks.backup.manifest_text import entries_of, row, split, whole_lines
from autosys_tasks.backup.values import Entry

PIECE = 1 << 16  # bytes read at once; fits a CPU's cache


class Spool:
    """Entries in order of path, as lines of a manifest: written once, then read as often as needed.

    A context manager; unfinished readings are closed with it, for Windows removes no open file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes = 0  # of all members in the archive
        self._last, self._comma = "", b""
        self._file = path.open("wb", buffering=1 << 16)
        self._readings: list[BinaryIO] = []

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        for file in (self._file, *self._readings):
            file.close()

    def add(self, entry: Entry) -> None:
        """Append an entry; ValueError when it is out of order."""
        self.add_lines(row(entry), entry.path, entry.path, entry.size - entry.tail[0])

    def add_lines(self, lines: bytes, first: str, last: str, size: int) -> None:
        """Append the lines of several entries, of the paths `first` to `last`; `size`: bytes of their members."""
        if first <= self._last:
            raise ValueError(f"a manifest is in order of path: `{first}` comes after `{self._last}`")
        self._last = last
        self.bytes += size
        self._file.write(self._comma + lines)
        self._comma = b","

    def pieces(self) -> Iterator[bytes]:
        """All lines, PIECE bytes at a time."""
        self._file.flush()
        with self.path.open("rb", buffering=0) as file:
            self._readings.append(file)
            yield from iter(partial(file.read, PIECE), b"")

    def read(self) -> Iterator[Entry]:
        """All entries."""
        for text in whole_lines(self.pieces()):
            yield from entries_of(split(text))

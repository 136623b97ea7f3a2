"""Entries of a manifest on the disk while it is not known yet how many there are: a million do not fill memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from autosys_tasks.backup.manifest_text import entries_of, row
from autosys_tasks.backup.values import Entry

TOGETHER = 256  # lines that are parsed at once


class Spool:
    """Entries in order of path, written once, as the manifest has them, and then read as often as needed.

    At its end all is closed, a reading that broke off, too: Windows removes no file that is open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes = 0  # of all that the archive holds of them
        self._last = ""
        self._file = path.open("wb", buffering=1 << 16)
        self._readings: list[BinaryIO] = []

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        for file in (self._file, *self._readings):
            file.close()

    def add(self, entry: Entry) -> None:
        """One more; ValueError when it does not come behind the others."""
        if entry.path <= self._last:
            raise ValueError(f"a manifest is in order of path: `{entry.path}` comes after `{self._last}`")
        self._last = entry.path
        self.bytes += entry.size - entry.tail[0]
        self._file.write(row(entry))

    def rows(self) -> Iterator[bytes]:
        """All of them, from the first, as lines of a manifest."""
        self._file.flush()
        with self.path.open("rb") as lines:
            self._readings.append(lines)
            yield from lines

    def read(self) -> Iterator[Entry]:
        """All of them, from the first."""
        rows = self.rows()
        while lines := list(islice(rows, TOGETHER)):
            yield from entries_of(lines)

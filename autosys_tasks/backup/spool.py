"""Entries of a manifest on the disk while it is not known yet how many there are: a million do not fill memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TextIO

from autosys_tasks.backup.values import Entry


class Spool:
    """Entries in the order in which they came, written once and then read as often as needed.

    At its end all is closed, a reading that broke off, too: Windows removes no file that is open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("w", encoding="utf-8", errors="surrogateescape", newline="\n")
        self._readings: list[TextIO] = []

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        for file in (self._file, *self._readings):
            file.close()

    def add(self, entry: Entry) -> None:
        """One more."""
        self._file.write(json.dumps(entry, separators=(",", ":")) + "\n")

    def read(self) -> Iterator[Entry]:
        """All of them, from the first."""
        self._file.flush()
        with self.path.open(encoding="utf-8", errors="surrogateescape") as lines:
            self._readings.append(lines)
            for line in lines:
                path, kind, size, mtime_ns, mode, sha256, member, link, flags, stamp, tail = json.loads(line)
                yield Entry(
                    path, kind, size, mtime_ns, mode, sha256, member, link,
                    tuple(flags), (stamp[0], stamp[1]), (tail[0], tail[1]),
                )  # fmt: skip

"""Compares the manifest of a differential's base with the files that a walk finds. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from autosys_tasks.backup.errors import Damaged
from autosys_tasks.backup.manifest_text import entry_of, line_matches
from autosys_tasks.backup.plan import NO_STAMP, RACY_S
from autosys_tasks.backup.values import Entry


class Base:
    """Merges the lines of the base's manifest with files, both in order of path.

    `scanned`: when the base's files were scanned (seconds since 1970). An unchanged file, which most are, is only
    counted. Without lines (a full backup) every file is new.
    """

    def __init__(self, lines: Iterable[str] = (), scanned: float = 0.0) -> None:
        self.scanned = scanned
        self.files, self.bytes = 0, 0  # unchanged
        self._settled_ns = int((scanned - RACY_S) * 1e9)
        self._lines = iter(lines)
        self._line = next(self._lines, "")
        self._entry: Entry | None = None  # the parsed `_line`, if it was parsed
        self._last = ""
        self._left: list[Entry] = []

    def has(self, path: str, size: int, mtime_ns: int, mode: int, stamp: tuple[int, int]) -> bool:
        """Whether a file is unchanged: its line would be the same. To be called in order of path; raises Damaged."""
        if mtime_ns >= self._settled_ns or stamp == NO_STAMP:
            return False
        while self._line:
            if line_matches(self._line, path, size, mtime_ns, mode, stamp):
                self.files, self.bytes, self._last = self.files + 1, self.bytes + size, path
                self._line, self._entry = next(self._lines, ""), None
                return True
            entry = self._parsed()
            if entry.path > path:
                return False
            self._leave(entry)
            if entry.path == path:
                return False
        return False

    def left(self) -> list[Entry]:
        """All other entries of the base, in order of path; to be called last. Raises Damaged."""
        while self._line:
            self._leave(self._parsed())
        return self._left

    def _parsed(self) -> Entry:
        if self._entry is None:
            self._entry = entry_of(self._line)
            if self._entry.path <= self._last:
                raise Damaged(f"`{self._entry.path}` is out of order in the manifest")
        return self._entry

    def _leave(self, entry: Entry) -> None:
        self._left.append(entry)
        self._last = entry.path
        self._next_line()

    def _next_line(self) -> None:
        self._line, self._entry = next(self._lines, ""), None

"""The manifest of the full backup that a differential builds upon, compared with the files that a walk meets. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from autosys_tasks.backup.errors import Damaged
from autosys_tasks.backup.manifest_text import entry_of, says_the_same
from autosys_tasks.backup.plan import NO_STAMP, RACY_S
from autosys_tasks.backup.values import Entry


class Base:
    """Lines of the base's manifest, in order of path, merged with files asked in the same order.

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
        """Whether a file is unchanged: its line would be the same. Asked in order of path; raises Damaged."""
        if mtime_ns >= self._settled_ns or stamp == NO_STAMP:
            return False
        while self._line:
            if says_the_same(self._line, path, size, mtime_ns, mode, stamp):
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
        """All other entries of the base, in order of path; asked at the end. Raises Damaged."""
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
        self._go_on()

    def _go_on(self) -> None:
        self._line, self._entry = next(self._lines, ""), None

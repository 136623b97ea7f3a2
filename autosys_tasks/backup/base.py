"""What a differential builds upon: the lines of a full backup, held against the files that a walk meets. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from autosys_tasks.backup.errors import Damaged
from autosys_tasks.backup.manifest_text import entry_of, says_the_same
from autosys_tasks.backup.plan import NO_STAMP, RACY_S
from autosys_tasks.backup.values import Entry


class Base:
    """A full's entries as lines, in order of path; without lines it is that of a full, which builds upon nothing.

    `scanned`: when it was looked for (seconds since 1970). A file whose line it would have again is counted, and no
    more is made of it: of most nights that is nearly all there is.
    """

    def __init__(self, lines: Iterable[str] = (), scanned: float = 0.0) -> None:
        self.scanned = scanned
        self.files, self.bytes = 0, 0  # that stayed
        self._settled_ns = int((scanned - RACY_S) * 1e9)
        self._lines = iter(lines)
        self._line = next(self._lines, "")
        self._entry: Entry | None = None  # of that line, once it was parsed
        self._last = ""
        self._left: list[Entry] = []

    def has(self, path: str, size: int, mtime_ns: int, mode: int, stamp: tuple[int, int]) -> bool:
        """Whether a file is as it was, in the very words of its line; asked in order of path. Raises Damaged."""
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
        """The entries of all that `has` did not find so, in order of path; asked at the end. Raises Damaged."""
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

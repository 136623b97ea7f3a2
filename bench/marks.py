"""Reads what the children say through a fifo: who started, who is ready, whose order was broken."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path
from typing import NamedTuple


class Mark(NamedTuple):
    """One line of a child; `ns` is CLOCK_MONOTONIC, the clock of time.monotonic_ns()."""

    kind: str  # s started | r ready | e started too early
    ns: int
    pid: int
    name: str


class Marks:
    """The fifo's reading end, and every mark it gave so far."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self.seen: list[Mark] = []
        # Read-write keeps an end open, so that the fifo never says end-of-file between two children.
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._rest = b""

    def close(self) -> None:
        """Let go of the fifo."""
        os.close(self._fd)

    def wait(self, kind: str, names: set[str], *, after_ns: int = 0, within_s: float) -> dict[str, Mark]:
        """Each name's first mark of `kind` after `after_ns`; raises TimeoutError naming who is missing."""
        deadline = time.monotonic() + within_s
        while True:
            found = self.first(kind, names, after_ns=after_ns)
            if len(found) == len(names):
                return found
            if not self.read(deadline - time.monotonic()):
                missing = sorted(names - set(found))
                raise TimeoutError(f"no `{kind}` from {', '.join(missing[:5])} within {within_s} s")

    def first(self, kind: str, names: set[str], *, after_ns: int = 0) -> dict[str, Mark]:
        """What `wait` would return if it did not wait; the names still missing are absent."""
        found: dict[str, Mark] = {}
        for mark in self.seen:
            if mark.kind == kind and mark.ns > after_ns and mark.name in names:
                found.setdefault(mark.name, mark)
        return found

    def read(self, timeout_s: float = 0) -> bool:
        """Take in what the fifo holds, waiting up to `timeout_s` for something; False when nothing came."""
        readable, _, _ = select.select([self._fd], [], [], max(timeout_s, 0))
        if not readable:
            return False
        *lines, self._rest = (self._rest + os.read(self._fd, 1 << 16)).split(b"\n")
        self.seen += [_mark(line.decode("ascii")) for line in lines]
        return True

    def newest(self, name: str) -> int:
        """The pid that started last under `name`."""
        while self.read():
            pass
        return next(mark.pid for mark in reversed(self.seen) if mark.kind == "s" and mark.name == name)


def _mark(line: str) -> Mark:
    kind, ns, pid, name = line.split(" ", 3)
    return Mark(kind, int(ns), int(pid), name)

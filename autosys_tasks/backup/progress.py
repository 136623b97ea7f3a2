"""How far a long run is, for a person: share, bytes, rate, and the time that is left. Says nothing of a short one."""

from __future__ import annotations

import time
from collections.abc import Callable

from autosys_tasks.core.clock import size, span

Say = Callable[[str], object]  # takes a line for a person
TellBytes = Callable[[int], object]  # takes bytes as they are done
FIRST_S = 1.0  # what takes less is not worth a line
LONGER = 1.3  # each line comes later than the one before: an hour is told in thirty lines


class Progress:
    """Told of bytes as they are done; says a line through `say` now and then. `total` 0: not known."""

    def __init__(
        self, doing: str, total: int, say: Say, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.doing, self.total, self.say, self.clock = doing, total, say, clock
        self.done = 0
        self.began: float | None = None  # when the first bytes were done: what was before says nothing of the rate
        self.next_s = FIRST_S

    def add(self, count: int) -> None:
        """Count bytes that are done."""
        now = self.clock()
        self.began = now if self.began is None else self.began
        self.done += count
        took = now - self.began
        if took >= self.next_s:
            self.next_s = max(took + FIRST_S, took * LONGER)
            self.say(self.line(took))

    def line(self, took: float) -> str:
        """`restoring: 41 %, 120.0 MB of 290.1 MB, 24.1 MB/s, 7 s left`."""
        rate = self.done / took if took > 0 else 0.0
        said = f"{size(self.done)}, {size(rate)}/s"
        if not self.total:
            return f"{self.doing}: {said}"
        left = max(0, self.total - self.done)
        when = f", {span(left / rate)} left" if rate else ""
        share = min(100, round(100 * self.done / self.total))
        return f"{self.doing}: {share} %, {size(self.done)} of {size(self.total)}, {size(rate)}/s{when}"

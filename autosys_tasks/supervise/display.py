"""What a person sees while waiting: a live table on a terminal, changed lines elsewhere. Decides nothing."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from autosys_tasks.supervise import plan, show
from autosys_tasks.supervise.house import House
from autosys_tasks.supervise.runs import Show
from autosys_tasks.supervise.values import Decision, Facts, label

AGAIN_S = 0.1
QUIET_S = 1.0  # what takes no longer than this needs no progress


@contextlib.contextmanager
def display(house: House, say: Callable[[str], None], *, quiet: bool) -> Iterator[Show]:
    """A function to be told how things stand; what it shows goes to stderr, by `say` or as a table."""
    if quiet:
        yield lambda decisions, facts: None
        return
    if not sys.stderr.isatty():
        yield _Lines(say).show
        return
    table = _Table(house)
    try:
        yield table.show
    finally:
        table.close()


class _Lines:
    """A line whenever others are awaited than before."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._last: tuple[str, ...] = ()
        self._since = time.monotonic()

    def show(self, decisions: dict[str, Decision], facts: dict[str, Facts]) -> None:
        names = plan.awaited(decisions)
        if names != self._last and time.monotonic() - self._since > QUIET_S:
            self._last = names
            if names:
                self._say(show.progress_line(decisions))


class _Table:
    """A table that is drawn over itself."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._live: Any = None  # rich's Live, imported when there is something to draw
        self._next = time.monotonic() + 0.15  # services come first: drawing waits until they are started

    def show(self, decisions: dict[str, Decision], facts: dict[str, Facts]) -> None:
        if time.monotonic() < self._next:
            return
        if self._live is None:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(_drawn(self._house, decisions, facts), refresh=True)
        self._next = time.monotonic() + AGAIN_S

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()


COLOURS = {"ready": "green", "done": "green", "starting": "yellow", "waiting": "yellow", "stopped": "dim"}


def _drawn(house: House, decisions: dict[str, Decision], facts: dict[str, Facts]):  # type: ignore[no-untyped-def]
    from rich.markup import escape
    from rich.table import Table

    table = Table("service", "state", "pid", "why", box=None, pad_edge=False)
    for name, decision in decisions.items():
        leader = facts[name].leader
        colour = COLOURS.get(decision.state, "red")
        table.add_row(
            escape(label(name)),
            f"[{colour}]{decision.state}[/]",
            str(leader.pid) if leader else "-",
            escape(decision.reason),
        )
    return table


def watch(house: House, every_s: float = 2.0) -> None:
    """The `ps` table, drawn again and again until Ctrl-C."""
    while True:
        seen = show.picture(house)
        lines = [*show.table_lines(show.rows(house, seen)), show.guard_line(show.guard_row(seen))]
        clear = "\x1b[H\x1b[2J" if sys.stdout.isatty() else ""
        print(clear + "\n".join(lines), flush=True)  # noqa: T201
        time.sleep(every_s)

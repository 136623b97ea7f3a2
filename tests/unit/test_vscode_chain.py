"""A chain goes on whatever becomes of one of its links, and never waits longer than it said."""

from __future__ import annotations

import threading
import time

from autosys_tasks.core.errors import Busy
from autosys_tasks.vscode.chain import Ended, Link, carry_out


def test_a_link_that_hangs_raises_or_fails_stops_none_that_follow() -> None:
    """P39: a background step once blocked all that came after it."""
    forever = threading.Event()

    def busy() -> Ended:
        raise Busy("`bringup` (pid 7) is at work", hint="wait for it")

    def hangs() -> Ended:
        forever.wait(60)
        return Ended(True, "too late")

    said: list[str] = []
    began = time.monotonic()
    links = [
        Link("raises", "", lambda: Ended(1 / 0 > 1, ""), 5),
        Link("busy", "", busy, 5),
        Link("hangs", "", hangs, 0.05),
        Link("well", "", lambda: Ended(True, "fine"), 5),
    ]
    outcomes = carry_out(links, said.append)
    forever.set()
    assert time.monotonic() - began < 30, "half of what it would have waited"
    assert [outcome.ok for outcome in outcomes] == [False, False, False, True]
    assert said == [
        "[1/4] raises: ZeroDivisionError: division by zero",
        "[2/4] busy: `bringup` (pid 7) is at work -> wait for it",
        "[3/4] hangs: not ended after 0.05 s, left alone",
        "[4/4] well: fine",
    ]

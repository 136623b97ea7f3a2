"""One thing after the other, each within its time; what fails, hangs or raises stops none of those that follow."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from autosys_tasks.core.errors import AutosysError
from autosys_tasks.core.plan import Outcome, Step


class Ended(NamedTuple):
    """How a link ended: whether all is as wanted, and one line about it."""

    ok: bool
    said: str


class Link(NamedTuple):
    """One link: its name, what it is for, what it calls, and how long that may take."""

    name: str
    reason: str
    call: Callable[[], Ended]
    within_s: float


def step_of(link: Link) -> Step:
    """A link as a plan shows it."""
    return Step("run", link.name, link.reason)


def carry_out(links: Sequence[Link], tell: Callable[[str], None]) -> list[Outcome]:
    """How each link ended; `tell` hears a line for each as it ends, `[1/4] bringup: ...`."""
    done = []
    for number, link in enumerate(links, 1):
        began = time.monotonic()
        ended = _within(link)
        ms = round((time.monotonic() - began) * 1000)
        tell(f"[{number}/{len(links)}] {link.name}: {ended.said}")
        done.append(Outcome(step_of(link), ended.ok, ended.said, ms))
    return done


def _within(link: Link) -> Ended:
    brought: list[Ended] = []
    thread = threading.Thread(target=_call, args=(link, brought), daemon=True)
    thread.start()
    thread.join(link.within_s)
    return brought[0] if brought else Ended(False, f"not ended after {link.within_s:g} s, left alone")


def _call(link: Link, brought: list[Ended]) -> None:
    try:
        brought.append(link.call())
    except AutosysError as error:
        brought.append(Ended(False, f"{error.message}" + (f" -> {error.hint}" if error.hint else "")))
    except Exception as error:  # noqa: BLE001 (whatever a link raises is its own failure, said as such)
        brought.append(Ended(False, f"{type(error).__name__}: {error}"))

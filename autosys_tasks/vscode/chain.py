"""One thing after the other, each within its time; what fails, hangs or raises stops none of those that follow."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from autosys_tasks.core.errors import AutosysError, one_line
from autosys_tasks.core.parallel import results_within
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
    late = Ended(False, f"not ended after {link.within_s:g} s, left alone")
    return results_within({link.name: (partial(_call, link), link.within_s)}).get(link.name, late)


def _call(link: Link) -> Ended:
    try:
        return link.call()
    except AutosysError as error:
        return Ended(False, one_line(error))
    except Exception as error:  # noqa: BLE001 (whatever a link raises is its own failure, said as such)
        return Ended(False, f"{type(error).__name__}: {error}")

"""What the journals tell of one service: deaths, restarts and why, and when it was meant to be down. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from autosys_tasks.report.values import Event, Span
from autosys_tasks.supervise.plan import ASKED, BY_A_PERSON, PAUSED, RESTARTED

BY_HAND = "asked by a person"
CAUSES = (
    (re.compile(r"killed by signal \d+"), None),
    (re.compile(r"exited -?\d+"), None),
    (re.compile(r"died"), None),
    (re.compile(r"liveness: .*", re.DOTALL), "liveness failed"),
    (re.compile(r"memory .*", re.DOTALL), "memory over its limit"),
    (re.compile(r"not ready within .*", re.DOTALL), "not ready in time"),
    (re.compile(r"cannot run .*", re.DOTALL), "cannot be run"),
    (re.compile(r"its leader is gone.*", re.DOTALL), "leader died"),  # supervise.plan.LEFT, and its older wording
)
MEANT = (ASKED, RESTARTED, BY_A_PERSON, PAUSED)
UPGRADE = "upgrade"
STEPS = ("start", "restart", "stop", "adopt")


class Death(NamedTuple):
    """From when a service was found dead to when it was started again; None: it was not."""

    began: float
    ended: float | None
    cause: str


class Told(NamedTuple):
    """The deaths, the restarts by reason, and the spans in which it was meant to be down."""

    deaths: list[Death]
    restarts: dict[str, int]
    off: list[Span]


@lru_cache(maxsize=1024)
def kind_of(reason: str) -> str | None:
    """The kind of a cause of death, None when the reason tells of no death."""
    for pattern, name in CAUSES:
        if pattern.fullmatch(reason):
            return name or reason
    return None


def told(events: Sequence[Event], watched: Sequence[Span], window: Span, boot_at: float) -> Told:
    """What these lines about one service tell, in the order of time."""
    deaths: list[Death] = []
    restarts: Counter[str] = Counter()
    off: list[Span] = []
    off_since: float | None = None
    before: Event | None = None
    for event in events:
        if event.step == "stop" and event.ok and event.reason.startswith(MEANT):
            off_since = _began(event, window) if off_since is None else off_since
        elif event.step == "restart" and event.ok and event.task != UPGRADE:  # which was meant, and was paused for
            deaths.append(Death(_began(event, window), None, event.reason))
        elif event.step == "start" and event.ok is not None:
            if event.reason.startswith(ASKED) and off_since is None and before is None:
                off_since = window[0]  # it was stopped before the window began
            _note_death(deaths, event, before, watched, window, boot_at)
            if event.ok:
                _count(restarts, event)
                off += [(off_since, event.at)] if off_since is not None else []
                off_since = None
        before = event
    off += [(off_since, window[1])] if off_since is not None else []
    return Told(deaths, dict(restarts), off)


def _note_death(
    deaths: list[Death], event: Event, before: Event | None, watched: Sequence[Span], window: Span, boot_at: float
) -> None:
    """Add or end the death that this start, or this failure to start, tells of."""
    ended = event.at if event.ok else None
    if deaths and deaths[-1].ended is None:
        deaths[-1] = deaths[-1]._replace(ended=ended)
    elif event.ok is False:
        deaths.append(Death(_began(event, window), None, event.detail or event.reason))
    elif kind_of(event.reason) and _is_news(event, before, watched, boot_at):
        deaths.append(Death(_began(event, window), ended, event.reason))


def _is_news(event: Event, before: Event | None, watched: Sequence[Span], boot_at: float) -> bool:
    """A start after the machine was off, or after a time in which nobody watched, tells of no incident."""
    first_of_boot = event.at >= boot_at and (before is None or before.at < boot_at) and boot_at > 0
    seen = any(began - 1 <= event.at - event.ms / 1000 <= ended + 1 for began, ended in watched)
    if event.reason != "died":
        return True  # somebody was there to see how
    return seen or (event.task == "guard" and not (first_of_boot and before is not None))


def _began(event: Event, window: Span) -> float:
    return max(window[0], event.at - event.ms / 1000)


def _count(restarts: Counter[str], event: Event) -> None:
    kind = {"restart": BY_HAND, UPGRADE: UPGRADE}.get(event.task) or kind_of(event.reason)
    if kind:
        restarts[kind] += 1


def of_service(events: Iterable[Event]) -> dict[str, list[Event]]:
    """The lines about each service, in the order of time."""
    found: dict[str, list[Event]] = {}
    for event in events:
        if event.target and event.step in STEPS:
            found.setdefault(event.target, []).append(event)
    return found


def tells(event: Event) -> bool:
    """Whether a line tells of one service, or as the end of a tick of all; no other is kept."""
    ticked = event.task == "watchdog" and event.not_so is not None
    return ticked or bool(event.target and event.step in STEPS)

"""When the resident keeper starts what: this moment and the past are arguments. Pure."""

from __future__ import annotations

import math
from datetime import tzinfo
from typing import NamedTuple

from autosys_tasks.core.daily import previous_and_next
from autosys_tasks.schedule.values import AtLogon, Daily, Entry, Every

NEVER = math.inf
SETTLE_S = 120.0  # what was missed waits until a logon has settled
DAY_S = 86400.0
BEATS = 3  # so many missed ones are no accident


class Moment(NamedTuple):
    """A point in time: by the person's clock, and by one that no setting moves and that each boot begins anew."""

    wall: float  # seconds since 1970
    clock: float  # seconds since the machine started
    boot: str


def wait_s(entry: Entry, began: Moment, last: Moment | None, now: Moment, zone: tzinfo | None = None) -> float:
    """Seconds until `entry` is to start: 0 = at once, NEVER = not again as long as this keeper lives.

    `began`: when the keeper began. `last`: when the entry was started last, by this keeper or one before.
    `zone`: of the person's clock; None = this machine's.
    """
    when = entry.when
    if isinstance(when, AtLogon):
        return _after_logon(when, began, last, now)
    if isinstance(when, Every):
        return _on_its_beat(when, began, last, now)
    return _at_its_time(when, began, last, now, zone)


def late_s(entry: Entry, last_run: float | None, since: float, now: float) -> float:
    """Seconds that an entry has been silent for although it had its chances; 0 = nothing to say against it.

    `since`: when its chances began: it was registered, the machine started. Nobody waits for a logon.
    """
    if isinstance(entry.when, AtLogon):
        return 0.0
    silent = now - max(since, last_run if last_run is not None else since)
    patience = BEATS * entry.when.every_s if isinstance(entry.when, Every) else 2 * DAY_S
    return silent if silent > patience else 0.0


def _after_logon(when: AtLogon, began: Moment, last: Moment | None, now: Moment) -> float:
    if last is not None and last.boot == began.boot and last.clock >= began.clock:
        return NEVER
    return max(0.0, began.clock + when.delay_s - now.clock)


def _on_its_beat(when: Every, began: Moment, last: Moment | None, now: Moment) -> float:
    """A beat after its last start; after that of this keeper when there was none since the machine started."""
    known = last is not None and last.boot == now.boot and last.clock <= now.clock
    base = last.clock if last is not None and known else began.clock
    return max(0.0, base + when.every_s - now.clock)


def _at_its_time(when: Daily, began: Moment, last: Moment | None, now: Moment, zone: tzinfo | None) -> float:
    """At its time; soon when that was missed, or when it never ran: then nothing proves that it can."""
    due, following = previous_and_next(when.at, now.wall, zone)
    if last is None or last.wall < due or last.wall > now.wall + DAY_S:  # a day ahead: the clock was wrong then
        settled = began.clock + SETTLE_S - now.clock if due < began.wall else 0.0
        return max(0.0, settled)
    return following - now.wall

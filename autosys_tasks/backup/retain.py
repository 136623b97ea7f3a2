"""Decides which backups may go, each with a reason for a person. Pure; what it is not sure of stays.

A backup that can be restored is a point in time one can go back to: a full, or a differential whose full is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from autosys_tasks.backup.values import DIFFERENTIAL, Backup, Kept
from autosys_tasks.config.model import Backup as Policy
from autosys_tasks.core.clock import counted

DAY_S, WEEK_S = 86_400.0, 7 * 86_400.0
ALWAYS = 3  # points that stay whatever their age
NOTHING: Mapping[str, str] = {}


def retain(backups: Sequence[Backup], policy: Policy, now: float, damaged: Mapping[str, str] = NOTHING) -> list[Kept]:
    """Whether each backup stays, in the order given. `damaged`: why backups failed a verification, by id.

    To be carried out only after a run that ended verified, and only for backups that have a manifest: what else lies
    in the folder is nobody's to remove.
    """
    sane = [one for one in backups if not _is_from_the_future(one, now)]
    points = [one for one in restorable(backups, damaged) if one in sane]
    wanted = dict(
        (*_by_rules(points, policy), *_by_age(sane, policy, now), *_always(points), *_untouched(backups, now, damaged))
    )
    for one in backups:
        if one.base and one.id in wanted:
            wanted.setdefault(one.base, f"{one.id} builds upon it")
    gone = f"older than keep_days = {policy.keep_days}, and no other rule keeps it"
    return [Kept(one.id, one.id in wanted, wanted.get(one.id, gone)) for one in backups]


def restorable(backups: Sequence[Backup], damaged: Mapping[str, str] = NOTHING) -> list[Backup]:
    """The backups that one can go back to, the newest first."""
    good = {one.id: one for one in backups if one.verified and one.id not in damaged}
    whole = [one for one in good.values() if one.kind != DIFFERENTIAL or _has_base(one, good)]
    return sorted(whole, key=lambda one: (one.created, one.id), reverse=True)


def _has_base(one: Backup, good: Mapping[str, Backup]) -> bool:
    base = good.get(one.base)
    return base is not None and base.archive_sha256 == one.base_sha256


def ages(backups: Sequence[Backup], now: float) -> dict[str, float]:
    """How old each is, in seconds; more than a week in which none was made counts as one day.

    So neither a machine that was off for a month nor a clock that was wrong for a night makes all of them old at once.
    """
    found, off, before = {}, 0.0, now
    for one in sorted(backups, key=lambda one: one.created, reverse=True):
        if before - one.created > WEEK_S:
            off += before - one.created - DAY_S
        found[one.id] = now - one.created - off
        before = one.created
    return found


def _is_from_the_future(one: Backup, now: float) -> bool:
    return one.created > now + DAY_S


def _untouched(backups: Sequence[Backup], now: float, damaged: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What a person has to look at first."""
    for one in backups:
        if one.id in damaged:
            yield one.id, f"damaged ({damaged[one.id]}): yours to remove"
        elif not one.verified:
            yield one.id, "never verified: yours to remove"
        elif _is_from_the_future(one, now):
            yield one.id, "from the future: the clock was wrong then, or is now"


def _always(points: Sequence[Backup]) -> Iterator[tuple[str, str]]:
    """The newest ones, the newest complete one."""
    complete = next((one for one in points if one.complete), None)
    if complete:
        yield complete.id, "the newest complete backup"
    for one in points[:ALWAYS]:
        yield one.id, f"one of the newest {ALWAYS}, which always stay"
    for one in points[:1]:
        yield one.id, "the newest verified backup"


def _by_age(backups: Sequence[Backup], policy: Policy, now: float) -> Iterator[tuple[str, str]]:
    for id_, age in ages(backups, now).items():
        if age <= policy.keep_days * DAY_S:
            yield id_, f"{counted(round(max(0.0, age) / DAY_S), 'day')} old (keep_days = {policy.keep_days})"


def _by_rules(points: Sequence[Backup], policy: Policy) -> Iterator[tuple[str, str]]:
    """The last ones of months, of weeks, and of all."""
    for id_, name in _last_of(points, policy.keep_monthly, lambda at: at.strftime("%Y-%m")):
        yield id_, f"the last one of {name} (keep_monthly = {policy.keep_monthly})"
    for id_, name in _last_of(points, policy.keep_weekly, lambda at: at.strftime("%G-W%V")):
        yield id_, f"the last one of {name} (keep_weekly = {policy.keep_weekly})"
    for one in points[: policy.keep_last]:
        yield one.id, f"one of the newest {policy.keep_last} (keep_last = {policy.keep_last})"


def _last_of(points: Sequence[Backup], count: int, period: Callable[[datetime], str]) -> Iterator[tuple[str, str]]:
    """(id, period) of the newest point of each of the newest `count` periods that have one."""
    last: dict[str, str] = {}
    for one in points:
        last.setdefault(period(datetime.fromtimestamp(one.created, UTC)), one.id)
    for name, id_ in list(last.items())[:count]:
        yield id_, name

"""Retention, held against a naive reading of its rules, through months of nights that fail and clocks that jump."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autosys_tasks.backup.plan import choose
from autosys_tasks.backup.retain import ALWAYS, restorable, retain
from autosys_tasks.backup.values import DIFFERENTIAL, FULL, Backup, Failed, Kept
from autosys_tasks.config.model import Backup as Policy

pytestmark = pytest.mark.portable

DAY = 86_400.0
START = datetime(2026, 11, 29, 3, 30, tzinfo=UTC).timestamp()


def full(day: float, **more: Any) -> Backup:
    """A good full of that day."""
    return Backup(f"{day:07.2f}", FULL, START + day * DAY, archive_sha256=f"{day}", verified=True)._replace(**more)


def differential(day: float, base: Backup, **more: Any) -> Backup:
    """A good differential of that day."""
    one = Backup(f"{day:07.2f}", DIFFERENTIAL, START + day * DAY, base.id, base.archive_sha256, verified=True)
    return one._replace(**more)


def stays(kept: list[Kept]) -> set[str]:
    return {one.id for one in kept if one.keep}


def daily(days: int) -> list[Backup]:
    """So many nights: a full a week, the others upon it."""
    made: list[Backup] = []
    for day in range(days):
        made.append(full(day) if day % 7 == 0 else differential(day, made[day - day % 7]))
    return made


# By example


def test_of_30_fulls_exactly_those_older_than_14_days_go() -> None:
    nights = [full(day) for day in range(30)]
    kept = retain(nights, Policy(), START + 29 * DAY)
    assert [one.id for one in kept] == [one.id for one in nights]
    assert stays(kept) == {one.id for one in nights if one.created >= START + 15 * DAY}


def test_a_full_stays_as_long_as_a_differential_needs_it() -> None:
    nights = daily(30)
    kept = retain(nights, Policy(), START + 29 * DAY)
    assert stays(kept) == {one.id for one in nights[15:]} | {nights[14].id}
    assert {one.id: one.reason for one in kept}[nights[14].id] == f"{nights[15].id} builds upon it"


def test_each_has_a_reason_for_a_person() -> None:
    kept = retain(daily(30), Policy(keep_weekly=5, keep_monthly=2, keep_last=5), START + 29 * DAY)
    reasons = [one.reason for one in kept]
    assert reasons[-1] == "the newest verified backup"
    assert reasons[-3] == "one of the newest 3, which always stay"
    assert reasons[-10] == "9 days old (keep_days = 14)"
    assert reasons[7] == "the last one of 2026-W49 (keep_weekly = 5)"
    assert reasons[1] == "the last one of 2026-11 (keep_monthly = 2)"
    assert reasons[0] == f"{daily(2)[1].id} builds upon it"
    assert reasons[3] == "older than keep_days = 14, and no other rule keeps it"


def test_keep_days_0_leaves_the_newest_ones() -> None:
    nights = [full(day) for day in range(10)]
    assert stays(retain(nights, Policy(keep_days=0), START + 9 * DAY)) == {one.id for one in nights[-ALWAYS:]}


def test_the_newest_complete_one_stays_when_later_ones_lack_something() -> None:
    lacking = (Failed("locked.db", "locked"),)
    nights = [full(0), full(1), *(full(day, failed=lacking) for day in range(2, 40))]
    kept = retain(nights, Policy(), START + 39 * DAY)
    assert nights[1].id in stays(kept) and nights[0].id not in stays(kept)
    assert {one.id: one.reason for one in kept}[nights[1].id] == "the newest complete backup"


def test_what_is_unverified_or_damaged_is_a_persons_to_remove_and_counts_for_nothing() -> None:
    nights = [full(0), full(1), full(2), full(3, verified=False), full(4)]
    kept = retain(nights, Policy(keep_days=0), START + 90 * DAY, {nights[4].id: "2 files"})
    assert stays(kept) == {one.id for one in nights}
    assert [one.reason for one in kept[3:]] == ["never verified: yours to remove", "damaged (2 files): yours to remove"]


def test_a_differential_whose_full_is_gone_or_another_counts_for_nothing_and_goes_by_age() -> None:
    base = full(0)
    orphans = [differential(1, base), differential(2, full(1, id=base.id))]
    nights = [*orphans, *(full(day) for day in range(3, 40))]
    assert orphans[0] not in restorable(nights)
    assert restorable([base, *orphans]) == [orphans[0], base]
    assert not {one.id for one in orphans} & stays(retain(nights, Policy(), START + 39 * DAY))


# Clocks


@pytest.mark.parametrize("years", [-30, -1, 1, 10, 500])
def test_a_clock_that_is_wrong_for_a_night_takes_nothing_away(years: int) -> None:
    nights = daily(14)
    at = 14 + years * 365
    there = retain([*nights, full(at)], Policy(), START + at * DAY)
    assert stays(there) == {one.id for one in [*nights, full(at)]}, "while it is wrong"
    back = retain([*nights, full(at), differential(14, nights[7])], Policy(), START + 14 * DAY)
    assert stays(back) >= {one.id for one in nights}, "when it is right again"


def test_a_clock_that_is_wrong_in_the_past_takes_nothing_away_at_all() -> None:
    nights = daily(60)
    assert stays(retain(nights, Policy(keep_days=1), START - 9 * DAY)) == {one.id for one in nights}


def test_a_machine_that_was_off_for_a_month_has_its_backups() -> None:
    nights = [full(day) for day in range(14)]
    kept = retain([*nights, full(44)], Policy(), START + 44 * DAY)
    assert stays(kept) == {one.id for one in [*nights, full(44)]}
    later = [*nights, *(full(day) for day in range(44, 59))]
    assert stays(retain(later, Policy(), START + 58 * DAY)) == {one.id for one in later[14:]}, "and then they go"


# Against a naive reading


def naive(backups: list[Backup], policy: Policy, now: float) -> set[str]:
    """The ids that stay, where no two backups are more than a week apart and none is from the future."""
    good = [one for one in backups if one.verified]
    points = [one for one in good if one.kind == FULL or any(base.id == one.base for base in good)]
    points.sort(key=lambda one: -one.created)
    stay = {one.id for one in backups if not one.verified or now - one.created <= policy.keep_days * DAY}
    stay |= {one.id for one in points[: max(policy.keep_last, 3)]}
    stay |= {one.id for one in [one for one in points if not one.failed][:1]}
    for count, length in ((policy.keep_weekly, "week"), (policy.keep_monthly, "month")):
        seen: list[object] = []
        for one in points:
            day = datetime.fromtimestamp(one.created, UTC).date()
            period = day.isocalendar()[:2] if length == "week" else (day.year, day.month)
            if period not in seen and len(seen) < count:
                seen.append(period)
                stay.add(one.id)
    return stay | {one.base for one in backups if one.id in stay and one.base}


POLICIES = st.builds(
    Policy, keep_days=st.integers(0, 20), keep_last=st.integers(0, 6), keep_weekly=st.integers(0, 6),
    keep_monthly=st.integers(0, 3),
)  # fmt: skip
NIGHTS = st.lists(
    st.tuples(st.sampled_from([0.25, 1.0, 1.0, 2.5, 6.5]), st.booleans(), st.sampled_from("ggggfu")), max_size=40
)


def made(nights: list[tuple[float, bool, str]]) -> list[Backup]:
    """Backups by (days since the last, whether it is full, good | with failed files | unverified)."""
    found: list[Backup] = []
    day = 0.0
    for pause, is_full, how in nights:
        day += pause
        base = next((one for one in reversed(found) if one.kind == FULL), None)
        one = full(day) if is_full or base is None else differential(day, base)
        found.append(one._replace(verified=how != "u", failed=(Failed("x", "locked"),) if how == "f" else ()))
    return found


@given(NIGHTS, POLICIES, st.floats(0, 6))
def test_what_stays_is_what_a_naive_reading_of_the_rules_keeps(
    nights: list[tuple[float, bool, str]], policy: Policy, later: float
) -> None:
    backups = made(nights)
    now = (backups[-1].created if backups else START) + later * DAY
    assert stays(retain(backups, policy, now)) == naive(backups, policy, now)


@given(NIGHTS, POLICIES, st.floats(-1e6, 1e6), st.sets(st.integers(0, 39)))
def test_whatever_the_clock_says_what_is_needed_stays(
    nights: list[tuple[float, bool, str]], policy: Policy, later: float, damaged: set[int]
) -> None:
    backups = made(nights)
    bad = {one.id: "bad" for number, one in enumerate(backups) if number in damaged}
    kept = retain(backups, policy, START + later * DAY, bad)
    assert [one.id for one in kept] == [one.id for one in backups] and all(one.reason for one in kept)
    left = [one for one in backups if one.id in stays(kept)]
    points = restorable(backups, bad)
    assert points[:1] == restorable(left, bad)[:1], "the newest one that can be restored"
    assert [one for one in points if one.complete][:1] == [one for one in restorable(left, bad) if one.complete][:1]
    assert len(restorable(left, bad)) >= min(3, len(points))
    assert {one.base for one in left if one.base} <= stays(kept)
    again = retain(left, policy, START + later * DAY, bad)
    assert stays(again) == {one.id for one in left}, "planned again, there is nothing to do"


# Months of nights


def lived(days: int, seed: int, policy: Policy, failing: float = 0.0, *, jumps: bool = False) -> list[Backup]:
    """Night after night, each of which may fail; looks every night that what is there can be restored."""
    chance = random.Random(seed)
    there: list[Backup] = []
    for day in range(days):
        off = jumps and chance.random() < 0.02 and chance.choice([-4000, -40, 40, 4000])
        now = START + (day + (off or 0)) * DAY + chance.random() * 600
        if chance.random() >= failing and not (100 <= day < 118):  # a streak of failures, too
            choice = choose(there, "s", now)
            base = choice.base or Backup("", FULL, 0.0)
            id_ = f"{day:04d}"
            one = Backup(id_, choice.kind, now, base.id, base.archive_sha256, "s", archive_sha256=id_, verified=True)
            there.append(one._replace(failed=(Failed("x", "locked"),) if chance.random() < 0.1 else ()))
            gone = {one.id for one in retain(there, policy, now) if not one.keep}
            there = [one for one in there if one.id not in gone]
        assert len(restorable(there)) == len(there), f"day {day}: a backup that cannot be restored"
        assert there or day < 5
    return there


def test_30_days() -> None:
    there = lived(30, 1, Policy())
    assert [one.id for one in there] == [f"{day:04d}" for day in range(14, 30)], "14 days, and the full they begin with"


@pytest.mark.parametrize("seed", range(8))
def test_400_days_with_failures_never_leave_nothing(seed: int) -> None:
    policy = Policy(keep_weekly=seed % 3 * 4, keep_monthly=seed % 2 * 6)
    there = lived(400, seed, policy, 0.05)
    assert len(there) <= 22 + 2 * (policy.keep_weekly + policy.keep_monthly), "nothing is kept for ever"


@pytest.mark.parametrize("seed", range(8))
def test_400_days_with_a_clock_that_jumps_never_leave_nothing(seed: int) -> None:
    lived(400, seed, Policy(), 0.05, jumps=True)

"""When the keeper starts what: tables, and what holds of every history."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from desks import BACKUP, MASTER, WATCHDOG
from hypothesis import given
from hypothesis import strategies as st

from autosys_tasks.schedule.due import DAY_S, NEVER, SETTLE_S, Moment, wait_s
from autosys_tasks.schedule.values import AtLogon, Daily, Entry, Every

UTC = UTC
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()
BOOTED = NOON - 1000.0  # when the clock that no setting moves was 0


def at(seconds: float, boot: str = "b") -> Moment:
    """So long after noon of 2026-11-25."""
    return Moment(NOON + seconds, NOON + seconds - BOOTED, boot)


HOUR = 3600.0
ROWS: dict[str, tuple[Entry, Moment, Moment | None, Moment, float]] = {
    "logon: its delay": (MASTER, at(0), None, at(0), 30.0),
    "logon: the rest of its delay": (MASTER, at(0), None, at(29), 1.0),
    "logon: at once after a sleep": (MASTER, at(0), None, at(500), 0.0),
    "logon: once": (MASTER, at(0), at(30), at(31), NEVER),
    "logon: again for the next keeper": (MASTER, at(60), at(30), at(60), 30.0),
    "logon: again after a restart": (MASTER, at(0, "c"), at(900, "b"), at(0, "c"), 30.0),
    "beat: the first after one beat": (WATCHDOG, at(0), None, at(10), 290.0),
    "beat: a beat after the last": (WATCHDOG, at(0), at(400), at(500), 200.0),
    "beat: overdue": (WATCHDOG, at(0), at(0), at(400), 0.0),
    "beat: a new keeper keeps the old one's beat": (WATCHDOG, at(100), at(0), at(100), 200.0),
    "beat: another boot's clock says nothing": (WATCHDOG, at(0, "c"), at(-100, "b"), at(10, "c"), 290.0),
    "beat: a clock that ran ahead says nothing": (WATCHDOG, at(0), at(9999), at(10), 290.0),
    "daily: never ran, so that nothing proves it": (BACKUP, at(0), None, at(SETTLE_S), 0.0),
    "daily: what was missed waits for the logon to settle": (BACKUP, at(0), at(-3 * DAY_S), at(20), 100.0),
    "daily: missed on three days, caught up": (BACKUP, at(0), at(-3 * DAY_S), at(SETTLE_S), 0.0),
    "daily: caught up once": (BACKUP, at(0), at(SETTLE_S), at(SETTLE_S + 60), 15.5 * HOUR - SETTLE_S - 60),
    "daily: today's ran": (BACKUP, at(0), at(-8.5 * HOUR), at(0), 15.5 * HOUR),
    "daily: its time comes": (BACKUP, at(0), at(-8.5 * HOUR), at(15.5 * HOUR), 0.0),
    "daily: slept through its time": (BACKUP, at(0), at(-8.5 * HOUR), at(20 * HOUR), 0.0),
    "daily: a clock set back runs nothing twice": (BACKUP, at(-9 * HOUR), at(-8.5 * HOUR), at(-8.6 * HOUR), 360.0),
    "daily: a clock that was years ahead blocks nothing": (BACKUP, at(0), at(900 * DAY_S), at(SETTLE_S), 0.0),
}  # fmt: skip


@pytest.mark.parametrize("what", ROWS)
def test_the_keeper_waits(what: str) -> None:
    """P33: with the PC off at 03:30, one run as soon as it is on."""
    entry, began, last, now, wanted = ROWS[what]
    assert wait_s(entry, began, last, now, UTC) == pytest.approx(wanted)


@pytest.mark.only("posix")  # Windows has no table of time zones of its own
@pytest.mark.parametrize("month", [3, 10])
def test_the_night_in_which_the_clock_is_changed(month: int) -> None:
    """At 02:30, which is left out in spring (03:30 then) and comes twice in autumn (the first one)."""
    zone = ZoneInfo("Europe/Berlin")
    entry = BACKUP._replace(when=Daily("02:30:00"))
    noon = datetime(2026, month, {3: 28, 10: 24}[month], 12, tzinfo=zone).timestamp()
    now = Moment(noon, 1000.0, "b")
    last = now._replace(wall=noon - 1)
    assert wait_s(entry, now, last, now, zone) == 14.5 * HOUR
    for late in range(0, 22 * 3600, 600):  # once in that night, whenever one looks
        again = Moment(noon + 14.5 * HOUR + late, 2000.0, "b")
        assert wait_s(entry, now, Moment(noon + 14.5 * HOUR, 2000.0, "b"), again, zone) > 0


STEPS = st.lists(st.integers(0, 2 * int(DAY_S)), max_size=60)


@given(STEPS, st.integers(1, int(DAY_S)), st.sets(st.integers(0, 59)))
def test_never_two_runs_closer_than_the_beat(steps: list[int], every: int, new: set[int]) -> None:
    """Whatever the pauses, and however often the keeper begins anew."""
    entry = WATCHDOG._replace(when=Every(float(every)))
    now = began = at(0)
    last: Moment | None = None
    for number, step in enumerate(steps):
        now = at(now.wall - NOON + step)
        began = now if number in new else began
        if wait_s(entry, began, last, now, UTC) <= 0:
            assert last is None or now.clock - last.clock >= every
            last = now


@given(STEPS)
def test_a_daily_runs_once_for_each_of_its_times_that_passed(steps: list[int]) -> None:
    """P33: however many were missed, the last one is caught up, once."""
    now = at(0)
    last, runs, began = at(-8.5 * HOUR), [], at(0)
    for step in steps:
        before, now = now, at(now.wall - NOON + step)
        if wait_s(BACKUP, began, last, now, UTC) <= 0:
            runs.append(now.wall)
            last = now
        passed = int((now.wall - NOON + 8.5 * HOUR) // DAY_S) - int((before.wall - NOON + 8.5 * HOUR) // DAY_S)
        assert (last == now) == bool(passed) or step == 0
    assert len({int((wall - NOON + 8.5 * HOUR) // DAY_S) for wall in runs}) == len(runs)


@given(STEPS, st.integers(0, 600))
def test_the_master_runs_once(steps: list[int], delay: int) -> None:
    entry = MASTER._replace(when=AtLogon(float(delay)))
    now, last, runs = at(0), None, 0
    for step in steps:
        now = at(now.wall - NOON + step)
        if wait_s(entry, at(0), last, now, UTC) <= 0:
            last, runs = now, runs + 1
    assert runs == (now.wall - NOON >= delay and bool(steps))


@given(st.sampled_from([MASTER, WATCHDOG, BACKUP]), st.floats(0.0, 10 * DAY_S), st.floats(0.0, 10 * DAY_S))
def test_after_the_wait_it_is_due_and_not_before(entry: Entry, ago: float, later: float) -> None:
    began, last, now = at(-ago), at(-ago), at(later)
    wait = wait_s(entry, began, last, now, UTC)
    if 1.0 < wait < NEVER:
        assert wait_s(entry, began, last, at(later + wait - 0.5), UTC) > 0
        assert wait_s(entry, began, last, at(later + wait + 0.5), UTC) == 0

"""Figures that cannot flatter: only what was seen counts, and a report of nothing says so."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autosys_tasks.report.deaths import kind_of
from autosys_tasks.report.figures import figures, median
from autosys_tasks.report.json_text import fields
from autosys_tasks.report.look import event_of
from autosys_tasks.report.spans import merged, total, within, without
from autosys_tasks.report.values import Event, Figures, Gap, Line, Machine, Sample, Seen, Service, Window
from autosys_tasks.supervise.plan import LEFT, ended_text
from autosys_tasks.supervise.values import LastExit

HOUR = 3600.0
END = 1_800_000_000.0
DAY = Window(END - 24 * HOUR, END)
API = Service("api", state="ready", verdict="OK", alive=True, alive_since=DAY.began)


def start(at: float, reason: str, *, ok: bool = True, task: str = "guard", ms: float = 10, detail: str = "") -> Event:
    return Event(at, task, "start", "api", reason, ok, detail, ms)


def stop(at: float, *, task: str = "down") -> Event:
    return Event(at, task, "stop", "api", "asked to be down", True, "ended", 20)


def tick(at: float, *not_so: str) -> Event:
    return Event(at, "watchdog", "summary", "", "", not not_so, "", 5, frozenset(not_so))


def sampled(began: float, ended: float, step_s: float = 15, down: tuple[float, float] = (0, 0)) -> Seen:
    times = [began + step_s * n for n in range(int((ended - began) / step_s) + 1)]
    samples = tuple(Sample(at, not down[0] <= at < down[1], 1.5, 20_000_000) for at in times)
    return Seen(DAY, (API,), machine=tuple(Machine(at, 10.0, 50.0, 9) for at in times), samples={"api": samples})


SUMMARY = {"v": 1, "ts": "2026-11-25T00:00:00.000Z", "task": "watchdog", "step": "summary", "ok": False, "ms": 5}


@pytest.mark.parametrize(
    ("more", "not_so"),
    [
        ({"not_so": ["api", "a, b"], "detail": "in any words"}, {"api", "a, b"}),
        ({"not_so": []}, set()),
        ({"detail": "interrupted"}, None),
        ({"detail": "3 as wanted"}, set()),
        ({"detail": "1 as wanted, not so: api, 나"}, {"api", "나"}),
        ({"detail": "3 as wanted", "step": "start"}, None),
    ],
)
def test_what_a_tick_saw_is_data_and_older_journals_say_it_in_words(
    more: dict[str, object], not_so: set[str] | None
) -> None:
    assert event_of({**SUMMARY, **more}).not_so == not_so


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        (LastExit(3, None, 0, 0, ""), "exited 3"), (LastExit(-1, None, 0, 0, ""), "exited -1"),
        (LastExit(None, 9, 0, 0, ""), "killed by signal 9"), (LastExit(None, None, 0, 0, ""), "died"),
    ],
)  # fmt: skip
def test_how_an_instance_ended_is_a_cause_as_the_supervisor_words_it(last: LastExit, kind: str) -> None:
    """The reasons in a journal are words; here those of one room meet the other's reading of them."""
    assert kind_of(ended_text(last)) == kind


def api(seen: Seen) -> Line:
    return figures(seen).lines[0]


def test_a_window_without_any_observation_has_no_evidence_and_no_percentage() -> None:
    """P24: a verification that looked at nothing."""
    found = figures(Seen(DAY, (API,)))
    document = fields(found)
    assert found.verdict == "UNKNOWN" and found.observed_s == 0
    assert found.lines[0].uptime_percent is None
    assert document["observed"] == {
        "evidence": False,
        "seconds": 0,
        "percent": None,
        "gaps": [
            {"began": "2027-01-14T08:00:00.000Z", "ended": "2027-01-15T08:00:00.000Z", "seconds": 86400.0,
             "why": "nobody watched"}
        ],
    }  # fmt: skip
    service = document["services"][0]  # type: ignore[index]
    assert service["uptime_percent"] is None and service["up_s"] is None and service["rss_bytes_max"] is None


def test_a_day_of_samples_is_a_day_of_evidence() -> None:
    line = api(sampled(DAY.began, END))
    assert line.uptime_percent == 100 and line.observed_s == pytest.approx(24 * HOUR)
    assert line.use.samples == 5761 and line.use.rss_bytes_max == 20_000_000 and not line.incidents


def test_time_asleep_is_a_gap_and_is_counted_as_nothing() -> None:
    """The first source of false figures on a workstation: 8 h of sleep in no uptime percentage."""
    evening, morning = sampled(DAY.began, DAY.began + 8 * HOUR), sampled(DAY.began + 16 * HOUR, END)
    gap = Gap(DAY.began + 8 * HOUR, DAY.began + 16 * HOUR, "the machine slept")
    seen = evening._replace(
        machine=evening.machine + morning.machine,
        samples={"api": evening.samples["api"] + morning.samples["api"]},
        gaps=(gap,),
    )
    found = figures(seen)
    assert found.gaps == (gap,) and found.observed_s == pytest.approx(16 * HOUR)
    assert found.lines[0].observed_s == pytest.approx(16 * HOUR) and not found.incidents


def test_a_short_sleep_that_the_monitor_noted_is_a_gap_too() -> None:
    gap = Gap(END - 100, END - 80, "the machine slept")
    times = [END - 120 + 5 * n for n in range(25) if not END - 100 < END - 120 + 5 * n < END - 80]
    samples = {"api": tuple(Sample(at, True) for at in times)}
    found = figures(Seen(DAY, (API,), machine=tuple(map(Machine, times)), samples=samples, gaps=(gap,)))
    assert gap in found.gaps and found.observed_s == pytest.approx(100) == found.lines[0].up_s


def test_between_the_last_sample_up_and_the_first_one_down_nobody_knows() -> None:
    seen = sampled(DAY.began, END, down=(DAY.began + HOUR, DAY.began + 2 * HOUR))
    line = api(seen)
    assert line.down_s == pytest.approx(HOUR) and line.up_s == pytest.approx(23 * HOUR - 15)


def test_ticks_before_and_after_a_sleep_do_not_stretch_over_it() -> None:
    gap = Gap(END - 500, END - 200, "the machine slept")
    found = figures(Seen(DAY, (API,), (tick(END - 600), tick(END - 100)), gaps=(gap,)))
    assert found.observed_s == pytest.approx(300) and gap in found.gaps


def test_ticks_far_apart_leave_a_gap_between_them() -> None:
    """309 times `all ok`: what no tick looked at is not ok."""
    found = figures(Seen(DAY, (API,), (tick(END - 4 * HOUR), tick(END - 4 * HOUR + 300), tick(END - 100))))
    assert [round(gap.ended - gap.began) for gap in found.gaps] == [20 * 3600, 4 * 3600 - 400]
    assert found.lines[0].up_s == pytest.approx(400)


def test_a_service_that_a_tick_found_ill_is_down_until_a_tick_finds_it_well() -> None:
    ticks = tuple(tick(END - 1500 + 300 * n, *(["api"] if n in (1, 2) else [])) for n in range(6))
    line = api(Seen(DAY, (API,), ticks))
    assert line.down_s == pytest.approx(600)
    assert line.up_s == pytest.approx(600)  # between the last good look and the first bad one nobody knows
    assert [(round(one.ended - one.began), one.cause) for one in line.incidents if one.ended] == [(600, None)]


def test_an_interrupted_tick_saw_nothing() -> None:
    seen = Seen(DAY, (API,), (tick(END - 200)._replace(not_so=None), tick(END - 100)))
    assert figures(seen).observed_s == pytest.approx(100)


def test_a_death_healed_by_the_guard_between_two_samples_is_an_incident_of_milliseconds() -> None:
    seen = sampled(DAY.began, END)._replace(events=(start(END - HOUR, "killed by signal 9", ms=8),))
    line = api(seen)
    (incident,) = line.incidents
    assert incident.cause == "killed by signal 9" and not incident.open
    assert incident.ended and incident.ended - incident.began == pytest.approx(0.008, abs=1e-6)
    assert line.down_s == pytest.approx(0.008, abs=1e-6) and line.restarts == {"killed by signal 9": 1}
    assert line.uptime_percent is not None and line.uptime_percent < 100, "never rounded up to 100 %"


def test_a_crash_loop_is_one_incident_that_is_open_until_it_ends() -> None:
    """P22: the same alert again and again is one record with a count."""
    ill = API._replace(state="blocked", verdict="NG", reason="exited 3", alive=False, alive_since=None, next="x")
    events = tuple(start(END - 60 + 10 * n, "exited 3") for n in range(5))
    line = api(Seen(DAY, (ill,), events))
    (incident,) = line.incidents
    assert incident.open and incident.ended is None and incident.restarts == 5
    assert line.restarts == {"exited 3": 5}
    assert figures(Seen(DAY, (ill,), events)).verdict == "NG"
    json_incident = fields(figures(Seen(DAY, (ill,), events)))["incidents"][0]  # type: ignore[index]
    assert json_incident["recovered"] is None and json_incident["recovery_s"] is None


def test_what_nobody_saw_well_again_has_not_recovered() -> None:
    """P21 turned round: a start that was made is no proof that it helped, when nobody looked until now."""
    ill = API._replace(state="blocked", verdict="NG", alive=False, alive_since=None)
    tries = (start(END - HOUR, "not running", task="bringup"), start(END - HOUR + 30, "exited 7", task="bringup"))
    (incident,) = figures(Seen(DAY, (ill,), (*tries, tick(END - HOUR + 31, "api")))).incidents
    assert incident.open and incident.ended is None and incident.cause == "exited 7"
    assert incident.began == pytest.approx(END - HOUR + 30, abs=1)


def test_what_is_ill_now_is_open_even_when_no_journal_tells_of_it() -> None:
    """P19: no headline that its own page contradicts."""
    ill = API._replace(state="down", verdict="NG", reason="died", alive=False, alive_since=None)
    found = figures(sampled(DAY.began, END - HOUR)._replace(services=(ill,)))
    (incident,) = found.incidents
    assert incident.open and incident.began == pytest.approx(END - HOUR, abs=15) and found.verdict == "NG"


def test_what_has_recovered_is_history_and_not_the_headline() -> None:
    """P21: stale alerts shown as current."""
    seen = sampled(DAY.began, END, down=(END - 2 * HOUR, END - HOUR))
    found = figures(seen)
    assert found.verdict == "OK" and [one.open for one in found.incidents] == [False]
    assert found.lines[0].down_s == pytest.approx(HOUR, abs=15)


def test_what_a_person_stopped_is_neither_up_nor_down() -> None:
    events = (stop(END - 3 * HOUR), start(END - 2 * HOUR, "asked to be down", task="bringup"))
    seen = sampled(DAY.began, END, down=(END - 3 * HOUR, END - 2 * HOUR))._replace(events=events)
    line = api(seen)
    assert line.stopped_s == pytest.approx(HOUR, abs=1) and line.down_s < 20 and not line.restarts
    assert not line.incidents


def test_stopped_before_the_window_and_still_stopped_is_no_incident() -> None:
    off = API._replace(state="stopped", verdict="SKIP", alive=False, alive_since=None, off_since=DAY.began - HOUR)
    line = api(sampled(DAY.began, END, down=(0, END + 1))._replace(services=(off,)))
    assert line.stopped_s == pytest.approx(24 * HOUR) and line.uptime_percent is None and not line.incidents


def test_an_incident_that_ended_with_a_stop_did_not_recover() -> None:
    off = API._replace(state="stopped", verdict="SKIP", alive=False, alive_since=None, off_since=END - HOUR)
    seen = sampled(DAY.began, END, down=(END - 2 * HOUR, END + 1))._replace(services=(off,))
    found = figures(seen)
    (incident,) = found.incidents
    assert incident.stopped and not incident.open
    assert fields(found)["incidents"][0]["recovered"] is None  # type: ignore[index]


def test_a_restart_by_a_person_is_counted_by_its_reason_and_is_no_incident() -> None:
    events = (stop(END - HOUR, task="restart"), start(END - HOUR + 1, "asked to be down", task="restart"))
    line = api(sampled(DAY.began, END)._replace(events=events))
    assert line.restarts == {"asked by a person": 1} and not line.incidents


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("liveness: heartbeat 93 s old", "liveness failed"),
        ("memory 600 MB over 500 MB", "memory over its limit"),
        ("not ready within 60 s: refused", "not ready in time"),
        (f"{LEFT} pid 41, 42", "leader died"),
        ("exited -6", "exited -6"),
        ("died", "died"),
    ],
)
def test_restarts_are_counted_by_kind_and_incidents_keep_the_whole_reason(reason: str, kind: str) -> None:
    ended = Event(END - HOUR, "guard", "restart", "api", reason, True, "ended", 100)
    line = api(sampled(DAY.began, END)._replace(events=(ended, start(END - HOUR + 1, reason))))
    assert line.restarts == {kind: 1} and [one.cause for one in line.incidents] == [reason]


def test_a_restart_for_what_a_pull_brought_is_counted_and_is_no_incident() -> None:
    paused = Event(END - HOUR, "upgrade", "stop", "api", "stopped for: upgrade", True, "ended", 20)
    again = start(END - HOUR + 1, "stopped for: upgrade", task="upgrade")
    told_of = Event(END - HOUR + 2, "upgrade", "restart", "api", "web.py changed", True, "ready", 900)
    line = api(sampled(DAY.began, END)._replace(events=(paused, again, told_of)))
    assert line.restarts == {"upgrade": 1} and not line.incidents


@pytest.mark.parametrize("task", ["restart", "bringup"])
def test_a_sample_taken_while_a_person_restarted_it_is_no_incident(task: str) -> None:
    """The sample after the start comes seconds later: what the start ended is not down until then."""
    at = END - HOUR
    events = (stop(at - 3), start(at + 4, "asked to be down", task=task))
    line = api(sampled(DAY.began, END, down=(at - 1, at + 1))._replace(events=events))
    assert not line.incidents and line.down_s == 0 and line.stopped_s == pytest.approx(7, abs=0.1)


def test_the_first_start_and_a_start_after_the_machine_was_off_are_no_incidents() -> None:
    events = (start(END - 20 * HOUR, "not running", task="bringup"), start(END - HOUR, "died", task="bringup"))
    line = api(Seen(DAY, (API,), events, boot_at=END - HOUR - 60))
    assert not line.incidents


def test_a_failure_to_start_lasts_until_it_is_seen_alive() -> None:
    events = (start(END - HOUR, "not running", ok=False, detail="cannot run `x`: No such file"),)
    line = api(Seen(DAY, (API._replace(alive_since=END - 60),), events))
    (incident,) = line.incidents
    assert incident.cause == "cannot run `x`: No such file" and incident.ended == pytest.approx(END - 60)


def test_a_service_declared_an_hour_ago_was_not_up_before() -> None:
    ticks = tuple(tick(DAY.began + 300 * n) for n in range(289))
    line = api(Seen(DAY, (API._replace(alive_since=END - HOUR),), ticks))
    assert line.up_s == pytest.approx(HOUR, abs=1)


def test_what_was_dead_when_a_person_stopped_it_was_not_up_because_ticks_were_content() -> None:
    """OK when nothing works: to a tick, a stopped service is as wanted, and nothing was there to be stopped."""
    ticks = [tick(END - 3000 + 300 * n, *(["api"] if n < 2 else [])) for n in range(11)]
    events = (start(END - 3500, "not running"), *ticks[:9], start(END - 350, "exited 3", task="bringup"), *ticks[9:])
    line = api(Seen(DAY, (API._replace(alive_since=END - 350),), events))
    assert line.up_s == pytest.approx(300, abs=55) and line.down_s == pytest.approx(600, abs=1)


def test_what_may_end_and_ended_well_was_not_down_until_it_was_started_again() -> None:
    ended = start(END - HOUR, "exited 0", task="bringup")
    seen = sampled(DAY.began, END, down=(END - 2 * HOUR, END - HOUR))._replace(events=(ended,))
    line = api(seen._replace(services=(API._replace(may_end=True),)))
    assert not line.incidents and line.down_s == 0 and line.stopped_s == pytest.approx(HOUR, abs=16)
    assert [one.cause for one in api(seen).incidents] == ["exited 0"]


def test_a_job_has_no_uptime() -> None:
    line = api(sampled(DAY.began, END, down=(0, END))._replace(services=(API._replace(counted=False),)))
    assert line.uptime_percent is None and not line.incidents


def test_samples_that_do_not_tell_are_not_zero() -> None:
    """Absent knowledge is None, never 0."""
    seen = Seen(DAY, (API,), samples={"api": (Sample(END - 5, True), Sample(END - 1, False))})
    assert api(seen).use == (0, None, None, None, None)
    assert median([]) is None and median([3, 1, 2]) == 2


TIMES = st.floats(DAY.began - HOUR, END, allow_nan=False)
SPANS = st.lists(st.tuples(TIMES, TIMES), max_size=12)
REASONS = st.sampled_from(["not running", "killed by signal 9", "exited 1", "died", "asked to be down", "liveness: x"])
EVENTS = st.lists(
    st.one_of(
        st.builds(start, TIMES, REASONS, ok=st.booleans(), task=st.sampled_from(["guard", "bringup", "restart"])),
        st.builds(stop, TIMES),
        st.builds(tick, TIMES),
        TIMES.map(lambda at: tick(at, "api")),
    ),
    max_size=20,
).map(lambda events: tuple(sorted(events, key=lambda event: event.at)))
SERVICES = st.builds(
    API._replace,
    verdict=st.sampled_from(["OK", "NG", "WARN", "UNKNOWN", "SKIP"]),
    alive=st.sampled_from([True, False, None]),
    alive_since=st.none() | TIMES,
    off_since=st.none() | TIMES,
    counted=st.booleans(),
)


def made(times: list[float], ups: list[bool], events: tuple[Event, ...], service: Service, gaps: list[Gap]) -> Figures:
    times = sorted(times)
    samples = tuple(Sample(at, up) for at, up in zip(times, ups, strict=False))
    machine = tuple(Machine(at) for at in times)
    return figures(Seen(DAY, (service,), events, machine, {"api": samples}, tuple(gaps)))


@given(
    st.lists(TIMES, max_size=30),
    st.lists(st.booleans(), min_size=30, max_size=30),
    EVENTS,
    SERVICES,
    st.lists(st.builds(Gap, TIMES, TIMES, st.sampled_from(["the machine slept", "nobody"])), max_size=3),
)
def test_whatever_was_seen_the_sums_hold(
    times: list[float], ups: list[bool], events: tuple[Event, ...], service: Service, gaps: list[Gap]
) -> None:
    """P17: parts that do not add up to their whole."""
    found = made(times, ups, events, service, gaps)
    (line,) = found.lines
    slack = 1e-3
    assert line.up_s + line.down_s == line.observed_s <= found.observed_s + slack
    assert line.observed_s + line.stopped_s <= DAY.seconds + slack
    assert found.observed_s + sum(gap.ended - gap.began for gap in found.gaps) == pytest.approx(DAY.seconds)
    assert (line.uptime_percent is None) == (line.observed_s <= 0 or not service.counted)
    if line.uptime_percent is not None:
        assert 0 <= line.uptime_percent <= 100 and (line.uptime_percent < 100 or line.down_s < 1e-6)
    if any(one.open for one in found.incidents):
        assert found.verdict == "NG"
    if not found.observed_s:
        assert found.verdict != "OK"
    for one in found.incidents:
        assert DAY.began <= one.began <= (one.ended or END) <= END and one.open == (one.ended is None)
    json.dumps(fields(found), allow_nan=False)


@given(SPANS, SPANS)
def test_spans_add_up(a: list[tuple[float, float]], b: list[tuple[float, float]]) -> None:
    one, two = merged(a), merged(b)
    both, left = within(one, two), without(one, two)
    assert total(both) + total(left) == pytest.approx(total(one), abs=1e-3)
    assert not within(left, two) and total(merged([*one, *two])) == pytest.approx(
        total(left) + total(two), abs=1e-3
    )
    for spans in (one, both, left):
        assert all(x[1] <= y[0] for x, y in pairwise(spans)) and all(x[0] < x[1] for x in spans)

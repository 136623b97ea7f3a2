"""The brain: every state and every step as a table, and the laws that hold for all of them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autosys_tasks.config.model import Service, Watchdog
from autosys_tasks.core.probe import Probe
from autosys_tasks.host.types import Exit, Identity
from autosys_tasks.report.deaths import kind_of
from autosys_tasks.supervise import plan
from autosys_tasks.supervise.order import closure, ordered
from autosys_tasks.supervise.values import Facts, LastExit, Now, Record, Reply, Wanted

NOW = Now(wall=1_700_000_000.0, boot=10_000.0, boot_id="this-boot")
DOG = Watchdog()
WHO = Identity(42, "7", "this-boot")
HELD = Wanted(True, NOW.wall, WHO)  # stopped by who was to start it again
PLAIN = Service("api", ("run",), shown=("run",))
ASKED = PLAIN._replace(readiness=Probe("tcp", "127.0.0.1:1"))
WRONG = Reply(False, "status 404", misconfigured=True)
JOB = PLAIN._replace(oneshot=True)


def record(**more: object) -> Record:
    values = {"instance": "i", "pid": 42, "token": "7", "boot": "this-boot", "spec": "s", "starts": 1}
    return Record(**{**values, "started_boot": 9_990.0, **more})  # type: ignore[arg-type]


def dead(code: int | None = None, signal: int | None = 9, ago: float = 0.0, **more: object) -> Record:
    ended = LastExit(code, signal, NOW.wall - ago, 5.0, "")
    return record(dead=True, died_boot=NOW.boot - ago, last_exit=ended, **more)


def facts(**more: object) -> Facts:
    return Facts(**{"spec": "s", "record": record(), **more})  # type: ignore[arg-type]


def living_for_long(reply: Reply | None) -> Facts:
    return facts(leader=WHO, record=record(started_boot=9_000.0), readiness=reply)


def found_by(intent: Record, **more: object) -> Facts:
    return facts(record=intent, found=(WHO, "i"), locked=True, **more)


TABLE = [
    ("never started", PLAIN, facts(record=None), "down", "start"),
    ("lives", PLAIN, facts(leader=WHO), "ready", ""),
    ("lives for a moment only", PLAIN, facts(leader=WHO, record=record(started_boot=9_999.9)), "starting", ""),
    ("answers", ASKED, facts(leader=WHO, readiness=Reply(True)), "ready", ""),
    ("does not answer yet", ASKED, facts(leader=WHO, readiness=Reply(False, "refused")), "starting", ""),
    ("answered once", ASKED, facts(leader=WHO, ready_seen=True, readiness=Reply(False, "no")), "unready", ""),
    ("took too long", ASKED, living_for_long(Reply(False, "refused")), "unready", "restart"),
    ("took too long, not asked yet", ASKED, living_for_long(None), "starting", ""),
    ("asked for what is not there", ASKED, living_for_long(WRONG), "unready", ""),
    ("lives, asked for what is not there", PLAIN, facts(leader=WHO, ready_seen=True, liveness=WRONG), "unready", ""),
    ("hangs", PLAIN, facts(leader=WHO, ready_seen=True, liveness=Reply(False, "no beat")), "unready", "restart"),
    ("eats memory", PLAIN, facts(leader=WHO, memory=10**9), "ready", "restart"),
    ("stopped, and lives", PLAIN, facts(leader=WHO, wanted=Wanted(up=False)), "ready", "stop"),
    ("stopped", PLAIN, facts(record=dead(), wanted=Wanted(up=False)), "stopped", ""),
    ("children live on", PLAIN, facts(leftovers=(50, 51)), "leftover", "stop"),
    ("children live on, lock held", PLAIN, facts(leftovers=(50,), locked=True), "leftover", "stop"),
    ("lock held, nobody seen", PLAIN, facts(locked=True), "unknown", ""),
    ("being started", PLAIN, facts(locked=True, record=record(pid=None, started_boot=9_999.0)), "starting", ""),
    ("lost its record", PLAIN, facts(record=None, found=(WHO, "i")), "unready", "adopt"),
    ("its starter was killed", PLAIN, found_by(record(pid=None, started_boot=9_999.9)), "unready", "adopt"),
    ("being recorded", PLAIN, found_by(record(pid=None, started_boot=9_900.0), being_started=True), "starting", ""),
    ("lost while being recorded", PLAIN, facts(record=None, found=(WHO, "i"), being_started=True), "starting", ""),
    ("another boot", PLAIN, facts(record=dead(boot="last-boot", starts=4)), "down", "start"),
    ("declared anew", PLAIN, facts(record=dead(starts=4), spec="new"), "down", "start"),
    ("died, was never ready", ASKED, facts(exit=Exit(signal=9)), "backoff", "note"),
    ("died, was ready", ASKED, facts(exit=Exit(signal=9), ready_seen=True), "down", "start"),
    ("died, had lived", PLAIN, facts(exit=Exit(signal=9)), "down", "start"),
    ("died at once", PLAIN, facts(exit=Exit(1), record=record(started_boot=9_999.9)), "backoff", "note"),
    ("died again after a restart", PLAIN, facts(exit=Exit(1), record=record(restarts=1)), "backoff", "note"),
    ("failed thrice", PLAIN, facts(record=dead(starts=3, restarts=3, ago=3.0)), "backoff", ""),
    ("failed too often", PLAIN, facts(record=dead(starts=4, restarts=3)), "blocked", ""),
    ("failed too often, long ago", PLAIN, facts(record=dead(starts=4, restarts=3, ago=400)), "blocked", "start"),
    ("no such program", PLAIN, facts(record=None, program=None), "down", ""),
    ("port taken", PLAIN, facts(record=None, foreign=(9, "nginx")), "foreign", ""),
    ("restarted by somebody", PLAIN, facts(record=dead(), held_by=99), "down", ""),
    ("job runs", JOB, facts(leader=WHO), "starting", ""),
    ("job done", JOB, facts(record=dead(code=0, signal=None)), "done", ""),
    ("job failed", JOB, facts(record=dead(code=1, signal=None, restarts=1, ago=60)), "down", "start"),
    ("job of another boot", JOB, facts(record=dead(code=0, signal=None, boot="last-boot")), "down", "start"),
    ("ended well", PLAIN._replace(restart="on-failure"), facts(record=dead(code=0, signal=None)), "done", ""),
    ("ended badly, never again", PLAIN._replace(restart="never"), facts(record=dead(code=3, signal=None)), "down", ""),
    ("whose restarter was ended", PLAIN._replace(restart="never"), facts(record=dead(code=0, signal=None), wanted=HELD),
     "down", "start"),
    ("whose restarter was ended, and which ran since", PLAIN._replace(restart="never"),
     facts(record=dead(code=0, signal=None, started_at=NOW.wall + 1), wanted=HELD), "done", ""),
    ("only watched", PLAIN._replace(managed=False), facts(record=None), "unmanaged", ""),
]


def test_a_bring_up_leaves_alone_what_has_ended_as_it_should() -> None:
    """Interface 2: 0 done, or nothing to do; planning again after acting gives an empty plan."""
    services = {
        "job": JOB._replace(name="job"),
        "ended": PLAIN._replace(name="ended", restart="on-failure"),
        "failed": PLAIN._replace(name="failed", restart="never"),
        "down": PLAIN._replace(name="down"),
    }
    well, ill = facts(record=dead(code=0, signal=None)), facts(record=dead(code=3, signal=None))
    seen = {"job": well, "ended": well._replace(wanted=Wanted(up=False)), "failed": ill, "down": well}
    assert plan.asked_for(services, seen, NOW, DOG, []) == {"failed", "down"}
    assert plan.asked_for(services, seen, NOW, DOG, ["job", "ended"]) == {"ended", "failed", "down"}
    decision = plan.decide(services["job"], well, NOW, DOG, asked=True)
    assert decision.step == "start", "a restart runs a job again"


@pytest.mark.parametrize(("case", "service", "seen", "state", "step"), TABLE, ids=[row[0] for row in TABLE])
def test_each_state_and_what_is_done_about_it(case: str, service: Service, seen: Facts, state: str, step: str) -> None:
    decision = plan.decide(service, seen, NOW, DOG)
    assert (decision.state, decision.step) == (state, step), decision
    assert decision.reason or state == "ready"


def test_one_start_that_failed_is_one() -> None:
    blocked = plan.decide(PLAIN, facts(record=dead(starts=1, restarts=0)), NOW, DOG._replace(retries=0))
    assert blocked.state == "blocked" and blocked.reason.endswith(", 1 start in a row failed")


def test_every_reason_for_a_restart_is_a_cause_to_the_report() -> None:
    """Reasons are words in a journal; a new one has to be known where incidents are told from them."""
    reasons = [plan.decide(row[1], row[2], NOW, DOG).reason for row in TABLE if row[4] == "restart"]
    assert list(map(kind_of, reasons)) == [
        "not ready in time", "liveness failed", "memory over its limit"
    ]  # fmt: skip


def test_a_dependent_waits_and_is_not_failed() -> None:
    services = {"api": PLAIN._replace(depends_on=("db",)), "db": PLAIN._replace(name="db")}
    seen = {"api": facts(record=None), "db": facts(record=None)}
    decisions = plan.decide_all(services, seen, NOW, DOG)
    assert (decisions["db"].step, decisions["api"].state, decisions["api"].after) == ("start", "waiting", ("db",))
    seen["db"] = facts(leader=WHO)
    assert plan.decide_all(services, seen, NOW, DOG)["api"].step == "start"


def test_an_absent_optional_holds_nobody_up() -> None:
    services = {"api": PLAIN._replace(depends_on=("db",)), "db": PLAIN._replace(name="db", optional=True)}
    seen = {"api": facts(record=None), "db": facts(record=None, program=None)}
    assert plan.decide_all(services, seen, NOW, DOG)["api"].step == "start"


def test_a_person_who_asks_overrides_what_happened_before() -> None:
    for seen in (facts(record=dead(starts=9)), facts(record=dead(), wanted=Wanted(up=False))):
        assert plan.decide(PLAIN, seen, NOW, DOG, asked=True).step == "start"
    never = PLAIN._replace(restart="never")
    assert plan.decide(never, facts(record=dead(code=1, signal=None)), NOW, DOG, asked=True).step == "start"


def test_a_clock_that_ran_back_a_day_holds_nothing_back() -> None:
    for seen, now in (
        (facts(record=dead(starts=2, restarts=1, ago=-86_400)), NOW),
        (facts(record=dead(starts=2, restarts=1)), NOW._replace(ahead=-86_400.0)),
    ):
        due = plan.decide(PLAIN, seen, now, DOG).due_boot
        assert due is not None and due <= NOW.boot + 4 * 1.2


def test_time_that_is_said_to_have_passed_counts_once() -> None:
    """AUTOSYS_NOW a year ahead must not make a storm of a crasher."""
    later = NOW._replace(ahead=3e7, since=NOW.boot - 10)
    assert plan.decide(PLAIN, facts(record=dead(starts=4, ago=60)), later, DOG).step == "start"
    assert plan.decide(PLAIN, facts(record=dead(starts=4, ago=5)), later, DOG).step == ""
    assert plan.decide(PLAIN, facts(record=dead(starts=4)), NOW._replace(ahead=400.0), DOG).step == "start"
    assert plan.decide(PLAIN, facts(leader=WHO), NOW._replace(ahead=86_400.0), DOG).step == ""


def test_a_crasher_makes_few_starts_in_a_day_and_is_never_given_up() -> None:
    """P2; pains 9 and 10: pm2 restarted 5000 times in a night, supervisor never again."""
    moment, last, starts = NOW, None, []
    seen = facts(record=None)
    while moment.boot < NOW.boot + 86_400:
        decision = plan.decide(PLAIN, seen, moment, DOG)
        if decision.step == "start":
            starts.append(moment.boot)
            before = last.starts if last else 0
            last = record(starts=before + 1, restarts=len(starts) - 1, started_boot=moment.boot)
            moment = moment._replace(boot=moment.boot + 1.5)
            last = plan.record_with_death(ASKED, last, Exit(1), moment, DOG, ready_seen=True, tail="")
            seen = facts(record=last)
        else:
            assert decision.due_boot is not None, decision
            moment = moment._replace(boot=decision.due_boot + 0.01)
    assert len(starts) <= 5 + 30
    assert max(b - a for a, b in pairwise(starts)) < 3600 * 1.25


@given(st.integers(0, 40), st.text(max_size=8), st.integers(0, 6))
def test_backoff_stays_within_its_jitter_and_never_below_zero(starts: int, seed: str, retries: int) -> None:
    dog = Watchdog(retries=retries)
    delay = plan.delay_s(starts, dog, seed)
    base = dog.backoff_s[min(starts, 3)] if starts <= retries else plan.HALF_OPEN_S[min(starts - retries - 1, 4)]
    assert 0.8 * base - 1e-9 <= delay <= 1.2 * base + 1e-9
    assert delay == plan.delay_s(starts, dog, seed)


services = st.sampled_from([row[1] for row in TABLE])
seen_facts = st.sampled_from([row[2] for row in TABLE])


@given(services, seen_facts, st.booleans(), st.floats(0, 1e6))
def test_every_fact_has_a_decision_and_a_stopped_service_is_never_started(
    service: Service, seen: Facts, up: bool, boot: float
) -> None:
    decision = plan.decide(service, seen._replace(wanted=Wanted(up=up)), NOW._replace(boot=boot), DOG)
    assert decision.step in ("", "start", "stop", "restart", "adopt", "note")
    if not up:
        assert decision.step != "start" and decision.step != "restart"


@given(st.permutations(list("abcde")), st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4))))
def test_dependencies_always_come_first(names: list[str], pairs: set[tuple[int, int]]) -> None:
    edges = {(names[max(a, b)], names[min(a, b)]) for a, b in pairs if a != b}
    made = {n: PLAIN._replace(name=n, depends_on=tuple(sorted(d for m, d in edges if m == n))) for n in names}
    order = ordered(made)
    assert sorted(order) == sorted(names)
    assert all(order.index(dependency) < order.index(name) for name, dependency in edges)
    for name in names:
        assert closure(made, [name]) >= {name, *made[name].depends_on}


def test_planning_after_everything_is_up_finds_nothing() -> None:
    made = {"api": PLAIN._replace(depends_on=("db",)), "db": PLAIN._replace(name="db")}
    seen = {name: facts(leader=WHO) for name in made}
    decisions = plan.decide_all(made, seen, NOW, DOG)
    assert plan.plan(made, seen, decisions, NOW, "bringup").steps == ()
    down = plan.plan_down(made, seen)
    assert [step.target for step in down.steps] == ["api", "db"]


def test_a_stable_life_ends_the_incident_and_a_short_one_does_not() -> None:
    long = record(starts=3, restarts=3, started_boot=NOW.boot - 61)
    short = record(starts=3, restarts=3, started_boot=NOW.boot - 59)
    assert plan.record_with_death(ASKED, long, None, NOW, DOG, ready_seen=True, tail="").starts == 0
    assert plan.record_with_death(ASKED, long, None, NOW, DOG, ready_seen=False, tail="").starts == 3
    assert plan.record_with_death(ASKED, short, None, NOW, DOG, ready_seen=True, tail="").starts == 3

"""How services are judged, as a table: no process, no file, no clock."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from judged import ANSWERS, API, BLOCKED, DEAD, JOB, NOW, RUNS, dead, judged, living, ngs

from autosys_tasks.config.model import Config, Service
from autosys_tasks.core.probe import Probe
from autosys_tasks.core.verdict import NG, OK, SKIP, UNKNOWN, WARN, Fix
from autosys_tasks.health import plan
from autosys_tasks.health.values import Look, Seen, ServiceSeen
from autosys_tasks.probes import ask
from autosys_tasks.probes.values import Answer, Subject
from autosys_tasks.supervise.values import LastExit, Reply, Wanted

DAEMON = LastExit(None, None, 1.0, 1.0, "", "its leader is gone and left behind pid 7")
STATES = [
    ("ready", living(), API, OK, None),
    ("a finished job", dead(record=DEAD._replace(last_exit=LastExit(0, None, 1.0, 1.0, ""))), JOB, OK, None),
    ("stopped by a person", dead(wanted=Wanted(up=False)), API, SKIP, "to start it again: inv bringup api"),
    (
        "starting",
        living(ngs("refused"), ready_seen=False, record=RUNS._replace(started_boot=4_990.0)),
        API,
        WARN,
        None,
    ),
    ("unready", living(ngs("timed out after 2 s")), API, NG, ("inv", "restart", "api")),
    ("unhealthy", living(liveness=Reply(False, "no heartbeat")), API, NG, ("inv", "restart", "api")),
    ("down", dead(record=DEAD._replace(starts=1, died_boot=4_000.0)), API, NG, ("inv", "bringup", "api")),
    ("never started", dead(), API, NG, ("inv", "bringup", "api")),
    ("backing off", dead(record=DEAD._replace(starts=3)), API, NG, ("inv", "bringup", "api")),
    ("blocked", dead(record=BLOCKED), API, NG, ("inv", "bringup", "api")),
    (
        "blocked, since it goes into the background",
        dead(record=BLOCKED._replace(last_exit=DAEMON)),
        API,
        NG,
        "keep api in the foreground",
    ),
    ("left behind", dead(leftovers=(50, 51), record=DEAD), API, NG, ("inv", "bringup", "api")),
    (
        "left behind, unwanted",
        dead(leftovers=(50,), wanted=Wanted(up=False)),
        API,
        NG,
        ("inv", "down", "api"),
    ),
    (
        "its lock held by nobody known",
        dead(locked=True, record=DEAD._replace(died_boot=4_900.0)),
        API,
        UNKNOWN,
        "see who holds its lock",
    ),
    ("its port held", dead(foreign=(99, "apache")), API, NG, "end that process, or change the port"),
    ("its program absent", dead(program=None), API, NG, "install `serve`"),
    (
        "absent from its environment",
        dead(program=None),
        API._replace(environment="main"),
        NG,
        "inv upgrade installs environment.main",
    ),
    *(
        (f"never a program: {argv[0]}", dead(program=None), API._replace(argv=argv, shown=argv), NG, helps)
        for argv, helps in (
            (("python app.py", "-v"), 'write services.api.command = ["python", "app.py", "-v"]'),
            (("C:\\Program Files\\x.exe",), "install `C:\\Program Files\\x.exe`, or correct"),
            (("~/bin/x",), "write the whole path in services.api.command"),
            (("cd", "web"), 'have a shell run it: services.api.command = ["sh", "-c"'),
        )
    ),
    ("absent, and optional", dead(program=None), API._replace(optional=True), SKIP, None),
    (
        "never restarted",
        dead(record=DEAD),
        API._replace(restart="never"),
        NG,
        "it is never restarted unasked",
    ),
    (
        "asked for what is not there",
        living(ngs("status 404", 404)),
        API,
        NG,
        "correct services.api.readiness",
    ),
    ("not to be asked", living(Answer(UNKNOWN, "", "no descriptors left")), API, UNKNOWN, "inv logs api"),
    ("throttled", living(Answer(WARN, "http 429", "throttled", status=429)), API, WARN, "inv logs api"),
    ("unwanted, and running", living(wanted=Wanted(up=False)), API, WARN, "inv down api"),
]


@pytest.mark.parametrize(
    ("seen", "service", "verdict", "helps"), [row[1:] for row in STATES], ids=[row[0] for row in STATES]
)
def test_a_service_is_what_its_state_says(
    seen: ServiceSeen, service: Service, verdict: str, helps: object
) -> None:
    """P9 (a wrong question restarts nobody), P23 (an absent optional is no red): one verdict a state."""
    found = judged(seen, service)
    assert found.verdict == verdict
    assert found.evidence
    assert bool(found.why) == (verdict != OK)
    if isinstance(helps, tuple):
        assert found.fix == Fix(helps)
    elif helps:
        assert found.fix is not None and found.fix.text.startswith(str(helps)) and not found.fix.command
    else:
        assert found.fix is None


def test_one_thing_that_is_asked_for_both_is_told_once() -> None:
    """Each looked for itself, at another moment."""
    beats = Probe("heartbeat", max_age_s=90)
    seen = living(Answer(OK, "last beat 3 s ago"))._replace(liveness=Answer(OK, "last beat 4 s ago"))
    evidence = judged(seen, API._replace(readiness=beats, liveness=beats._replace(max_age_s=60))).evidence
    assert evidence.count("last beat") == 1 and evidence.endswith("last beat 4 s ago")
    two = judged(seen._replace(readiness=ANSWERS), API._replace(liveness=beats))
    assert "http 200 in 4 ms, last beat 4 s ago" in two.evidence


UNMANAGED = [
    (ANSWERS, False, OK),
    (ngs("refused: nobody listens on 127.0.0.1:1")._replace(absent=True), False, NG),
    (ngs("refused: nobody listens on 127.0.0.1:1")._replace(absent=True), True, SKIP),
    (ngs("status 500", 500), True, NG),
    (ngs("timed out after 2 s"), True, NG),
    (None, False, SKIP),
]


@pytest.mark.parametrize(("answer", "optional", "verdict"), UNMANAGED)
def test_what_is_not_ours_to_start_is_as_its_probe_says(
    answer: Answer | None, optional: bool, verdict: str
) -> None:
    """P23: optional and absent is skipped for ever, optional and ill is red."""
    service = API._replace(managed=False, optional=optional)
    seen = living(answer, leader=None, record=None)
    assert judged(seen, service).verdict == verdict


NOBODY_THERE = [
    Probe("tcp", "127.0.0.1:1"),
    Probe("http", "http://127.0.0.1:1/"),
    Probe("file", "no-such-file"),
    Probe("command", argv=("no-such-program-of-ours",)),
]


@pytest.mark.parametrize("probe", NOBODY_THERE, ids=lambda probe: f"{probe.kind} {probe.target}")
def test_an_optional_one_that_is_not_there_is_skipped_whatever_asks_for_it(probe: Probe, tmp_path: Path) -> None:
    """P23: the probes' own answers, not ones that a test wrote."""
    answer = ask(probe, Subject(cwd=str(tmp_path)))
    seen = living(answer, leader=None, record=None)
    assert judged(seen, API._replace(managed=False, optional=True)).verdict == SKIP, answer
    assert judged(seen, API._replace(managed=False)).verdict == NG


def test_an_optional_one_that_is_there_and_ill_is_red() -> None:
    answer = ask(Probe("command", argv=(sys.executable, "-c", "raise SystemExit(1)"), timeout_s=60.0))
    seen = living(answer, leader=None, record=None)
    assert judged(seen, API._replace(managed=False, optional=True)).verdict == NG, answer


def test_a_service_whose_dependency_a_person_stopped_is_not_brought_up_by_a_fix() -> None:
    services = {"db": Service("db", ("db",)), "api": API._replace(depends_on=("db",))}
    looks = [Look(f"service.{name}", name, lambda: None) for name in services]
    seen = {"service.db": Seen(dead(wanted=Wanted(up=False))), "service.api": Seen(dead())}
    found = plan.page(Config("/w", "w", services=services), looks, seen, NOW)
    assert [check.verdict for check in found] == [SKIP, NG]
    assert found[1].why == "waiting: waits for db"
    assert found[1].fix == Fix(text="it needs db, stopped by a person: inv bringup db")


def test_a_dead_service_shows_its_last_words() -> None:
    assert "its last words: boom" in judged(dead(record=BLOCKED)._replace(last_line="boom")).why

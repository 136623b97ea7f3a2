"""The judgements and the plan of fixes, as tables: no process, no file, no clock."""

from __future__ import annotations

import pytest

from autosys_tasks.config.model import Config, Environment, Probe, Service, Watchdog
from autosys_tasks.core.plan import Outcome, Step
from autosys_tasks.core.verdict import ALL, NG, OK, SKIP, UNKNOWN, WARN, Check, Fix, counts, overall
from autosys_tasks.health import plan, show
from autosys_tasks.health.values import (
    AutostartSeen,
    BackupSeen,
    ConfigSeen,
    Copies,
    CopiesSeen,
    EnvironmentSeen,
    Look,
    OutputSeen,
    Room,
    Seen,
    ServiceSeen,
    UpgradeSeen,
    WatchSeen,
)
from autosys_tasks.host.types import Identity
from autosys_tasks.probes.values import Answer
from autosys_tasks.schedule.values import Rival, RivalsSeen, Starter
from autosys_tasks.schedule.values import Seen as Scheduled
from autosys_tasks.supervise.values import Facts, LastExit, Now, Record, Reply, Wanted
from autosys_tasks.vscode import block_text
from autosys_tasks.vscode.entries_text import VENV, tasks
from autosys_tasks.vscode.installed import NAMED
from autosys_tasks.vscode.values import Facts as EditorFacts

NOW = Now(wall=1_000_000.0, boot=5_000.0, boot_id="b")
LEADER = Identity(42, "7", "b")
RUNS = Record("i1", 42, "7", "b", started_at=996_000.0, started_boot=1_000.0, starts=1)
DEAD = RUNS._replace(dead=True, died_boot=4_999.0, last_exit=LastExit(1, None, 999_999.0, 60.0, "boom"))
BLOCKED = DEAD._replace(starts=4)
ANSWERS = Answer(OK, "http 200 in 4 ms", status=200)
API = Service("api", ("serve",), shown=("serve",), readiness=Probe("http", "http://127.0.0.1:1/"))
JOB = Service("api", ("job",), oneshot=True)


def living(answer: Answer | None = ANSWERS, **more: object) -> ServiceSeen:
    reply = None if answer is None else Reply(answer.verdict in (OK, WARN), answer.why, answer.evidence)
    facts = Facts(record=RUNS, leader=LEADER, ready_seen=True, readiness=reply)
    return ServiceSeen(facts._replace(**more), answer)  # type: ignore[arg-type]


def dead(**facts: object) -> ServiceSeen:
    return ServiceSeen(Facts(**{"program": "/bin/serve", **facts}))  # type: ignore[arg-type]


def ngs(why: str, status: int | None = None) -> Answer:
    return Answer(NG, "no answer", why, status=status)


def judged(seen: ServiceSeen, service: Service = API, **config: object) -> Check:
    whole = Config("/w", "w", services={"api": service}, **config)  # type: ignore[arg-type]
    return page(whole, "service.api", seen)


def page(config: Config, check: str, facts: object) -> Check:
    return plan.page(config, [Look(check, check, lambda: None)], {check: Seen(facts)}, NOW)[0]


# --- services ---------------------------------------------------------------------------------------------

STATES = [
    ("ready", living(), API, OK, None),
    ("a finished job", dead(record=DEAD._replace(last_exit=LastExit(0, None, 1.0, 1.0, ""))), JOB, OK, None),
    ("stopped by a person", dead(wanted=Wanted(up=False)), API, SKIP, "inv bringup api starts it again"),
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


UNMANAGED = [
    (ANSWERS, False, OK),
    (ngs("refused: nobody listens on 127.0.0.1:1"), False, NG),
    (ngs("refused: nobody listens on 127.0.0.1:1"), True, SKIP),
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


# --- everything else --------------------------------------------------------------------------------------

GUARDED = Config("/w", "w", services={"api": API})
BY_TICKS = GUARDED._replace(watchdog=Watchdog(every_s=300.0, guard=False))
ALIVE = Facts(record=RUNS, leader=LEADER)
BEATS, HANGS = Answer(OK, "last beat 3 s ago"), Answer(NG, "last beat 200 s ago", "no heartbeat for 200 s")
TICKED = WatchSeen(Facts(), None, tick_at=NOW.wall - 500)
WATCHES = [
    ("a guard that beats", GUARDED, WatchSeen(ALIVE, BEATS), OK, None),
    ("a guard that hangs", GUARDED, WatchSeen(ALIVE, HANGS), NG, ("inv", "watchdog")),
    (
        "a guard that has just started",
        GUARDED,
        WatchSeen(ALIVE, Answer(UNKNOWN, "no heartbeat yet")),
        WARN,
        None,
    ),
    ("no guard, although ticks come", GUARDED, TICKED, NG, ("inv", "watchdog")),
    ("ticks", BY_TICKS, TICKED, OK, None),
    ("ticks that ended badly", BY_TICKS, TICKED._replace(tick_ok=False, tick_detail="not so: api"), OK, None),
    (
        "late ticks",
        BY_TICKS,
        TICKED._replace(tick_at=NOW.wall - 601),
        NG,
        "have `inv watchdog` run every 5 min",
    ),
    (
        "ticks of tomorrow",
        BY_TICKS,
        TICKED._replace(tick_at=NOW.wall + 86_400),
        NG,
        "have `inv watchdog` run",
    ),
    ("no tick ever", BY_TICKS, WatchSeen(Facts()), NG, "have `inv watchdog` run"),
    ("nothing wanted", BY_TICKS, WatchSeen(Facts(), anything_wanted=False), SKIP, "inv bringup starts"),
    (
        "a guard that a person stopped",
        GUARDED,
        WatchSeen(Facts(wanted=Wanted(up=False))),
        NG,
        "have `inv watchdog` run",
    ),
]


@pytest.mark.parametrize(
    ("config", "seen", "verdict", "helps"), [row[1:] for row in WATCHES], ids=[row[0] for row in WATCHES]
)
def test_somebody_watches_or_the_watchdog_is_red(
    config: Config, seen: WatchSeen, verdict: str, helps: object
) -> None:
    """P14, P15: that it is set up is no evidence that it works."""
    found = page(config, "watchdog", seen)
    assert found.verdict == verdict
    if isinstance(helps, tuple):
        assert found.fix == Fix(helps)
    elif helps:
        assert found.fix is not None and found.fix.text.startswith(str(helps))


DAY = 86_400.0
OUTPUTS = [
    (OutputSeen("/w/o", NOW.wall - 60), OK, ""),
    (OutputSeen("/w/o", NOW.wall - DAY - 1), NG, "too old"),
    (OutputSeen("/w/o"), NG, "there is no"),
    (OutputSeen("/w/o", NOW.wall - 60, NOW.wall - DAY - 1), NG, "too old"),
    (OutputSeen("/w/o", NOW.wall - DAY - 1, NOW.wall - 60), NG, "too old"),
    (OutputSeen("/w/o", NOW.wall - 60, NOW.wall - 90), OK, ""),
    (OutputSeen("/w/o", NOW.wall - 60, broken="it is no JSON"), NG, "it is no JSON"),
    (OutputSeen("/w/o", NOW.wall - 60, unclear="its `at` is no time"), WARN, "its `at` is no time"),
    (OutputSeen("/w/o", NOW.wall + 7200), WARN, "a time in the future"),
]


@pytest.mark.parametrize(("seen", "verdict", "why"), OUTPUTS)
def test_the_older_of_the_two_times_of_an_output_counts(seen: OutputSeen, verdict: str, why: str) -> None:
    """P20: touching a file makes it no younger than it says that it is."""
    found = page(Config("/w", "w", outputs={"o": DAY}), "outputs.o", seen)
    assert found.verdict == verdict
    assert found.why.startswith(why)


GB = 10**9
ROOMS = [
    ((Room("workspace", "/w", 1000 * GB, 500 * GB),), OK),
    ((Room("workspace", "/w", 1000 * GB, 40 * GB),), WARN),
    ((Room("workspace", "/w", 1000 * GB, 9 * GB),), NG),
    ((Room("workspace", "/w", 8 * GB, 3 * GB),), OK),
    ((Room("workspace", "/w", 8 * GB, GB),), WARN),
    ((Room("workspace", "/w", 8 * GB, GB // 2 - 1),), NG),
    ((Room("workspace", "/w", 1000 * GB, 500 * GB), Room("backups", "/b", 1000 * GB, GB)), NG),
    ((Room("state", "/s", 1000 * GB, 500 * GB, writable=False),), NG),
    ((), UNKNOWN),
]


@pytest.mark.parametrize(("seen", "verdict"), ROOMS)
def test_the_fullest_place_decides_and_is_named(seen: tuple[Room, ...], verdict: str) -> None:
    found = page(Config("/w", "w"), "disk", seen)
    assert found.verdict == verdict
    if verdict in (NG, WARN):
        assert seen[-1].path in found.why


def test_both_pids_of_a_duplicate_are_named_and_only_a_stranger_beside_ours_is_ended() -> None:
    """P3: two running is red, never "ok"; P5: which one is kept is no matter of age."""
    ours = Copies("api", LEADER, (Identity(77, "9", "b"),))
    found = page(GUARDED, "duplicates", CopiesSeen(90, 1, (ours,)))
    assert found.verdict == NG
    assert found.why == "api: 2 running, expected 1: pid 42 (ours), 77"
    assert found.fix == Fix(("inv", "health", "--fix", "--only", "duplicates"))
    orphans = Copies("api", None, (Identity(77, "9", "b"), Identity(78, "9", "b")))
    manual = page(GUARDED, "duplicates", CopiesSeen(90, 1, (orphans,)))
    assert manual.verdict == NG and manual.fix is not None and not manual.fix.command


MINE = Rival(Starter("cron", "line 3", "line 3 of the crontab"), "its command leads to `/w/x`")
REG_DELETE = 'reg delete "HKLM\\Run" /v "x" /f'
MACHINES = Rival(Starter("run_values", "x", "HKLM\\Run\\x", by_hand=REG_DELETE), "why")
TAKE_AWAY = Fix(("inv", "health", "--fix", "--only", "rivals"))
RIVALS = [
    (RivalsSeen(("3 Run values", "12 tasks")), OK, "", None),
    (RivalsSeen(("3 units",), (), (MINE,)), NG, "line 3 of the crontab", TAKE_AWAY),
    (RivalsSeen(("3 units",), (), (MINE, MACHINES)), NG, "an administrator removes it: reg delete", TAKE_AWAY),
    (RivalsSeen(("3 units",), (), (MACHINES,)), NG, "HKLM", Fix(text=f"as an administrator: {REG_DELETE}")),
    (RivalsSeen(("3 units",), (), (MINE,), registered=False), NG, "inv schedule.register", TAKE_AWAY),
    (RivalsSeen(("3 units",), ("crontab -l: no",), (MINE,)), NG, "crontab -l: no", TAKE_AWAY),
]


@pytest.mark.parametrize(("seen", "verdict", "why", "fix"), RIVALS)
def test_whoever_starts_the_workspace_too_is_red_with_where_it_stands(
    seen: RivalsSeen, verdict: str, why: str, fix: Fix | None
) -> None:
    """P7: and the evidence of a green is what was looked at."""
    found = page(GUARDED, "rivals", seen)
    assert (found.verdict, found.fix) == (verdict, fix)
    assert why in found.why and found.evidence == f"looked at {', '.join(seen.looked)}"


def test_a_place_that_cannot_be_read_is_no_place_without_rivals() -> None:
    found = page(GUARDED, "rivals", RivalsSeen(("3 units",), ("crontab -l: no",)))
    assert (found.verdict, found.why) == (UNKNOWN, "crontab -l: no")


NOTHING_LOOKED_AT = [
    ("duplicates", CopiesSeen(90, 0), SKIP),
    ("duplicates", CopiesSeen(0, 1), UNKNOWN),
    ("environment.e", EnvironmentSeen("it declares no `outputs`", nothing_to_see=True), SKIP),
    ("backup", BackupSeen(), SKIP),
    ("autostart", AutostartSeen(()), SKIP),
    ("upgrade", UpgradeSeen(), SKIP),
    ("rivals", RivalsSeen(()), UNKNOWN),
    ("rivals", RivalsSeen((), ("`/x` cannot be read",)), UNKNOWN),
    ("vscode", EditorFacts("/w/.vscode/tasks.json", None, VENV), SKIP),
]


@pytest.mark.parametrize(("check", "seen", "verdict"), NOTHING_LOOKED_AT)
def test_a_check_that_looked_at_nothing_is_never_ok(check: str, seen: object, verdict: str) -> None:
    """P24: a verification of zero objects is no evidence. What this version cannot do says so."""
    found = page(GUARDED, check, seen)
    assert found.verdict == verdict
    assert found.why and found.evidence in ("no evidence", "not looked at")


def test_an_environment_is_there_or_red() -> None:
    config = Config("/w", "w", environments={"e": Environment("e", path="/w/e", manifests=("a.txt",))})
    assert page(config, "environment.e", EnvironmentSeen("/w/e/bin/python")).verdict == OK
    found = page(config, "environment.e", EnvironmentSeen("nothing there", "there is none at `/w/e`"))
    assert found.verdict == NG
    assert found.fix == Fix(("inv", "upgrade"))
    nothing = EnvironmentSeen("nothing there", "there is none at `/w/e`", manifests=("deps.txt",), can_be_made=False)
    assert page(config, "environment.e", nothing).fix == Fix(text="write one of deps.txt; then inv upgrade")


AS_WANTED = UpgradeSeen(("e",), looked=True, last=999_000.0)
UPGRADES = [
    ("as wanted", AS_WANTED, OK, ""),
    ("stale", AS_WANTED._replace(stale=(("e", "a.txt changed"),)), NG, "e is stale: a.txt changed"),
    (
        "failed",
        AS_WANTED._replace(stale=(("e", "a.txt changed"),), failed=(("e", "no such version", 999_940.0),)),
        NG,
        "the last upgrade of e failed 60 s ago: no such version",
    ),
    ("a list that is nobody's", AS_WANTED._replace(warnings=("WARN b.txt belongs to none",)), WARN, "b.txt belongs"),
    ("a faulty script", AS_WANTED._replace(faults=(("run.sh", "line 3: no end"),)), NG, "run.sh: line 3: no end"),
    ("never looked", UpgradeSeen(("e",), stale=(("e", "never"),)), SKIP, "no upgrade has looked"),
    ("no environment, and a list", UpgradeSeen(warnings=("WARN b.txt belongs to none",)), WARN, "b.txt"),
]


@pytest.mark.parametrize(("name", "seen", "verdict", "why"), UPGRADES, ids=[row[0] for row in UPGRADES])
def test_an_upgrade_is_green_only_when_everything_is_as_its_files_want_it(
    name: str, seen: UpgradeSeen, verdict: str, why: str
) -> None:
    """P45: a failed install is red until it is mended, and says which and why."""
    found = page(GUARDED, "upgrade", seen)
    assert found.verdict == verdict and why in found.why
    assert (found.fix is None) is (verdict in (OK, SKIP))
    if verdict == NG and not seen.faults:
        assert found.fix == Fix(("inv", "upgrade"))


CREATED = block_text.created(tasks(VENV, NAMED))
EDITOR = [
    ("in sync", CREATED, None, OK, None),
    ("edited by hand", CREATED.replace("--fix", "--fixx"), None, NG, Fix(("inv", "vscode.sync"))),
    ("a lost quote", CREATED.replace('"label": "', '"label: "', 1), None, NG, None),
    ("a lost quote, and our block with it", '{"tasks: []}', "/s/backup", NG, None),
    ("never ours, and broken", '{"tasks: []}', None, SKIP, None),
    ("an old version", CREATED.replace('"2.0.0"', '"0.1.0"'), None, WARN, None),
    ("never ours", '{"tasks": []}', None, SKIP, None),
]


@pytest.mark.parametrize(("case", "text", "backup", "verdict", "fix"), EDITOR, ids=[row[0] for row in EDITOR])
def test_the_block_in_the_editor_is_that_of_this_version_or_red(
    case: str, text: str, backup: str | None, verdict: str, fix: Fix | None
) -> None:
    """P29: no command that does not exist; P37: line, column and the last good copy are named."""
    found = page(GUARDED, "vscode", EditorFacts("/w/.vscode/tasks.json", text, VENV, backup))
    assert found.verdict == verdict
    if verdict == OK:
        assert "not verifiable" in found.evidence
    if fix is not None:
        assert found.fix == fix
    elif verdict == NG:
        assert found.why.startswith("line ") and found.fix is not None and not found.fix.command
        assert backup is None or backup in found.fix.text


def test_what_runs_undeclared_is_named() -> None:
    found = page(GUARDED, "config", ConfigSeen("1 service", (), (("old", (5,)),)))
    assert (found.verdict, found.why) == (WARN, "runs, and is declared no more: old (pid 5)")
    assert page(GUARDED, "config", ConfigSeen("1 service", ("colour: unknown key",))).verdict == NG


def test_what_runs_as_another_declaration_said_is_named() -> None:
    found = page(GUARDED, "config", ConfigSeen("2 services", outdated=("api", "db")))
    assert found.verdict == WARN and "api, db" in found.why and found.fix == Fix(text="inv restart api db")


# --- checks that go wrong ---------------------------------------------------------------------------------


def test_a_check_that_raises_is_red_and_one_that_is_late_is_unknown_by_name() -> None:
    """P12, P18: no exception becomes a default."""
    looks = [Look("disk", "disk", lambda: None), Look("probe.p", "p", lambda: None, 2.3)]
    seen = {"disk": Seen(error="OSError: gone"), "probe.p": Seen(late=True, ms=2300)}
    disk, late = plan.page(Config("/w", "w"), looks, seen, NOW)
    assert (disk.verdict, disk.why) == (NG, "check error: OSError: gone")
    assert (late.verdict, late.why) == (UNKNOWN, "`probe.p` did not answer within 2.3 s")


def test_a_judgement_that_raises_is_red() -> None:
    """P12: facts that nobody can judge are no green."""
    found = page(GUARDED, "disk", 3)
    assert found.verdict == NG
    assert found.why.startswith("check error: TypeError")


# --- sums -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        ([OK, SKIP], OK),
        ([OK, WARN], WARN),
        ([OK, UNKNOWN], WARN),
        ([WARN, NG, OK], NG),
        ([], OK),
        ([SKIP], OK),
    ],
)
def test_a_summary_never_contradicts_its_parts(verdicts: list[str], whole: str) -> None:
    """P17, P19: 100 % with a failure cannot be written down."""
    checks = [Check(f"c{n}", "c", verdict, "e", "w") for n, verdict in enumerate(verdicts)]
    fields = show.fields(checks)
    assert fields["verdict"] == overall(verdicts) == whole
    assert fields["counts"] == counts(verdicts)
    assert sum(counts(verdicts).values()) == len(verdicts)
    assert set(counts(verdicts)) == set(ALL)
    assert show.lines("w", checks)[-1].startswith(f"{whole}: ")


# --- fixes ------------------------------------------------------------------------------------------------

UP_API = Fix(("inv", "bringup", "api"))


def red(check: str, fix: Fix | None, verdict: str = NG) -> Check:
    return Check(check, check, verdict, "seen", "why", fix)


def test_only_the_safe_fixes_of_what_is_red_become_steps_and_each_remedy_is_offered_once() -> None:
    page_ = [
        red("watchdog", Fix(("inv", "watchdog"))),
        red("service.api", UP_API),
        red("service.api2", UP_API),
        red("duplicates", Fix(("inv", "health", "--fix", "--only", "duplicates"))),
        red("rivals", TAKE_AWAY),
        red("disk", Fix(text="free some space")),
        red("probe.p", None),
        red("service.slow", Fix(("inv", "restart", "slow")), WARN),
    ]
    order = plan.fixes(page_)
    assert [step.target for step in order.steps] == ["rivals", "duplicates", "service.api", "watchdog"]
    assert order.notes == ("disk: why -> free some space",)


@pytest.mark.parametrize(
    ("after", "fix", "ok", "fixed"),
    [
        (OK, UP_API, True, "verified"),
        (OK, UP_API, False, "verified"),
        (SKIP, UP_API, True, "verified"),
        (NG, UP_API, True, "unverified"),
        (WARN, UP_API, True, "unverified"),
        (NG, UP_API, False, "failed"),
        (NG, UP_API, None, "not_applied"),
        (NG, Fix(text="by hand"), True, "not_applied"),
        (NG, None, True, "not_applied"),
    ],
)
def test_only_a_second_look_proves_a_fix(after: str, fix: Fix | None, ok: bool | None, fixed: str) -> None:
    """P25: a fix that was tried is no fix that worked."""
    step = Step("fix", "service.api", "why", {"command": list(UP_API.command)})
    first, second = ([red("service.api", fix, verdict), red("disk", None, OK)] for verdict in (NG, after))
    found = plan.looked_again(first, second, [Outcome(step, ok, "")])
    assert [check.fixed for check in found] == [fixed, None]


def test_a_fix_is_a_command_or_a_text_and_never_both() -> None:
    assert show.fix_json(UP_API) == {"kind": "run", "command": ["inv", "bringup", "api"]}
    assert show.fix_json(Fix(text="by hand")) == {"kind": "manual", "text": "by hand"}
    assert show.fix_json(None) is None


OLD = NOW.wall - 5_000.0 - 100_000.0  # long before the machine started, 5000 s ago


def scheduled(state: str = "registered", result: int | None = 0, why: str = "") -> Scheduled:
    return Scheduled("watchdog", state, why, "systemd", None if result is None else 999_990.0, result)


AUTOSTART = [
    ("never asked for", scheduled("missing", None), frozenset(), (), SKIP, None),
    ("no scheduler, never asked for", scheduled("unknown", None), frozenset(), (), SKIP, None),
    ("registered and run", scheduled(), frozenset({"watchdog"}), (), OK, None),
    ("registered and not run yet", scheduled(result=None), frozenset({"watchdog"}), (), OK, None),
    ("gone", scheduled("missing", None), frozenset({"watchdog"}), (), NG, Fix(("inv", "schedule.register"))),
    ("nobody to ask", scheduled("unknown", None), frozenset({"watchdog"}), (), UNKNOWN, None),
    ("changed by hand", scheduled("differs"), frozenset(), (), NG, Fix(("inv", "schedule.register"))),
    ("its last run failed", scheduled(result=1), frozenset({"watchdog"}), (), NG, None),
    ("its last run found a red", scheduled(result=3), frozenset({"watchdog"}), (), WARN, None),
    ("its command does not run", scheduled(), frozenset({"watchdog"}), (("watchdog", "ends 1: x"),), NG, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("last_run", "since", "verdict"),
    [
        (None, NOW.wall - 600, OK),
        (None, OLD, WARN),
        (None, None, OK),
        (NOW.wall - 899, OLD, OK),
        (NOW.wall - 901, OLD, WARN),
        (OLD, NOW.wall - 600, OK),
        (OLD, OLD, WARN),
    ],
)
def test_a_registered_tick_that_never_comes_is_said(last_run: float | None, since: float | None, verdict: str) -> None:
    """P15: registered, and it could never run. Three beats of 300 s, counted from registration or start."""
    seen = scheduled()._replace(last_run=last_run)
    found = page(GUARDED, "autostart", AutostartSeen((seen,), frozenset({"watchdog"}), (), since))
    assert found.verdict == verdict, found
    assert verdict == OK or "nothing for" in found.why


@pytest.mark.parametrize(
    ("case", "seen", "wanted", "refusals", "verdict", "fix"), AUTOSTART, ids=[row[0] for row in AUTOSTART]
)
def test_registered_is_not_working(
    case: str,
    seen: Scheduled,
    wanted: frozenset[str],
    refusals: tuple[tuple[str, str], ...],
    verdict: str,
    fix: Fix | None,
) -> None:
    """P15: there, as it should be, able to run, and its last run was good; else red."""
    found = page(GUARDED, "autostart", AutostartSeen((seen,), wanted, refusals))
    assert found.verdict == verdict
    if fix is not None:
        assert found.fix == fix
    if verdict in (NG, UNKNOWN, WARN):
        assert "watchdog: " in found.why and found.fix is not None

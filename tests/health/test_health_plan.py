"""How everything but services is judged, as tables: no process, no file, no clock."""

from __future__ import annotations

import pytest
from judged import ALIVE, BY_TICKS, GUARDED, LEADER, NOW, TAKE_AWAY, page

from autosys_tasks.config.model import Config, Environment
from autosys_tasks.core.verdict import NG, OK, SKIP, UNKNOWN, WARN, Fix
from autosys_tasks.health.values import (
    AutostartSeen,
    BackupSeen,
    ConfigSeen,
    Copies,
    CopiesSeen,
    EnvironmentSeen,
    OutputSeen,
    Room,
    UpgradeSeen,
    WatchSeen,
)
from autosys_tasks.host.types import Identity
from autosys_tasks.probes.values import Answer
from autosys_tasks.schedule.values import Rival, RivalsSeen, Starter
from autosys_tasks.schedule.values import Seen as Scheduled
from autosys_tasks.supervise.values import Facts, Wanted
from autosys_tasks.vscode import block_text
from autosys_tasks.vscode.entries_text import VENV, tasks
from autosys_tasks.vscode.values import Facts as EditorFacts

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
    ("nothing wanted", BY_TICKS, WatchSeen(Facts(), anything_wanted=False), SKIP, "inv bringup"),
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


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (TICKED, "last tick 8 min ago"),
        (TICKED._replace(tick_at=NOW.wall + 86_400), "last tick dated 24 h ahead of now"),
        (TICKED._replace(tick_ok=False, tick_detail="not so: api"), "(not ok: not so: api)"),
        (WatchSeen(Facts()), "no tick in the journal"),
    ],
)
def test_of_ticks_it_is_said_when_the_last_one_was_and_how_it_ended(seen: WatchSeen, says: str) -> None:
    found = page(BY_TICKS, "watchdog", seen)
    assert says in f"{found.evidence}; {found.why}"


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
    assert page(GUARDED, "duplicates", CopiesSeen(1, 1)).evidence == "1 service compared with 1 process"
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
    mend = Fix(text="give environments.e.path a folder of its own; then inv upgrade")
    assert page(config, "environment.e", EnvironmentSeen("/w/e", "it holds b.txt", taken=True)).fix == mend


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
    ("restarts alone", UpgradeSeen(restart_on=("api",), looked=True, commit="1a2b"), OK, ""),
    ("restarts alone, never looked", UpgradeSeen(restart_on=("api",)), SKIP, "no upgrade has looked"),
    ("restarts alone, one due", UpgradeSeen(restart_on=("api",), old=(("api", "a.py changed"),)), NG, "a.py changed"),
    ("no git", UpgradeSeen(restart_on=("api",), hooks="no repository"), SKIP, "restart_on of api needs a git"),
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


def test_an_upgrade_is_offered_while_it_mends_anything() -> None:
    """Where the folders of all that is stale hold other things it would only fail again."""
    seen = AS_WANTED._replace(stale=(("e", "it holds b.txt"), ("f", "a.txt changed")), taken=("e",))
    assert page(GUARDED, "upgrade", seen).fix == Fix(("inv", "upgrade"))
    mend = Fix(text="give environments.e.path a folder of its own; then inv upgrade")
    assert page(GUARDED, "upgrade", seen._replace(stale=seen.stale[:1])).fix == mend
    failed = seen._replace(stale=seen.stale[:1], failed=(("e", "it holds b.txt", 999_940.0),))
    assert page(GUARDED, "upgrade", failed).fix == mend


CREATED = block_text.created(tasks(VENV))
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


def test_what_git_has_of_our_folders_is_named() -> None:
    found = page(GUARDED, "config", ConfigSeen("2 services", staged=("outputs/logs/api.log", "backups/a.7z")))
    assert found.verdict == WARN and "outputs/logs/api.log" in found.why
    assert found.fix and found.fix.text.startswith("git rm -r --cached backups outputs; ")


OLD = NOW.wall - 5_000.0 - 100_000.0  # long before the machine started, 5000 s ago


def scheduled(state: str = "registered", result: int | None = 0, why: str = "") -> Scheduled:
    return Scheduled("watchdog", state, why, "systemd", None if result is None else 999_990.0, result)


TRY = "to see why, type the command that this shows: inv schedule.show"
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
    ("its command does not run", scheduled(), frozenset({"watchdog"}), (("watchdog", "ends 1: x"),), NG, Fix(text=TRY)),
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


@pytest.mark.parametrize(("logon", "verdict"), [(NOW.wall - 60, OK), (NOW.wall - 901, WARN), (None, WARN)])
def test_nobody_is_asked_for_ticks_of_before_the_logon(logon: float | None, verdict: str) -> None:
    """The machine was on for hours, and nobody logged on: the master's run is the first thing after that."""
    master = Scheduled("master", "registered", "", "systemd", logon, None)
    seen = AutostartSeen((master, scheduled(result=None)), frozenset({"master", "watchdog"}), (), OLD)
    assert page(GUARDED, "autostart", seen).verdict == verdict


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

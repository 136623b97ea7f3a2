"""Killed at the worst moment, twice at once, records lost: nothing starts twice, nothing is forgotten."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import rig
from seen import becomes, guard_pid, kill, row, rows

from autosys_tasks import host
from autosys_tasks.config.load import load
from autosys_tasks.core.faults import POINTS
from autosys_tasks.supervise import act, look, stopping
from autosys_tasks.supervise.house import house_of
from autosys_tasks.supervise.state import Place, read_record, write_record

STARTING = [p for p in POINTS if p.startswith("supervise.") and "stop" not in p] + ["files.before-write"]
WRITTEN = ("after-intent", "after-spawn", "after-record")  # a kill anywhere else is a rarer story


@pytest.mark.parametrize(
    "point", [p if p.endswith(WRITTEN) else pytest.param(p, marks=pytest.mark.live) for p in STARTING]
)
def test_a_tick_killed_at_any_point_starts_nothing_twice(workspace: rig.Workspace, point: str) -> None:
    """supervision.md 5.3: one clean tick after it, and there is exactly one instance with a whole record."""
    workspace.service("api", "sleeps.py").service("db", "sleeps.py")
    workspace.cli("bringup", "--no-guard", env={"AUTOSYS_FAULT": f"{point}:kill"})
    rig.wait_for(lambda: workspace.cli("watchdog").code == 0, what="a good tick")
    seen = rows(workspace)
    assert {name: one["state"] for name, one in seen.items()} == {"api": "ready", "db": "ready"}
    living = {process.pid for process in workspace.alive() if rig.lives(process.pid)} - {guard_pid(workspace)}
    assert living == {one["pid"] for one in seen.values()}
    for name in seen:
        record, corrupt = read_record(Place(str(workspace.state)), name)
        assert record is not None and record.pid == seen[name]["pid"] and not corrupt


@pytest.mark.parametrize("point", ["supervise.after-wanted", "supervise.after-polite-stop", "supervise.after-stop"])
def test_a_down_killed_at_any_point_is_remembered(workspace: rig.Workspace, point: str) -> None:
    workspace.service("api", "sleeps.py")
    workspace.cli("bringup", "--no-guard").rc(0)
    workspace.cli("down", "api", env={"AUTOSYS_FAULT": f"{point}:kill"})
    workspace.cli("watchdog")
    workspace.cli("watchdog").rc(0)
    assert row(workspace, "api")["state"] == "stopped"
    assert len(workspace.starts()) == 1


FULL = [p for p in POINTS if p.startswith(("files", "journal", "supervise.after-intent"))]


@pytest.mark.parametrize("point", FULL)
def test_a_full_disk_is_named_and_costs_nothing(workspace: rig.Workspace, point: str) -> None:
    workspace.service("api", "sleeps.py")
    number = 4 if point.startswith("files") else 1  # before it: who is at work (twice), where a pull is counted from
    fault = {"AUTOSYS_FAULT": f"{point}:enospc:{number}"}
    document = workspace.cli("bringup", "--no-guard", "--json", env=fault).rc(1).json()
    assert "No space left" in document["error"]["message"], document  # type: ignore[index]
    assert document["error"]["hint"]  # type: ignore[index]
    workspace.cli("bringup", "--no-guard").rc(0)
    assert len([p for p in workspace.alive() if rig.lives(p.pid)]) == 1


def test_a_down_on_a_full_disk_stops_what_it_can_and_says_which_wish_is_not_kept(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py").service("b", "sleeps.py").cli("bringup").rc(0)
    full = {"AUTOSYS_FAULT": "files.before-write:enospc:2"}  # the first says who is at work
    workspace.cli("down", "api", env=full).rc(0)
    workspace.cli("watchdog").rc(0)
    assert row(workspace, "api")["state"] == "stopped", "written over the last wish"
    workspace.cli("bringup", "api").rc(0)
    (workspace.state / "services" / "api" / "wanted.json").unlink()
    said = workspace.cli("down", env=full).rc(1).says("No space left", "stopped, but not to stay so", "-> free some")
    assert str(workspace.state / "services" / "api" / "wanted.json") in said.err.replace("/", os.sep)
    assert not workspace.alive()
    workspace.cli("watchdog").rc(0)
    assert {name: seen["state"] for name, seen in rows(workspace).items()} == {"api": "ready", "b": "stopped"}


def test_a_journal_that_cannot_be_written_stops_no_work_and_is_named_at_the_end(workspace: rig.Workspace) -> None:
    """Interface 2: 1, an output folder that cannot be written, named; what was asked for is done all the same."""
    workspace.service("api", "sleeps.py", more='depends_on = ["db"]').service("db", "sleeps.py")
    fault = {"AUTOSYS_FAULT": "journal.before-append:enospc"}
    for task in (["bringup", "--no-guard"], ["restart", "api"]):
        ended = workspace.cli(*task, env=fault).rc(0 if task[0] == "restart" else 1)
        assert ended.code == 0 or "2 as wanted" in ended.err, "and how that ended"
        assert {seen["state"] for seen in rows(workspace).values()} == {"ready"}
    workspace.cli("down", env=fault).rc(1).says("watchdog_log.jsonl")
    assert not workspace.alive()
    workspace.cli("down").rc(0)


def test_a_tick_takes_away_what_killed_writers_left(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py").cli("bringup", "--no-guard").rc(0)
    for args in (["down", "api"], ["upgrade"], ["health"]):
        for pass_ in "123":
            workspace.cli(*args, env={"AUTOSYS_FAULT": f"files.before-replace:kill:{pass_}"})

    def left() -> list[Path]:
        return [path for folder in (workspace.state, workspace.outputs) for path in folder.rglob("*.tmp")]

    assert {path.parent.name for path in left()} >= {"api", "outputs", workspace.state.name}
    for path in left():
        os.utime(path, (1.0, 1.0))
    workspace.cli("watchdog").rc(0)
    assert not left()


def test_eight_bringups_at_once_start_everything_once(workspace: rig.Workspace) -> None:
    """P6."""
    for name in "abcd":
        workspace.service(name, "sleeps.py")
    running = [workspace.start("bringup") for _ in range(8)]
    results = [one.result().rc(0) for one in running]
    assert len(workspace.starts()) == 4
    assert any("waiting for `bringup` (pid" in result.err for result in results)
    assert guard_pid(workspace)
    workspace.cli("down").rc(0)


def test_a_tick_beside_a_bringup_ends_at_once_and_says_who_is_at_work(workspace: rig.Workspace) -> None:
    workspace.service("api", "listens.py", rig.free_port(), more='readiness.tcp = "127.0.0.1:1"')
    bringup = workspace.start("bringup", "--no-guard", "--timeout", "50", console=True)
    rig.wait_for(workspace.starts)
    workspace.cli("watchdog").rc(0).says("`bringup` (pid", "is at work")
    assert bringup.process.poll() is None, "it did not wait for the other's end"
    bringup.interrupt()
    bringup.result().rc(130)


def test_down_ends_the_whole_tree_although_the_leader_goes_first(workspace: rig.Workspace) -> None:
    """Pain 3, process-compose#520: the leader exits, a child that ignores TERM lives on."""
    workspace.service("api", "stubborn.py", "--child").service("hard", "stubborn.py", more="stop_timeout_s = 0.5")
    workspace.cli("bringup", "--no-guard").rc(0)
    rig.wait_for(lambda: len(workspace.starts()) == 3)
    workspace.cli("down").rc(0)
    assert not [p for p in workspace.alive() if rig.lives(p.pid)]


def test_restart_has_the_old_one_gone_before_the_new_one_starts(workspace: rig.Workspace) -> None:
    """P10: the port is free in between, or the new one could not bind it."""
    port = rig.free_port()
    workspace.service("api", "listens.py", port, more=f'readiness.tcp = "127.0.0.1:{port}"')
    workspace.cli("bringup").rc(0)
    for _ in range(2):
        old = row(workspace, "api")["pid"]
        workspace.cli("restart", "api").rc(0)
        new = row(workspace, "api")
        assert new["pid"] != old and new["state"] == "ready" and isinstance(old, int) and not rig.lives(old)
    assert len(workspace.starts()) == 3, "the guard kept its hands off"
    workspace.cli("down").rc(0)


def test_a_stop_is_told_as_asked_for_although_the_guard_saw_the_death_first(
    workspace: rig.Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the report has an incident, `killed by signal 15`, of a restart that a person asked for."""
    workspace.service("api", "sleeps.py")
    workspace.cli("bringup", "--no-guard").rc(0)
    monkeypatch.setenv("AUTOSYS_STATE", str(workspace.state))
    home = house_of(load(workspace.root))
    record = look.look_at_one(home, "api").record
    assert record
    kill(record.pid)
    act.note(home, "api", "died", host.Exit(signal=15))
    stopping.note_death(home, "api", None, "asked to be down", instance=record.instance, forgiven=True)
    stopping.note_death(home, "api", None, "of another one", instance="another", forgiven=True)
    ended = row(workspace, "api")["last_exit"]
    assert isinstance(ended, dict) and (ended["signal"], ended["why"]) == (15, "asked to be down")


def test_who_was_started_during_a_look_is_no_leftover_and_is_not_ended_for_another(
    workspace: rig.Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P6: a guard's first look beside a bring-up read the old record, saw the new process, and ended it."""
    workspace.service("api", "sleeps.py")
    workspace.cli("bringup", "--no-guard").rc(0)
    workspace.cli("down", "api").rc(0)
    monkeypatch.setenv("AUTOSYS_STATE", str(workspace.state))
    home = house_of(load(workspace.root))
    before = look.look_at_one(home, "api").record

    class Meanwhile(look.Marks):
        def all(self) -> list[host.Marked]:
            workspace.cli("bringup", "--no-guard").rc(0)
            return super().all()

    facts = look.look_at_one(home, "api", Meanwhile(home))
    assert before and facts.record and facts.record.instance != before.instance
    assert facts.leader and not facts.leftovers
    ended = stopping.stop(home, "api", "its leader is gone", forgiven=False, only=before.instance)
    assert ended.ok is None and host.alive(facts.leader)


def test_a_lost_record_or_state_folder_is_made_again_from_what_runs(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py")
    workspace.cli("bringup", "--no-guard").rc(0)
    pid = row(workspace, "api")["pid"]
    record = workspace.state / "services" / "api" / "record.jsonl"
    damages = [record.unlink, lambda: record.write_text("{", encoding="utf-8"), lambda: shutil.rmtree(workspace.state)]
    for damage in damages[: 2 if sys.platform == "win32" else 3]:  # there a lock that is held cannot be deleted
        damage()
        workspace.cli("bringup", "--no-guard").rc(0).says("adopted")
        seen = row(workspace, "api")
        assert (seen["pid"], seen["state"]) == (pid, "ready")
    assert len(workspace.starts()) == 1
    assert isinstance(pid, int)
    workspace.cli("down").rc(0)
    assert not rig.lives(pid)


SLOWLY = """\
import pathlib, time
from autosys_tasks.program import main
from autosys_tasks.supervise import act
write = act.write_record

def slowly(place, name, record):
    while record.pid and not pathlib.Path(place.folder, "go on").exists():
        time.sleep(0.01)
    write(place, name, record)

act.write_record = slowly
main()
"""


def test_whom_a_slow_starter_is_just_starting_nobody_adopts(
    workspace: rig.Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long its record takes: it is known to live by a lock, and not by the time."""
    workspace.service("api", "sleeps.py")
    slow = rig.start([sys.executable, "-c", SLOWLY, "bringup", "--no-guard"], cwd=workspace.root, env=workspace.env())
    rig.wait_for(workspace.starts, what="the service, started and not recorded yet")
    place = Place(str(workspace.state))
    intent, _corrupt = read_record(place, "api")
    assert intent and intent.pid is None
    rig.wait_for(lambda: host.boot_clock() > intent.started_boot + 1.0, what="a record that takes its time")
    assert row(workspace, "api")["state"] == "starting"
    assert "adopt" not in workspace.cli("watchdog", "--dry-run").rc(0).out
    monkeypatch.setenv("AUTOSYS_STATE", str(workspace.state))
    home, (pid, *_rest) = house_of(load(workspace.root)), workspace.starts()[0]
    who = host.identity(pid)
    assert who and act.adopt(home, "api", (who, intent.instance), "seen").ok is None
    ticking = workspace.start("watchdog")
    (workspace.state / "go on").touch()
    slow.result().rc(0)
    ticking.result().rc(0)
    record, _corrupt = read_record(place, "api")
    assert record == intent._replace(pid=pid, token=who.token), "its starter's own words"
    assert act.adopt(home, "api", (who, intent.instance), "seen").ok is None, "it has a record"
    assert read_record(place, "api")[0] == record and len(workspace.starts()) == 1
    workspace.cli("down").rc(0)


@pytest.mark.parametrize("forged", ["token", "boot"])
def test_a_recycled_pid_is_nobody_of_ours(workspace: rig.Workspace, forged: str) -> None:
    """Pain 4: winsw#123, #237."""
    workspace.service("api", "sleeps.py")
    workspace.cli("bringup", "--no-guard").rc(0)
    workspace.cli("down", "api").rc(0)
    place = Place(str(workspace.state))
    record, _corrupt = read_record(place, "api")
    with subprocess.Popen([rig.PYTHON, "-c", "import time; time.sleep(600)"]) as stranger:
        try:
            assert record
            fake = record._replace(pid=stranger.pid, dead=False, **{forged: "1"})
            write_record(place, "api", fake)
            workspace.cli("watchdog").rc(0)
            workspace.cli("bringup", "--no-guard").rc(0)
            workspace.cli("restart", "api").rc(0)
            workspace.cli("down").rc(0)
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_ctrl_c_in_a_bringup_leaves_things_clean(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py", more='readiness = { file = "go on", max_age_s = 600 }')
    bringup = workspace.start("bringup", console=True)
    rig.wait_for(workspace.starts)
    bringup.interrupt()
    result = bringup.result().rc(130)
    assert "Traceback" not in result.err and "autosys ps" in result.err
    workspace.file("go on")
    becomes(workspace, "api", "ready")
    workspace.cli("bringup").rc(0)
    assert len(workspace.starts()) == 1
    workspace.cli("down").rc(0)


@pytest.mark.only("posix")
def test_services_outlive_the_terminal_that_started_them(workspace: rig.Workspace) -> None:
    """P11."""
    workspace.service("api", "sleeps.py")
    argv = [sys.executable, "-m", "autosys_tasks.program", "bringup"]
    env = {key: value for key, value in {**os.environ, **workspace.env()}.items() if value is not None}
    leader, follower = os.openpty()
    shell = subprocess.Popen(
        argv, cwd=workspace.root, env=env, stdin=follower, stdout=follower, stderr=follower, start_new_session=True
    )
    os.close(follower)
    with contextlib.suppress(OSError):
        while os.read(leader, 4096):
            pass
    os.close(leader)
    assert shell.wait(rig.PATIENCE_S) == 0
    with contextlib.suppress(ProcessLookupError):
        os.killpg(shell.pid, signal.SIGHUP)
    assert row(workspace, "api")["state"] == "ready" and guard_pid(workspace)
    workspace.cli("down").rc(0)


def log_numbers(folder: Path, name: str) -> list[int]:
    files = sorted(
        folder.glob(f"{name}.log*"), key=lambda path: -int(path.suffix[1:]) if path.suffix[1:].isdigit() else 0
    )
    text = b"".join(path.read_bytes() for path in files).decode()
    return [int(line.split()[1]) for line in text.splitlines() if line.startswith("line ")]


@pytest.mark.only("posix")
def test_a_fast_log_is_kept_small_and_loses_no_line(workspace: rig.Workspace) -> None:
    more, stop = 'log_max = "300 kB"\nlog_keep = 99', workspace.root / "stop"
    workspace.service("talks", "chatter.py", "--width", 100, "--until", stop, more=more)
    workspace.cli("bringup", "--no-guard").rc(0)
    logs = workspace.outputs / "logs"

    def rotated() -> bool:
        workspace.cli("watchdog").rc(0)
        return (logs / "talks.log.2").exists()

    rig.wait_for(rotated)
    stop.touch()
    last = rig.wait_for(lambda: re.search(r"^last (\d+)$", (logs / "talks.log").read_text("utf-8"), re.MULTILINE))
    workspace.cli("watchdog").rc(0)
    assert log_numbers(logs, "talks") == list(range(1, int(last[1]) + 1))
    shown = workspace.cli("logs", "talks", "--lines", "5000", "--json").rc(0).json()["lines"]
    assert len(shown) == 5000 and f"line {last[1]} " in shown[-2]  # type: ignore[arg-type, index]


@pytest.mark.only("posix")  # Windows lets nobody move a folder in which a process works
def test_a_moved_workspace_leaves_nothing_running_that_no_command_reaches(workspace: rig.Workspace) -> None:
    """P59. Its guard would start it again beside the copy that is started in the new place, for ever."""
    workspace.service("api", "sleeps.py").service("db", "forks.py")
    workspace.cli("bringup").rc(0)
    rig.wait_for(lambda: len(workspace.starts()) == 3, what="the child of a service")
    moved = workspace.root.with_name("moved")
    workspace.root.rename(moved)
    kill(int(str(next(p.pid for p in workspace.alive() if "sleeps.py" in " ".join(p.cmdline())))))
    rig.wait_for(lambda: not workspace.alive(), what="the end of all that ran for the old path")
    assert not workspace.root.exists(), "nothing writes into a folder that is gone"
    moved.rename(workspace.root)
    assert len(workspace.starts()) == 3
    assert "is gone" not in workspace.cli("watchdog").rc(0).out
    assert {one["state"] for one in rows(workspace).values()} == {"ready"}, "what was wanted was not forgotten"


BRISKLY = """\
from autosys_tasks.supervise import guard
guard.BEAT_S = 0.1
guard.main()
"""


@pytest.mark.only("posix")  # Windows lets nobody remove a folder in which a process works
def test_a_guard_whose_workspace_and_state_are_removed_ends_and_makes_no_folder_anew(workspace: rig.Workspace) -> None:
    """P59. Its heartbeat fails before it looks for its folder."""
    workspace.write("")
    workspace.state.mkdir(exist_ok=True)
    beat = workspace.state / "beat"
    env = {**workspace.env(), "AUTOSYS_HEARTBEAT": str(beat)}
    guard = rig.start([sys.executable, "-c", BRISKLY, workspace.root], cwd=workspace.root, env=env)
    rig.wait_for(beat.exists, what="its heart")
    for folder in (workspace.state, workspace.root):  # at one stroke, for it goes on writing
        shutil.rmtree(folder.rename(folder.with_name("gone")))
    guard.result().rc(0)
    assert not workspace.root.exists(), "a journal of a folder that is gone would make it anew"


@pytest.mark.only("posix")  # Windows copies no file that is locked
def test_a_copy_with_its_state_folder_stops_nothing_of_the_original(workspace: rig.Workspace) -> None:
    """Design: kill only what is ours. The record that was copied names a process that lives, of another workspace."""
    workspace.service("api", "sleeps.py").cli("bringup", "--no-guard").rc(0)
    ((pid, _at),) = rig.wait_for(workspace.starts)
    root, state = workspace.root.parent / "copied", workspace.state.parent / "copied state"
    shutil.copytree(workspace.root, root)
    shutil.copytree(workspace.state, state)
    copy = rig.Workspace(root, state)
    try:
        assert row(copy, "api")["state"] == "down"
        copy.cli("down").rc(0)
        assert rig.lives(pid) and row(workspace, "api")["pid"] == pid
        copy.cli("bringup", "--no-guard").rc(0)
        assert row(copy, "api")["pid"] != pid and row(workspace, "api")["pid"] == pid
        copy.cli("down").rc(0)
        assert row(workspace, "api")["state"] == "ready"
    finally:
        copy.end_all()


@pytest.mark.only("posix")  # Windows moves no folder in which a file is open
def test_a_state_folder_that_was_moved_keeps_what_runs(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py").cli("bringup", "--no-guard").rc(0)
    ((pid, _at),) = rig.wait_for(workspace.starts)
    moved = workspace.state.with_name("moved state")
    workspace.state.rename(moved)
    try:
        workspace.state.mkdir()
        assert row(rig.Workspace(workspace.root, moved), "api")["pid"] == pid
        rig.Workspace(workspace.root, moved).cli("down").rc(0)
        assert not rig.lives(pid)
    finally:
        workspace.end_all()

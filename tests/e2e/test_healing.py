"""What dies, hangs or grows is healed, by the guard or by a tick; what is well is left alone."""

from __future__ import annotations

import json
import os
import time

import psutil
import pytest
import rig
from seen import becomes, guard_pid, kill, row, rows

from autosys_tasks.supervise.state import Place, read_record, write_record

MOMENTS_S = 10.0  # of a busy machine; by itself a guard looks every 30 s


@pytest.mark.only("posix")
def test_a_guard_outlives_a_full_disk_and_ends_130_by_ctrl_c(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py")
    for point in ("journal.before-append", "guard.before-pass"):
        guard = workspace.start("watchdog", "--follow", env={"AUTOSYS_FAULT": f"{point}:enospc"})
        first = becomes(workspace, "api", "ready")["pid"]
        kill(first)
        rig.wait_for(lambda first=first: row(workspace, "api")["pid"] not in (None, first))
        guard.interrupt()
        guard.result().rc(130)


def test_the_guard_heals_within_moments_and_its_own_death_costs_nothing(workspace: rig.Workspace) -> None:
    """5.11.3: OxMgr had two copies in 5 of 40 rounds, and starts all survivors anew."""
    for name in "abc":
        workspace.service(name, "sleeps.py")
    workspace.cli("bringup").rc(0)
    before = {name: one["pid"] for name, one in rows(workspace).items()}
    kill(before["a"])
    rig.wait_for(lambda: len(workspace.starts()) == 4, MOMENTS_S, what="the guard's restart")
    watching = guard_pid(workspace)
    kill(watching)
    for name in "bc":
        assert isinstance(before[name], int) and rig.lives(before[name])
    kill(before["b"])
    workspace.cli("watchdog").rc(0)
    after = {name: one["pid"] for name, one in rows(workspace).items()}
    assert after["c"] == before["c"] and after["b"] != before["b"]
    assert guard_pid(workspace) not in (None, watching)
    assert len(workspace.starts()) == 5
    kill(after["c"])
    rig.wait_for(lambda: len(workspace.starts()) == 6, MOMENTS_S, what="the new guard's restart")
    workspace.cli("down").rc(0)


def test_a_guard_that_hangs_is_found_by_the_next_tick(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py")
    workspace.cli("bringup").rc(0)
    watching = guard_pid(workspace)
    assert watching
    psutil.Process(watching).suspend()
    heart = workspace.state / "services" / "@guard" / "heartbeat"
    os.utime(heart, (time.time() - 300, time.time() - 300))
    record, _corrupt = read_record(Place(str(workspace.state)), "@guard")
    assert record
    write_record(Place(str(workspace.state)), "@guard", record._replace(started_at=record.started_at - 400))
    workspace.cli("watchdog").rc(0)
    assert guard_pid(workspace) not in (None, watching) and not rig.lives(watching)
    assert len(workspace.starts()) == 1
    workspace.cli("down").rc(0)


def test_one_slow_service_does_not_delay_the_healing_of_another(workspace: rig.Workspace) -> None:
    """5.11.2: OxMgr left a killed app down for 5.3 s while it waited for another."""
    port = rig.free_port()
    workspace.service("slow", "listens.py", port, "--delay", 90, more=f'readiness.tcp = "127.0.0.1:{port}"')
    workspace.service("quick", "sleeps.py")
    bringup = workspace.start("bringup", "--timeout", "90", console=True)
    rig.wait_for(lambda: guard_pid(workspace) and row(workspace, "quick")["state"] == "ready")
    kill(row(workspace, "quick")["pid"])
    rig.wait_for(lambda: len(workspace.starts()) == 3, MOMENTS_S, what="the restart of the quick one")
    bringup.interrupt()
    bringup.result().rc(130)
    workspace.cli("down").rc(0)


def test_a_grandchild_that_keeps_the_output_open_delays_nothing(workspace: rig.Workspace) -> None:
    """5.11.1: process-compose waited for the pipe, 12 s."""
    workspace.service("api", "stubborn.py", "--child", more="stop_timeout_s = 1")
    workspace.cli("bringup").rc(0)
    rig.wait_for(lambda: len(workspace.starts()) == 2)
    kill(row(workspace, "api")["pid"])
    rig.wait_for(lambda: len(workspace.starts()) >= 3, MOMENTS_S, what="the restart")
    workspace.cli("down").rc(0)
    assert not [p for p in workspace.alive() if rig.lives(p.pid)]


def test_a_hung_service_is_restarted(workspace: rig.Workspace) -> None:
    stop = workspace.root / "stop"
    live = "liveness = { heartbeat = true, max_age_s = 2, interval_s = 0.2 }\n"
    live += "readiness = { heartbeat = true, max_age_s = 60 }"
    workspace.service("hangs", "heartbeats.py", "--until", stop, more=live)
    workspace.cli("bringup", "--no-guard").rc(0)
    stop.touch()
    old = row(workspace, "hangs")["pid"]
    heart, log = workspace.state / "services" / "hangs" / "heartbeat", workspace.outputs / "logs" / "hangs.log"
    rig.wait_for(lambda: "no more heartbeats" in log.read_text(encoding="utf-8"))
    rig.wait_for(lambda: time.time() - heart.stat().st_mtime > 2.1)
    stop.unlink()
    workspace.cli("watchdog").rc(0)
    assert "liveness: " in (workspace.outputs / "watchdog_log.jsonl").read_text(encoding="utf-8")
    assert row(workspace, "hangs")["pid"] != old


@pytest.mark.only("posix")
def test_a_greedy_service_is_restarted(workspace: rig.Workspace) -> None:
    """On Windows the job object keeps it from getting more in the first place."""
    code = "import time; a = bytearray(60_000_000); a[::4096] = b'x' * len(a[::4096]); time.sleep(600)"
    argv = json.dumps([rig.PYTHON, "-c", code])
    workspace.write(f'[services.greedy]\ncommand = {argv}\nmemory_max = "40 MB"\n')
    workspace.cli("bringup", "--no-guard").rc(0, 3)

    def restarted() -> bool:
        workspace.cli("watchdog").rc(0, 3)
        return "over 40 MB" in (workspace.outputs / "watchdog_log.jsonl").read_text(encoding="utf-8")

    rig.wait_for(restarted, what="a restart once it has got so much")


def test_a_changed_configuration_reaches_the_guard_and_a_broken_one_does_not(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py")
    workspace.cli("bringup").rc(0)
    good = (workspace.root / "autosys.toml").read_text(encoding="utf-8")
    workspace.write(good + "\nnonsense = \n")
    workspace.cli("ps").rc(2)
    assert len([p for p in workspace.alive() if rig.lives(p.pid)]) == 2
    workspace.write(good)
    workspace.service("more", "sleeps.py")
    workspace.cli("watchdog").rc(0)
    kill(row(workspace, "more")["pid"])
    kill(row(workspace, "api")["pid"])
    rig.wait_for(lambda: all(one["state"] == "ready" for one in rows(workspace).values()))
    workspace.cli("down").rc(0)


def test_an_autosys_toml_that_is_away_for_a_moment_costs_no_service(workspace: rig.Workspace) -> None:
    """A checkout, or an editor, writes it anew: what dies meanwhile is healed, and the guard stays."""
    workspace.service("api", "sleeps.py")
    workspace.cli("bringup").rc(0)
    guard, toml, pid = guard_pid(workspace), workspace.root / "autosys.toml", row(workspace, "api")["pid"]
    text = toml.read_text(encoding="utf-8")
    toml.unlink()
    kill(pid)
    toml.write_text(text, encoding="utf-8")
    assert becomes(workspace, "api", "ready")["pid"] != pid
    assert guard_pid(workspace) == guard


ENDS = """\
import pathlib, signal, sys, time

def end(*_):
    time.sleep(float(sys.argv[2]))
    with open("order", "a") as file:
        print(sys.argv[1], file=file)
    sys.exit()

signal.signal(signal.SIGTERM, end)
pathlib.Path(sys.argv[1] + " is there").touch()
time.sleep(600)
"""


@pytest.mark.only("posix")  # a program hears nothing of its end on Windows
def test_a_guard_leaves_the_order_of_the_stops_to_down(workspace: rig.Workspace) -> None:
    """Interface 2: `down` stops in reverse order. The guard, who is told what is wanted, stopped the first at once."""
    workspace.file("ends.py", ENDS)
    workspace.write("")
    for name, needs, takes_s in (("a", [], 0), ("b", ["a"], 1), ("c", ["b"], 1)):
        more = f'depends_on = {needs}\nreadiness = {{ file = "{name} is there", max_age_s = 600 }}'
        workspace.service(name, str(workspace.root / "ends.py"), name, takes_s, more=more)
    workspace.cli("bringup").rc(0)
    workspace.cli("down", "a", "b", "c").rc(0)  # the guard, which is not named, lives on
    assert (workspace.root / "order").read_text(encoding="utf-8").split() == ["c", "b", "a"]

"""Where no scheduler runs ticks, the guard has them run: a missed night is caught up there too (issue 5; P33)."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
import rig
from test_night import SETS, backups

from autosys_tasks import host
from autosys_tasks.config.load import load
from autosys_tasks.core.journal import Journal
from autosys_tasks.supervise import commands, guard, own_ticks
from autosys_tasks.supervise.house import House, house_of
from autosys_tasks.supervise.own_ticks import BEATS, Ticks


def ticks(workspace: rig.Workspace) -> list[dict[str, object]]:
    lines = workspace.journal("watchdog")
    return [line for line in lines if line["task"] == "watchdog" and line["step"] == "summary"]


def test_the_guard_alone_catches_up_and_its_ticks_start_nothing_twice(workspace: rig.Workspace) -> None:
    workspace.write(f'[watchdog]\nevery = "1s"\n{SETS}').service("api", "sleeps.py")
    workspace.cli("bringup").rc(0)
    rig.wait_for(lambda: backups(workspace), 100, what="the backup of the night")
    rig.wait_for(lambda: len(ticks(workspace)) >= 2, 100, what="a second tick")
    workspace.cli("down").rc(0)
    assert len(workspace.starts()) == 1 and len(backups(workspace)) == 1
    rig.wait_for(lambda: not workspace.alive(), what="the end of all of it")


@pytest.fixture
def home(workspace: rig.Workspace, monkeypatch: pytest.MonkeyPatch) -> House:
    """Nothing to start, and a tick every hour."""
    monkeypatch.setenv("AUTOSYS_STATE", str(workspace.state))
    return house_of(load(workspace.write('[watchdog]\nevery = "1h"\n').root))


def asked(home: House, workspace: rig.Workspace) -> tuple[float, int]:
    """Seconds until it looks again, and how many ticks it had run, when it looks now."""
    before, told = len(ticks(workspace)), list[str]()
    mine = Ticks(home, told.append)
    mine.due = 0.0
    mine.turn()
    if mine._run is not None:
        mine._run.join(100)
    assert told == []
    return mine.due - host.boot_clock(), len(ticks(workspace)) - before


def test_who_ticks_is_left_to_it(home: House, workspace: rig.Workspace) -> None:
    """A scheduler that does its work has no second one beside it."""
    patience_s = BEATS * 3600.0
    left_s, ran = asked(home, workspace)
    assert ran == 1 and patience_s - 90 < left_s <= patience_s
    for _ in range(2):
        left_s, ran = asked(home, workspace)
        assert ran == 0 and 0 < left_s < patience_s


def test_the_guards_own_lines_are_no_ticks(home: House, workspace: rig.Workspace) -> None:
    with Journal(Path(home.outputs), "guard", host) as journal:
        journal.close(ok=True, detail="healed")
    assert asked(home, workspace)[1] == 1


HANGS = """\
import os, subprocess, sys, time
env = {**os.environ, "AUTOSYS_SERVICE": "api", "AUTOSYS_INSTANCE": "i"}
service = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env=env)
mine = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(service.pid, mine.pid, flush=True)
time.sleep(600)
"""


def test_a_run_that_hangs_is_ended_and_what_it_started_as_a_service_goes_on(home: House) -> None:
    flags: Any = host.spawn_flags()
    with subprocess.Popen([rig.PYTHON, "-c", HANGS], stdout=subprocess.PIPE, text=True, **flags) as tick:
        service, mine = (host.identity(int(pid)) for pid in tick.stdout.readline().split())
        assert service and mine
        commands.end(tick.pid)
        tick.wait(rig.WAIT_S)
        rig.wait_for(lambda: host.alive(mine) is False, what="the end of what was its own")
        assert host.alive(service), "it has a life of its own"
        host.end(service)


def test_who_waits_for_a_tick_becomes_no_other_program(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its successor would know nothing of that child, and leave it unreaped."""
    asked, over = list[str](), threading.Event()
    monkeypatch.setattr("autosys_tasks.bootstrap.lastgood.successor", lambda folder: asked.append(folder) or "")
    tick = threading.Thread(target=over.wait, name=own_ticks.THREAD)
    tick.start()
    guard._renew(home, threading.Event())
    assert not asked
    over.set()
    tick.join()
    guard._renew(home, threading.Event())
    assert asked == [home.place.folder]

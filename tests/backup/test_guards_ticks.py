"""Where no scheduler runs ticks, the guard has them run: a missed night is caught up there too (issue 5; P33)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import rig
from test_night import SETS, backups

from autosys_tasks import host
from autosys_tasks.config.load import load
from autosys_tasks.core.journal import Journal
from autosys_tasks.supervise.house import House, house_of
from autosys_tasks.supervise.ticking import BEATS, Ticks


def ticks(workspace: rig.Workspace) -> list[dict[str, object]]:
    journal = workspace.outputs / "watchdog_log.jsonl"
    lines = map(json.loads, journal.read_text(encoding="utf-8").splitlines() if journal.exists() else [])
    return [line for line in lines if line["task"] == "watchdog" and line["step"] == "summary"]


def test_the_guard_alone_catches_up_and_its_ticks_start_nothing_twice(workspace: rig.Workspace) -> None:
    workspace.write(f'[watchdog]\nevery = "1s"\n{SETS}').service("api", "sleeps.py")
    workspace.cli("bringup").rc(0)
    assert not ticks(workspace) and not backups(workspace)
    rig.wait_for(lambda: backups(workspace), 60, what="the backup of the night")
    rig.wait_for(lambda: len(ticks(workspace)) >= 2, 60, what="a second tick")
    workspace.cli("down").rc(0)
    assert len(workspace.starts()) == 1 and len(backups(workspace)) == 1
    rig.wait_for(lambda: not workspace.alive(), 30, what="the end of all of it")


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
        mine._run.join(60)
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
    with Journal(Path(home.outputs), "guard", host.open_append) as journal:
        journal.close(ok=True, detail="healed")
    assert asked(home, workspace)[1] == 1

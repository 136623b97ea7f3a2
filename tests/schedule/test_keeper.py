"""The resident keeper as a process of its own: it starts what is due, ends what hangs, and goes when it is asked."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import rig
import stand_in

from autosys_tasks import host
from autosys_tasks.schedule import resident
from autosys_tasks.schedule import resident_files as files
from autosys_tasks.schedule.values import Site

MODULE = f"""
import sys
sys.path[:0] = [{str(rig.REPOSITORY)!r}, {str(Path(__file__).parent)!r}]
import stand_in
stand_in.main(__file__)
"""


class Desk:
    """A workspace whose tasks are quick, and its keeper."""

    def __init__(self, workspace: rig.Workspace) -> None:
        self.workspace = workspace.write("")
        workspace.file("quick.py", MODULE)
        env = (("AUTOSYS_STATE", str(workspace.state)),)
        self.log = workspace.root / "outputs" / "schedule.log"
        self.site = Site("desk-1a2b3c4d", str(workspace.root), ("python",), "", str(self.log), env)
        self.place = files.place_of(self.site)

    def keep(self) -> rig.Running:
        argv = [rig.PYTHON, "-X", "utf8", "-m", "quick", "schedule.keep"]
        return rig.start(argv, cwd=self.workspace.root, env=self.workspace.env())

    def kept(self) -> rig.Running:
        """A keeper that has begun."""
        running = self.keep()
        rig.wait_for(lambda: files.is_kept(self.place) and files.read_runs(self.place)[0], what="the keeper")
        return running

    def runs(self, task: str) -> list[float]:
        """When the task ran."""
        names = (path.name.split() for path in (self.workspace.root / "ran").glob(f"{task} *"))
        return sorted(float(words[1]) for words in names if len(words) == 3)

    def pid(self, name: str) -> int:
        """Of who has noted himself under that name; 0 = nobody."""
        return next((int(path.name.split()[1]) for path in (self.workspace.root / "ran").glob(f"{name} *")), 0)

    def said(self, text: str) -> bool:
        return self.log.exists() and text in self.log.read_text(encoding="utf-8", errors="replace")

    def ask_to_end(self, running: rig.Running) -> None:
        who = host.identity(running.process.pid)
        assert who is not None and host.ask_to_end(who)


@pytest.fixture
def desk(workspace: rig.Workspace) -> Iterator[Desk]:
    """It, with nobody there yet."""
    return Desk(workspace)


def test_it_runs_the_master_once_and_the_watchdog_on_its_beat(desk: Desk) -> None:
    began_at, running = time.monotonic(), desk.kept()
    rig.wait_for(lambda: len(desk.runs("watchdog")) >= 3, what="three ticks")
    desk.ask_to_end(running)
    running.result().rc(0).says("keeping the times of master, watchdog", "ended: asked to")
    assert len(desk.runs("master")) == 1
    beats = (time.monotonic() - began_at) / stand_in.BEAT_S
    assert len(desk.runs("watchdog")) <= beats + 1, "however late each of their interpreters was"
    assert not desk.runs("backup"), "what was missed waits until the logon has settled"
    assert desk.said("master says 책상") and desk.said("keeper: keeping the times of")
    began, runs = files.read_runs(desk.place)
    assert began is not None and runs["master"].code == 0 and abs(runs["master"].at.wall - time.time()) < 60
    assert not files.is_kept(desk.place)


def test_how_a_run_ended_is_kept(desk: Desk) -> None:
    """P15: registered is not working."""
    desk.workspace.file("watchdog fails")
    running = desk.kept()
    rig.wait_for(lambda: "watchdog" in (runs := files.read_runs(desk.place)[1]) and runs["watchdog"].code == 3)
    desk.ask_to_end(running)
    running.result().rc(0)


def test_a_second_keeper_says_who_keeps_and_ends_well(desk: Desk) -> None:
    running = desk.kept()
    second = desk.keep().result().rc(0).says("kept already")
    planned = resident.planned(desk.site, stand_in.entries())
    assert not planned.steps and "kept already" in planned.notes[0]
    if sys.platform != "win32":
        assert f"pid {running.process.pid}" in second.out and f"pid {running.process.pid}" in planned.notes[0]
    desk.ask_to_end(running)
    running.result().rc(0)


def test_a_run_that_takes_too_long_is_ended_with_its_tree_and_the_services_it_started_live(desk: Desk) -> None:
    """What the real Task Scheduler does is worse: it ends the program alone, and its children live on."""
    desk.workspace.file("watchdog hangs")
    running = desk.kept()
    part, service = (rig.wait_for(lambda n=name: desk.pid(n), what=name) for name in ("part", "service"))
    rig.wait_for(lambda: desk.said("took longer than it may"))
    rig.wait_for(lambda: not rig.lives(part), what="the end of its tree")
    assert rig.lives(service)
    (desk.workspace.root / "watchdog hangs").unlink()
    rig.wait_for(lambda: files.read_runs(desk.place)[1]["watchdog"].code == 0, what="the next run, which is well")
    desk.ask_to_end(running)
    running.result().rc(0)
    psutil.Process(service).kill()


def test_a_run_that_is_under_way_outlives_its_keeper(desk: Desk) -> None:
    desk.workspace.file("master hangs")
    running = desk.kept()
    part = rig.wait_for(lambda: desk.pid("part"))
    desk.ask_to_end(running)
    running.result().rc(0)
    assert rig.lives(part)


def test_a_changed_autosys_toml_counts_and_a_broken_one_is_said_once(desk: Desk) -> None:
    running = desk.kept()
    desk.workspace.write("[nonsense")
    rig.wait_for(lambda: (host.ring(desk.place.bell), desk.said("is broken, the last good one goes on"))[1])
    before = len(desk.runs("watchdog"))
    rig.wait_for(lambda: len(desk.runs("watchdog")) > before, what="that it goes on")
    desk.workspace.write('[watchdog]\nevery = "1h"\n[schedule]\nmaster = { at = "logon", delay = "1s" }\n')
    rig.wait_for(lambda: (host.ring(desk.place.bell), desk.said("was changed"))[1])
    desk.ask_to_end(running)
    running.result().rc(0)
    assert desk.log.read_text(encoding="utf-8").count("is broken") == 1


def test_a_dry_run_says_what_would_be_started_when(desk: Desk) -> None:
    when = {"master": "once, 500 ms after it began", "watchdog": "every 1 s", "backup": "every day at 00:00:00"}
    assert {step.target: step.reason for step in resident.planned(desk.site, stand_in.entries()).steps} == when
    desk.workspace.state.mkdir(parents=True)
    Path(desk.place.names).write_text('{"names": ["watchdog"]}', encoding="utf-8")
    assert [step.target for step in resident.planned(desk.site, stand_in.entries()).steps] == ["watchdog"]
    assert [path.name for path in desk.workspace.state.iterdir()] == ["keep.json"]


def test_it_keeps_what_is_registered_and_goes_with_the_last(desk: Desk) -> None:
    files.write_names(desk.place, ["master"])
    running = desk.kept()
    rig.wait_for(lambda: desk.runs("master"))
    assert not desk.runs("watchdog")
    files.write_names(desk.place, ["master", "watchdog"])
    rig.wait_for(lambda: desk.runs("watchdog"))
    files.write_names(desk.place, [])
    running.result().rc(0).says("nothing is registered any more")


def test_what_runs_when_the_last_entry_goes_comes_to_its_end(desk: Desk) -> None:
    """A backup under way is not cut off by `schedule.unregister`."""
    desk.workspace.file("master is slow")
    files.write_names(desk.place, ["master"])
    running = desk.kept()
    rig.wait_for(lambda: desk.runs("master"))
    files.write_names(desk.place, [])
    running.result().rc(0).says("nothing is registered any more")
    assert (desk.workspace.root / "ran" / "master done").exists()
    assert files.read_runs(desk.place)[1]["master"].code == 0


def test_spoilt_notes_harm_nothing(desk: Desk) -> None:
    desk.workspace.state.mkdir(parents=True)
    Path(desk.place.runs).write_text("[1", encoding="utf-8")
    Path(desk.place.names).write_text('{"names": 3}', encoding="utf-8")
    running = desk.kept()
    rig.wait_for(lambda: desk.runs("master"))
    desk.ask_to_end(running)
    running.result().rc(0)


def test_a_program_that_is_not_there_is_a_result_and_not_the_end(desk: Desk) -> None:
    desk.workspace.file("quick.py", MODULE.replace("stand_in.main", "stand_in.LOST = 1\nstand_in.main"))
    running = desk.kept()
    rig.wait_for(lambda: files.read_runs(desk.place)[1].get("master", files.Run(files.now())).code == 127)
    assert desk.said("master cannot be started")
    desk.ask_to_end(running)
    running.result().rc(0)

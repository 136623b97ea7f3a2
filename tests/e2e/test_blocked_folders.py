"""What cannot be written is named at once, and nothing is begun that would fail for it."""

from __future__ import annotations

import errno
import shutil

import pytest
import rig

from autosys_tasks import host
from autosys_tasks.config.load import load
from autosys_tasks.supervise.house import house_of
from autosys_tasks.tasks.master import _outcome


@pytest.mark.only("posix")
def test_a_log_that_cannot_be_opened_is_named(workspace: rig.Workspace) -> None:
    """A disk that is read-only is no program that cannot be run."""
    (workspace.outputs / "logs" / "api.log").mkdir(parents=True)
    workspace.write("[watchdog]\nretries = 0\n").service("api", "sleeps.py")
    workspace.cli("bringup", "--no-guard").rc(3).says(str(workspace.outputs / "logs" / "api.log"))


def test_state_and_outputs_that_cannot_be_written_are_named(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py")
    workspace.state.parent.joinpath("file").write_text("", encoding="utf-8")
    bad = {"AUTOSYS_STATE": str(workspace.state.parent / "file")}
    workspace.cli("bringup", env=bad).rc(1).says(str(workspace.state.parent / "file"), "->")
    workspace.file("outputs", "in the way")
    workspace.cli("bringup", "--no-guard").rc(1).says("outputs")
    assert "Traceback" not in workspace.cli("bringup", "--no-guard", "--json").rc(1).err
    workspace.said_down = False


def test_a_tick_without_a_journal_says_what_is_not_as_wanted_by_the_names_that_people_know(
    workspace: rig.Workspace,
) -> None:
    workspace.write("[watchdog]\nretries = 0\n").service("api", "crashes.py")
    (workspace.outputs / "watchdog_log.jsonl").mkdir(parents=True)
    told = workspace.cli("watchdog").rc(1).says("not so: api")
    assert "@guard" not in told.out + told.err


@pytest.mark.only("posix")  # Windows says of a folder that it may not be written
def test_a_folder_where_a_lock_belongs_is_to_be_moved_away(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py")
    (workspace.state / "acting.lock").mkdir(parents=True)
    for words in (("bringup", "--no-guard"), ("watchdog",), ("down",)):
        workspace.cli(*words).rc(1).says(f"-> move the folder `{workspace.state / 'acting.lock'}` away")
    (workspace.state / "acting.lock").rmdir()
    workspace.cli("bringup", "--no-guard").rc(0)


def test_a_master_that_can_write_nothing_says_so_once(workspace: rig.Workspace) -> None:
    """Interface 2: 1, an output folder that cannot be written, named; no step is begun."""
    workspace.service("api", "sleeps.py")
    (workspace.root / "outputs").write_text("in the way", encoding="utf-8")
    said = workspace.cli("master").rc(1)
    text = said.out + said.err
    assert text.count("cannot write") == 1 and "outputs" in text and "-> " in text and "[Errno" not in text
    assert "bringup" not in text and not workspace.starts()


@pytest.mark.parametrize("blocked", ["outputs", "outputs/logs"])
def test_a_bring_up_that_can_write_nothing_ends_at_once_and_starts_nothing(
    workspace: rig.Workspace, blocked: str
) -> None:
    """Interface 2: 1, the folder is named; no service and no guard is tried four times."""
    workspace.service("api", "sleeps.py").file(blocked, "in the way")
    said = workspace.cli("bringup").rc(1)
    text = said.out + said.err
    assert text.count("cannot write") == 1 and str(workspace.root / blocked) in text and "-> " in text
    assert not workspace.starts() and not list(workspace.state.rglob("record.jsonl")), "nor the guard"


@pytest.mark.only("posix")  # Windows takes no folder away in which a log is open
def test_a_restart_that_could_write_nothing_stops_nothing(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py").cli("bringup", "--no-guard").rc(0)
    ((pid, at),) = rig.wait_for(workspace.starts, what="its first word, which a busy machine brings late")
    shutil.rmtree(workspace.outputs)
    workspace.file("outputs", "in the way")
    assert "cannot write" in str(workspace.cli("restart", "api").rc(1))
    assert workspace.starts() == [(pid, at)] and host.identity(pid) is not None


def test_what_the_system_says_of_a_step_of_the_master_is_put_into_words(workspace: rig.Workspace) -> None:
    def broken(home: object, timeout: float) -> tuple[bool, str]:
        raise OSError(errno.EROFS, "Read-only file system", "/w/lock")

    home = house_of(load(workspace.service("api", "sleeps.py").root))
    assert _outcome("bringup", broken, home, 1.0).detail == "cannot read or write `/w/lock`: Read-only file system"

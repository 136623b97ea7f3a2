"""What is started from inside a unit lives in scopes of its own, and no unit's end is its end (issue 5; P11)."""

from __future__ import annotations

import contextlib
import shlex
import sys
from pathlib import Path

import psutil
import pytest
import rig
import user_manager

pytestmark = [pytest.mark.only("linux"), pytest.mark.capability("user manager")]
TICKS = '[watchdog]\nevery = "1s"\n'
COMPLAINTS = ("left-over", "remains running", "Killing process")
FORKS_AT_ONCE = '\n[services.shell]\ncommand = ["sh", "-c", "sleep 1000 & wait"]\n'


def unit_of(pid: int) -> str:
    """The last part of where the kernel says that a process stands."""
    return Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").strip().rpartition("/")[2]


def pids(workspace: rig.Workspace) -> dict[str, int]:
    """Who runs, by name; the guard among them."""
    said = workspace.cli("ps", "--json").rc(0).json()
    rows: list[dict[str, object]] = [*said["services"], {"name": "guard"} | said["guard"]]  # type: ignore[misc, dict-item]
    return {str(row["name"]): int(str(row["pid"])) for row in rows if row["pid"]}


def all_up(workspace: rig.Workspace, *names: str) -> dict[str, int]:
    return rig.wait_for(lambda: there if set(names) <= set(there := pids(workspace)) else {}, what=f"{names} up")


def ticks(manager: user_manager.UserManager, count: int) -> None:
    """So many more runs of the watchdog's unit come to their end."""
    before = len(finished(manager))
    rig.wait_for(lambda: len(finished(manager)) >= before + count, 60, what=f"{count} ticks")


def finished(manager: user_manager.UserManager) -> list[str]:
    return [line for line in manager.said if line.startswith("Finished autosys-") and "watchdog" in line]


def complaints(manager: user_manager.UserManager) -> list[str]:
    return [line for line in manager.said if any(words in line for words in COMPLAINTS)]


def watchdog(manager: user_manager.UserManager) -> str:
    return next(manager.units.glob("*-watchdog.service")).name


def started(workspace: rig.Workspace) -> set[int]:
    """Every process that we started, and what those did; no command of ours that is at work."""
    found = set()
    for process in workspace.alive():
        with contextlib.suppress(psutil.Error):
            found |= {process.pid} if "AUTOSYS_INSTANCE" in process.environ() else set()
    return found


def test_a_tick_leaves_nothing_in_its_unit_and_no_unit_takes_a_service_along(
    workspace: rig.Workspace, manager: user_manager.UserManager
) -> None:
    workspace.write(TICKS).service("api", "sleeps.py").service('"창고"', "sleeps.py")
    workspace.write((workspace.root / "autosys.toml").read_text(encoding="utf-8") + FORKS_AT_ONCE)
    workspace.cli("schedule.register", "--only", "watchdog", env=manager.env).rc(0)
    there = all_up(workspace, "api", "창고", "shell", "guard")
    ticks(manager, 2)
    homes = {name: unit_of(pid) for name, pid in there.items()}
    tick = watchdog(manager)
    ours = tick.removesuffix("watchdog.service")
    assert all(home.startswith(ours) and home.endswith(".scope") for home in homes.values()), homes
    assert len(set(homes.values())) == 4, "what befalls one befalls no other"
    assert homes["api"].startswith(f"{ours}api-") and "-run-" not in "".join(homes.values())
    forked = psutil.Process(there["shell"]).children()
    assert [unit_of(child.pid) for child in forked] == [homes["shell"]], "what it brought before it was moved"
    assert not [pid for pid in started(workspace) if unit_of(pid).endswith(".service")]
    manager.ctl("stop", tick.replace(".service", ".timer"))
    rig.wait_for(lambda: "Active: inactive" in manager.ctl("status", tick), 60, what="the end of the last tick")
    assert complaints(manager) == [] and "CGroup:" not in manager.ctl("status", tick), "nobody is left in the unit"
    before = started(workspace)
    manager.ctl("restart", tick)
    manager.ctl("stop", tick)
    workspace.cli("schedule.unregister", env=manager.env).rc(0)
    assert pids(workspace) == there and before <= started(workspace), "all that ran runs on"
    assert len(workspace.starts()) == 2, "no second copy of either that counts its starts"
    workspace.cli("down").rc(0)
    rig.wait_for(lambda: manager.listed("autosys-*") == [], what="no unit of ours is left")
    assert started(workspace) == set() and complaints(manager) == []


def inside(
    workspace: rig.Workspace, manager: user_manager.UserManager, *words: str, kill: str = "control-group",
    wrapped: tuple[str, ...] = (), runtime: str = "",
) -> str:  # fmt: skip
    """Have a unit of somebody else's run the command to its end; that unit's name."""
    argv = [*wrapped, sys.executable, "-m", "autosys_tasks.program", *words]
    line = " ".join('"' + word.replace('"', '\\"').replace("$", "$$") + '"' for word in argv)
    folder = str(workspace.root).replace("%", "%%")
    runtime = f"Environment=XDG_RUNTIME_DIR={runtime}\n" if runtime else ""
    manager.units.mkdir(parents=True, exist_ok=True)
    (manager.units / "somebodys.service").write_text(
        f"[Service]\nType=oneshot\nWorkingDirectory={folder}\nExecStart={line}\nKillMode={kill}\n{runtime}", "utf-8"
    )
    manager.ctl("daemon-reload")
    manager.ctl("start", "somebodys.service")
    return "somebodys.service"


def told(workspace: rig.Workspace, step: str, what: str) -> list[object]:
    """What the journal says about each of these steps."""
    lines = workspace.cli("journal", "--json").rc(0).json()["lines"]
    return [line[what] for line in lines if line["step"] == step]  # type: ignore[attr-defined]


def test_a_bringup_in_a_unit_that_ends_all_it_holds_is_outlived(
    workspace: rig.Workspace, manager: user_manager.UserManager
) -> None:
    workspace.service("db", "sleeps.py")
    unit = inside(workspace, manager, "bringup", "db")
    there = all_up(workspace, "db", "guard")
    manager.ctl("stop", unit)
    assert pids(workspace) == there and complaints(manager) == []
    assert all("inside" not in str(detail) for detail in told(workspace, "start", "detail"))
    workspace.cli("down").rc(0)


def test_a_bringup_in_a_terminals_scope_is_outlived(
    workspace: rig.Workspace, manager: user_manager.UserManager
) -> None:
    """P11: a terminal of a desktop is a scope of the user manager."""
    workspace.service("api", "sleeps.py")
    command = shlex.join([sys.executable, "-m", "autosys_tasks.program", "bringup"])
    tab = ["systemd-run", "--user", "--scope", "--quiet", "--unit=app-terminal-1.scope"]
    shell = [*tab, "sh", "-c", f"{command}; exec sleep 1000"]
    terminal = rig.start(shell, cwd=workspace.root, env={**workspace.env(), **manager.env})
    there = all_up(workspace, "api", "guard")
    manager.ctl("stop", "app-terminal-1.scope")
    terminal.result()
    assert pids(workspace) == there
    workspace.cli("down").rc(0)


@pytest.mark.live
def test_ticks_that_are_killed_in_the_middle_start_nothing_twice_and_nothing_inside_their_unit(
    workspace: rig.Workspace, tmp_path: Path
) -> None:
    """Each is killed between a start and its record: what it started lives on in the scope that the tick went to."""
    workspace.write(TICKS).service("api", "sleeps.py").service("db", "sleeps.py")
    fault = {"AUTOSYS_FAULT": "supervise.after-spawn:kill"}
    with user_manager.running(tmp_path, workspace.env() | fault) as manager:
        workspace.cli("schedule.register", "--only", "watchdog", env=manager.env).rc(0)
        there = all_up(workspace, "api", "db", "guard")
        ticks(manager, 2)
        assert pids(workspace) == there and len(workspace.starts()) == 2
        assert all(unit_of(pid).endswith(".scope") for pid in there.values())
        assert complaints(manager) == []
        workspace.cli("schedule.unregister", env=manager.env).rc(0)
        workspace.cli("down").rc(0)
        rig.wait_for(lambda: manager.listed("autosys-*") == [], what="no unit of ours is left")


def test_stopping_the_guards_scope_ends_the_guard_alone_and_a_services_scope_is_healed(
    workspace: rig.Workspace, manager: user_manager.UserManager
) -> None:
    workspace.service("api", "sleeps.py").service("db", "sleeps.py")
    inside(workspace, manager, "bringup")
    first = all_up(workspace, "api", "db", "guard")
    manager.ctl("stop", unit_of(first["api"]))
    rig.wait_for(lambda: pids(workspace).get("api") not in (first["api"], None), what="the guard heals it")
    second = pids(workspace)
    assert second["db"] == first["db"] and second["guard"] == first["guard"]
    rig.wait_for(lambda: "-api-" in unit_of(second["api"]), what="what the guard starts has a scope of its own too")
    manager.ctl("stop", unit_of(first["guard"]))
    assert pids(workspace) == {name: pid for name, pid in second.items() if name != "guard"}
    inside(workspace, manager, "watchdog")
    third = all_up(workspace, "api", "db", "guard")
    assert (third["api"], third["db"]) == (second["api"], second["db"])
    workspace.cli("down").rc(0)
    rig.wait_for(lambda: manager.listed("autosys-*") == [], what="no unit of ours is left")


def test_a_log_off_waits_for_nobody(workspace: rig.Workspace, tmp_path: Path) -> None:
    """The guard is asked to end with all the others, and starts none of them anew: that one would be waited for."""
    for number in range(6):
        workspace.service(f"s{number}", "sleeps.py")
    with user_manager.running(tmp_path, workspace.env()) as manager:
        inside(workspace, manager, "bringup")
        all_up(workspace, *(f"s{number}" for number in range(6)), "guard")
    assert started(workspace) == set() and any("Stopped autosys-" in line for line in manager.said)
    assert [line for line in manager.said if "timed out" in line or "SIGKILL" in line] == []


def test_the_lock_is_the_services_alone_in_a_scope_too(
    workspace: rig.Workspace, manager: user_manager.UserManager
) -> None:
    from autosys_tasks import host

    workspace.service("api", "sleeps.py")
    inside(workspace, manager, "bringup")
    there = all_up(workspace, "api", "guard")
    lock = str(workspace.state / "services" / "api" / "lock")
    assert [who.pid for who in host.lock_holders(lock)] == [there["api"]]
    inside(workspace, manager, "watchdog")
    assert len(workspace.starts()) == 1
    workspace.cli("down").rc(0)


@pytest.mark.live
def test_a_manager_that_hangs_costs_a_second_and_is_told(
    workspace: rig.Workspace, manager: user_manager.UserManager
) -> None:
    """Everything is as without scopes: born inside the unit, which spares it."""
    names = [f"s{number}" for number in range(8)]
    for name in names:
        workspace.service(name, "sleeps.py")
    stopped = ("sh", "-c", 'kill -STOP "$MANAGERPID"; "$@"; kill -CONT "$MANAGERPID"', "sh")
    unit = inside(workspace, manager, "bringup", kill="process", wrapped=stopped)
    there = all_up(workspace, *names, "guard")
    assert {unit_of(pid) for pid in there.values()} == {unit}
    why = f"inside {unit}: the user manager did not do it within 1 s"
    assert sorted(told(workspace, "start", "detail")) == sorted(f"pid {pid}, {why}" for pid in there.values())
    took = max(int(str(ms)) for ms in told(workspace, "summary", "ms") if ms is not None)
    assert took < 1000 * len(there), "asked once, not once for each start"
    manager.ctl("stop", unit)
    assert pids(workspace) == there
    workspace.cli("down").rc(0)


def test_without_a_manager_everything_is_as_it_was(
    workspace: rig.Workspace, manager: user_manager.UserManager, tmp_path: Path
) -> None:
    workspace.service("api", "sleeps.py")
    unit = inside(workspace, manager, "bringup", kill="process", runtime=f"{tmp_path}/none")
    there = all_up(workspace, "api", "guard")
    assert {unit_of(pid) for pid in there.values()} == {unit}
    assert told(workspace, "start", "detail") == [f"pid {there['api']}", f"pid {there['guard']}"]
    manager.ctl("stop", unit)
    assert pids(workspace) == there
    workspace.cli("down").rc(0)

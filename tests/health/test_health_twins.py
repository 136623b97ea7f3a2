"""Second copies: who counts as one, in tables and among real processes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
import rig

from autosys_tasks import host
from autosys_tasks.config.load import load
from autosys_tasks.health import duplicates
from autosys_tasks.health.look_service import SharedMarks
from autosys_tasks.health.values import CopiesSeen
from autosys_tasks.supervise.house import House, house_of
from autosys_tasks.supervise.state import Place

Spawned = list[subprocess.Popen[bytes]]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("python", "-m", "app"), ("/usr/bin/python3.11", "-m", "app"), True),
        (("python", "-m", "app"), ("python", "-m", "other"), False),
        (("sh", "./run.sh"), ("/bin/sh", "/w/run.sh"), True),
        (("sh", "run.sh"), ("sh", "/w/run.sh"), False),
        (("./worker1",), ("./worker2",), False),
        (("curl", "http://a/b"), ("curl", "http://a//b"), False),
    ],
)
def test_command_lines_compare_by_what_they_run(
    one: tuple[str, ...], other: tuple[str, ...], same: bool
) -> None:
    assert (duplicates.normal(one, "/w") == duplicates.normal(other, "/w")) is same


@pytest.fixture
def spawned() -> Iterator[Spawned]:
    """Processes of a test, ended after it."""
    found: Spawned = []
    yield found
    for child in found:
        child.kill()
        child.wait()


def house(workspace: rig.Workspace) -> House:
    made = house_of(load(workspace.root, {}))
    return made._replace(place=Place(str(workspace.state)))


def by_hand(workspace: rig.Workspace, spawned: Spawned, *args: object, program: str = "sleeps.py") -> int:
    """Start what the service runs, as a person would: not through us."""
    command = workspace.program(program, *args)
    spawned.append(subprocess.Popen(command, cwd=workspace.root, stdout=subprocess.DEVNULL))
    return spawned[-1].pid


def seen(workspace: rig.Workspace) -> CopiesSeen:
    made = house(workspace)
    return duplicates.see_copies(made, SharedMarks(made))


def test_a_copy_started_by_hand_is_found_beside_ours(workspace: rig.Workspace, spawned: Spawned) -> None:
    """P3: 166 copies of one daemon were once healthy."""
    workspace.service("api", "sleeps.py", 1000)
    workspace.cli("bringup", "--no-guard").rc(0)
    assert seen(workspace).found == ()
    copy = by_hand(workspace, spawned, 1000)
    (found,) = rig.wait_for(lambda: seen(workspace).found)
    assert found.ours is not None and found.ours.pid == rig.wait_for(workspace.starts)[0][0]
    assert [who.pid for who in found.others] == [copy]


def test_the_same_program_elsewhere_or_with_other_words_is_no_copy(
    workspace: rig.Workspace, spawned: Spawned
) -> None:
    workspace.service("api", "sleeps.py", 1000)
    workspace.cli("bringup", "--no-guard").rc(0)
    by_hand(workspace, spawned, 1010)
    command = workspace.program("sleeps.py", 1000)
    spawned.append(subprocess.Popen(command, cwd=workspace.root.parent, stdout=subprocess.DEVNULL))
    rig.wait_for(lambda: len({p.who.pid for p in host.processes()} & {c.pid for c in spawned}) == 2)
    assert seen(workspace).found == ()


def test_two_services_that_run_the_same_are_each_one(workspace: rig.Workspace) -> None:
    for name in ("first", "second"):
        workspace.service(name, "sleeps.py", 1000)
    workspace.cli("bringup", "--no-guard").rc(0)
    assert seen(workspace).found == ()


def test_a_service_that_may_run_twice_is_not_compared(workspace: rig.Workspace, spawned: Spawned) -> None:
    workspace.service("api", "sleeps.py", 1000, more="single_instance = false")
    workspace.cli("bringup", "--no-guard").rc(0)
    by_hand(workspace, spawned, 1000)
    found = seen(workspace)
    assert (found.found, found.services) == ((), 0)


def test_one_copy_alone_is_none_and_two_without_ours_are_two(
    workspace: rig.Workspace, spawned: Spawned
) -> None:
    workspace.service("api", "sleeps.py", 1000)
    one = by_hand(workspace, spawned, 1000)
    assert seen(workspace).found == ()
    two = by_hand(workspace, spawned, 1000)
    (found,) = rig.wait_for(lambda: seen(workspace).found)
    assert found.ours is None
    assert {who.pid for who in found.others} == {one, two}


LAUNCHER = """
import subprocess, sys, time
words = sys.argv[1:]
if "inner" not in __import__("os").environ.get("ROLE", ""):
    subprocess.run([sys.executable, *sys.orig_argv[1:]], env={**__import__("os").environ, "ROLE": "inner"})
else:
    time.sleep(1000)
"""


@pytest.mark.only("posix")  # there with a real launcher: tests/windows/test_main_job.py
def test_a_launcher_and_its_interpreter_are_one(workspace: rig.Workspace, spawned: Spawned) -> None:
    """P4: on Windows every Python of a venv is two processes with one command line."""
    script = workspace.file("launch.py", LAUNCHER)
    workspace.write(f"[services.api]\ncommand = {[rig.PYTHON, str(script)]!r}\n".replace("'", '"'))
    workspace.cli("bringup", "--no-guard").rc(0)
    rig.wait_for(lambda: len(workspace.alive()) == 2)
    assert seen(workspace).found == ()
    spawned.append(subprocess.Popen([rig.PYTHON, str(script)], cwd=workspace.root))
    (found,) = rig.wait_for(lambda: seen(workspace).found)
    assert [who.pid for who in found.others] == [spawned[-1].pid], "its interpreter is not a third one"
    pid = spawned[-1].pid
    inner = rig.wait_for(lambda: [p.who.pid for p in host.processes() if p.parent == pid])
    workspace.cli("health", "--fix", "--only", "duplicates").rc(0)
    assert seen(workspace).found == ()
    assert host.identity(inner[0]) is None, "the pair ends whole"
    assert len(workspace.alive()) == 2, "and ours survives whole"

"""Every command line in every file that is generated, read as its system reads it, and really run (P14, P29, P50)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import desks
import pytest
import read_as
import rig
from invoke.parser import Parser
from read_as import Command
from seen import tree

from autosys_tasks import host, ns
from autosys_tasks.config.load import load
from autosys_tasks.schedule import look
from autosys_tasks.schedule.site import site_of
from autosys_tasks.schedule.values import PLATFORMS, Seen, Site, entries
from autosys_tasks.tasks.opening import ALSO

TOML = """
[schedule]
master = { at = "logon", delay = "0s" }
[services.api]
command = ["python", "-c", "import time; time.sleep(100)"]
"""
HERE = host.PLATFORM
RUN_HERE = ("windows",) if HERE == "windows" else PLATFORMS  # what is for POSIX has a shell in it
MODULES = ("invoke", "theirs", pytest.param("autosys_tasks.program", marks=[pytest.mark.portable, pytest.mark.live]))
THEIRS = "from invoke import task\n\n\n@task\ndef build(c):\n    print(1)\n"  # none of ours
FLAGS = {name: set(context.flags) for context in ns.to_contexts() for name in (context.name, *context.aliases)}
LOG = "scheduled.log"  # what a shell of cron opens before our program begins


@pytest.fixture(params=MODULES)
def desk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[rig.Workspace]:
    """A workspace, and a state folder, whose paths have in them what each system gives a meaning to."""
    root = tmp_path / "내 책상 R&D 100% 'x'"
    root.mkdir()
    scratch = rig.scratch_state().parent
    space = rig.Workspace(root, scratch / "상태 & 5% 'x'").write(TOML)
    (space.outputs / "logs").mkdir(parents=True)  # as registering makes them
    (space.state / "ran").mkdir(parents=True)
    if request.param == "invoke":  # as `python tasks.py` leaves it: with an environment of its own
        space.cli("init").rc(0)
        if HERE != "windows":
            (root / ".venv").symlink_to(sys.prefix)
    if request.param == "theirs":
        space.file("tasks.py", THEIRS)
    monkeypatch.setenv("AUTOSYS_STATE", str(space.state))
    yield space
    space.end_all()
    shutil.rmtree(scratch, ignore_errors=True)


def of_schedulers(space: rig.Workspace) -> Iterator[tuple[str, Command]]:
    """What each mechanism of each platform would start; a file of a kind that nobody here can read fails."""
    config = load(space.root)
    for platform in RUN_HERE:
        site = site_of(config, platform)
        for mechanism in look.mechanisms(platform):
            for file in (file for entry in entries(config) for file in mechanism.show(site, entry)):
                reader = read_as.READERS[Path(file.name).suffix]
                if reader:
                    yield f"{mechanism.NAME}: {file.name}", reader(file.text)
                elif file.name.endswith(".pyw"):
                    (space.state / file.name).write_bytes(file.data)


def of_the_editor(space: rig.Workspace) -> Iterator[tuple[str, Command]]:
    """What the menu of the editor would start, and the commands in the chain of opening the folder."""
    space.cli("vscode.sync").rc(0)
    yield from read_as.editor(tasks_json(space), str(space.root), HERE)
    for name in ALSO:
        argv = (sys.executable, "-X", "utf8", "-m", "autosys_tasks.program", name)
        yield f"on opening: {name}", Command(argv, str(space.root), {})


def tasks_json(space: rig.Workspace) -> str:
    return (space.root / ".vscode" / "tasks.json").read_text(encoding="utf-8")


def environment(made: Command) -> dict[str, str]:
    """What little a scheduler gives: nothing of a terminal, and no word on which workspace this is."""
    given = dict(os.environ) if HERE == "windows" else {"HOME": os.environ["HOME"], "PATH": "/usr/bin:/bin"}
    given.pop("AUTOSYS_STATE", None)
    return {**given, **made.env}


def test_every_command_line_runs_dry_and_changes_not_one_byte(desk: rig.Workspace) -> None:
    """As it stands in the file, with --dry-run behind it where the task has one; what has none only tells."""
    found = [*of_schedulers(desk), *of_the_editor(desk)]
    before, log = tree(desk.root, desk.state), desk.outputs / "logs" / LOG
    for name, made in found:
        task = next((word for word in made.argv if word in FLAGS), "")
        dry = ("--dry-run",) if not task or "--dry-run" in FLAGS[task] else ()
        assert dry or task.endswith(".status"), f"{name}: `{task}` has no --dry-run"
        done = subprocess.run(
            [*made.argv, *dry], cwd=made.cwd, env=environment(made), stdin=subprocess.DEVNULL, capture_output=True,
            timeout=rig.PATIENCE_S, check=False,
        )  # fmt: skip
        said = (done.stdout + done.stderr).decode("utf-8", "replace")
        if log.exists():
            said += log.read_text(encoding="utf-8")
            log.unlink()
        for note in (desk.state / "ran").iterdir():  # of its exit code, by the shell around it
            assert note.read_text(encoding="ascii") == "0\n", f"{name}: {said}"
            note.unlink()
        assert done.returncode == 0 and said.strip(), f"{name}: {made.argv} ended {done.returncode}\n{said}"
        assert tree(desk.root, desk.state) == before, f"{name} changed something"
    assert not desk.alive(), "nothing was started"
    assert {name.partition(":")[0] for name, _made in found} >= {"task scheduler", "run key", "on opening"}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_line_of_the_menu_is_understood_on_every_platform(desk: rig.Workspace, platform: str) -> None:
    """P29: the file is shared through the repository; what stands in it for another system must be right as well."""
    desk.cli("vscode.sync").rc(0)
    parser, labels = Parser(contexts=ns.to_contexts()), []
    own = ("\\.venv\\Scripts\\python.exe", "/.venv/bin/python")[platform != "windows"]
    for label, made in read_as.editor(tasks_json(desk), str(desk.root), platform):
        module = made.argv.index("-m")
        (context,) = parser.parse_argv(list(made.argv[module + 2 :]))
        assert made.argv[0] in (f"{desk.root}{own}", host.own_python()), label
        assert made.argv[1:module] == ("-X", "utf8") and context.name in FLAGS, label
        labels.append(label)
    assert len(labels) == len(set(labels)) >= 3


def test_a_registered_command_that_cannot_run_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P15: with every mechanism of this system, in what little a scheduler gives it."""
    monkeypatch.setenv("AUTOSYS_FAULT", "nothing:kill")
    (tmp_path / "tells.py").write_text("import os, sys; sys.exit(' '.join(sys.argv[1:] + [*os.environ]))", "utf-8")
    here = Site("desk-1a2b3c4d", str(tmp_path), (sys.executable, "-m", "tells"), "1", "log", state=str(tmp_path))
    for mechanism in look.mechanisms():
        told = look.refuses(here, desks.WATCHDOG, mechanism.NAME)
        assert told.startswith("its command ends 1: watchdog --dry-run ") and "AUTOSYS" not in told
        gone = here._replace(command=(sys.executable, "-m", "no_such_module"))
        assert "No module named" in look.refuses(gone, desks.WATCHDOG, mechanism.NAME)
        code = "import sys; sys.exit('config: it is gone\\n  -> inv init')"
        hints = here._replace(command=(sys.executable, "-c", code))
        assert look.refuses(hints, desks.WATCHDOG, mechanism.NAME) == "its command ends 1: config: it is gone"
        lost = here._replace(command=(str(tmp_path / "python"), "-m", "tells"))
        seen = {entry.name: Seen(entry.name, "registered", "", mechanism.NAME) for entry in desks.ENTRIES}
        seen["master"] = Seen("master", "missing")
        assert [name for name, _why in look.refusals(lost, desks.ENTRIES, seen)] == ["watchdog", "backup"]

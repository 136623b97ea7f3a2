"""From any folder, on any console, and for readers who leave: the same, and nobody is hurt."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import rig
from seen import row, unchanged


def test_the_same_from_any_folder_and_console(workspace: rig.Workspace, tmp_path: Path) -> None:
    """P35, P58, P59."""
    workspace.write('[workspace]\nname = "책상 ✓"\n').service("api", "sleeps.py", more='purpose = "한글 ✓"')
    deep = workspace.root / "a" / "b"
    deep.mkdir(parents=True)
    workspace.cli("bringup", "--no-guard", cwd=deep).rc(0)
    assert workspace.outputs.is_dir() and not (deep / "outputs").exists()
    away = {"AUTOSYS_WORKSPACE": str(workspace.root)}
    workspace.cli("ps", cwd=tmp_path, env=away).rc(0).says("한글")
    workspace.cli("ps", cwd=tmp_path).rc(2).says("autosys.toml")
    korean = {"PYTHONIOENCODING": "cp949", "PYTHONUTF8": "0"}
    argv = [sys.executable, "-m", "autosys_tasks.program", "ps"]
    env = {key: value for key, value in {**os.environ, **workspace.env(), **korean}.items() if value is not None}
    raw = subprocess.run(argv, cwd=workspace.root, env=env, capture_output=True, check=True).stdout
    assert "한글".encode("cp949") in raw and b"\\u2713" in raw
    raw = subprocess.run([*argv, "--json"], cwd=workspace.root, env=env, capture_output=True, check=True).stdout
    assert raw.isascii() and json.loads(raw)["workspace"]["name"] == "책상 ✓"
    plain = {**env, "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    subprocess.run(argv, cwd=workspace.root, env=plain, capture_output=True, check=True)


FOLDER_OF_STATE = """
import os, sys
from pathlib import Path
from autosys_tasks.bootstrap import place, tree
from autosys_tasks.config.load import load
from autosys_tasks.supervise.state import default_folder

folder = default_folder(load(Path.cwd()))
(folder / tree.FOLDER).mkdir(parents=True, exist_ok=True)
(folder / tree.FOLDER / "good.json").touch()
assert place.state_folder() == str(folder)
sys.stdout.buffer.write(os.fsencode(folder))
"""


@pytest.mark.only("posix")
def test_in_another_locale_it_is_the_same_workspace(tmp_path: Path) -> None:
    """Whoever starts it there (cron, a console without UTF-8) must not take what runs for nobody's."""
    folder = tmp_path / "책상"
    folder.mkdir()
    (folder / "autosys.toml").touch()
    kept = {key: value for key, value in os.environ.items() if key not in ("AUTOSYS_STATE", "AUTOSYS_WORKSPACE")}
    kept |= {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    narrow = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    found = {
        subprocess.run(
            [sys.executable, "-c", FOLDER_OF_STATE], cwd=folder, env={**kept, **more}, capture_output=True, check=True
        ).stdout
        for more in ({"PYTHONUTF8": "1"}, {**narrow, "PYTHONUTF8": "0"})
    }
    assert len(found) == 1 and "책상-".encode() in found.pop()


@pytest.mark.only("posix")
def test_a_reader_that_leaves_and_a_console_that_is_closed_hurt_nobody(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py")
    workspace.cli("bringup", "--no-guard").rc(0)
    env = {key: value for key, value in {**os.environ, **workspace.env()}.items() if value is not None}
    for closing in ("| head -c 1", ">&- 2>&-", "> /dev/full"):
        script = f'"$0" -m autosys_tasks.program ps {closing}; exit 0'
        done = subprocess.run(
            ["sh", "-c", script, sys.executable],
            cwd=workspace.root,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr and "Exception" not in done.stderr, done.stderr
    dry = ["sh", "-c", '"$0" -m autosys_tasks.program down --dry-run >&- 2>&-', sys.executable]
    unchanged(workspace, lambda: subprocess.run(dry, cwd=workspace.root, env=env, check=True))


@pytest.mark.only("posix")
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_what_cannot_be_said_is_named_and_the_work_is_done(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py")
    for more in ("", " --json"):
        script = f'"$0" -m autosys_tasks.program bringup --no-guard{more} >/dev/full'
        rig.start(["sh", "-c", script, sys.executable], cwd=workspace.root, env=workspace.env()).result().rc(1).says(
            "cannot write `stdout`"
        )
    assert row(workspace, "api")["state"] == "ready"


@pytest.mark.only("posix")
@pytest.mark.parametrize("args", [["--list"], ["bringup", "--help"], ["config"], ["ps", "--json"]])
def test_a_reader_who_leaves_hurts_nobody(workspace: rig.Workspace, args: list[str]) -> None:
    """`autosys --list | head -1`: what Invoke prints by itself, too."""
    workspace.service("api", "sleeps.py")
    reads, writes = os.pipe()
    os.close(reads)
    argv, env = [sys.executable, "-m", "autosys_tasks.program", *args], {**os.environ, **workspace.env()}
    env = {name: value for name, value in env.items() if value is not None}
    try:
        done = subprocess.run(argv, cwd=workspace.root, env=env, stdout=writes, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(writes)
    assert (done.returncode, done.stderr) == (0, b"")

"""Poetry and PDM themselves, on projects whose packages lie beside them: nothing of it asks the network."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import NamedTuple

import pytest
from upgrade_desk import Desk, wheel

from autosys_tasks.upgrade import build

pytestmark = [pytest.mark.only("posix"), pytest.mark.live]


class Tool(NamedTuple):
    """One that writes a lock, and what a project of its own looks like; `{}` is the version wanted."""

    lock: str
    project: str
    words: tuple[str, ...]  # what writes the lock


TOOLS = {
    "poetry": Tool(
        "poetry.lock",
        '[project]\nname = "web"\nversion = "0.1"\nrequires-python = ">=3.11"\ndependencies = []\n'
        "[tool.poetry]\npackage-mode = false\n"
        '[tool.poetry.dependencies]\ntiny = { path = "wheels/tiny-{}-py3-none-any.whl" }\n',
        ("lock", "--no-interaction"),
    ),
    "pdm": Tool(
        "pdm.lock",
        '[project]\nname = "web"\nversion = "0.1"\nrequires-python = ">=3.11"\n'
        'dependencies = ["tiny @ file:///${PROJECT_ROOT}/wheels/tiny-{}-py3-none-any.whl"]\n'
        "[tool.pdm]\ndistribution = false\n",
        ("lock",),
    ),
}


def locked(desk: Desk, name: str, version: str) -> None:
    """Have the tool itself write the lock for this version."""
    tool = TOOLS[name]
    desk.space.file("pyproject.toml", tool.project.replace("{}", version))
    program = shutil.which(name)
    assert program
    env = {**os.environ, "PDM_USE_VENV": "0"}  # else it makes an environment of its own
    done = subprocess.run([program, *tool.words], cwd=desk.root, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.capability(name)) for name in TOOLS])
def test_what_a_lock_says_is_installed_anew_when_it_changes_and_a_broken_one_is_told(desk: Desk, name: str) -> None:
    for version in ("1.0", "2.0"):
        wheel(desk.root / "wheels", "tiny", version)
    tools = build.found_tools(os.environ["PATH"], str(desk.root))
    locked(desk, name, "1.0")
    report = desk.upgrade(tools=tools)
    assert report.code == 0, report
    assert desk.version() == "1.0" and desk.planned() == []
    log = (desk.space.outputs / "logs" / "upgrade-main.log").read_text(encoding="utf-8")
    assert f"/{name} " in log, "it was that tool which installed"
    locked(desk, name, "2.0")
    assert desk.upgrade(tools=tools).code == 0
    assert desk.version() == "2.0" and desk.planned() == []
    lock = desk.root / TOOLS[name].lock
    whole = lock.read_text(encoding="utf-8")
    desk.space.file(TOOLS[name].lock, f"{whole}\n[[package]\nname = \n")
    report = desk.upgrade(tools=tools)
    assert report.code == 3 and desk.version() == "2.0"
    assert f"line {whole.count(chr(10)) + 2}," in report.outcomes[0].detail
    lock.write_text(whole, encoding="utf-8")
    assert desk.planned() == []

"""What commands, npm and yarn install; what fails leaves what was made."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

import pytest
import rig
from serving import up
from upgrade_desk import Desk

from autosys_tasks import host
from autosys_tasks.core.errors import Busy
from autosys_tasks.supervise import run_lock, runs
from autosys_tasks.upgrade import build, stamps

pytestmark = pytest.mark.only("posix")


# --- any command ------------------------------------------------------------------------------------------

MAKE = """
import pathlib, sys
tries = pathlib.Path("tries")
tries.write_text(tries.read_text() + "x" if tries.exists() else "x")
wish = pathlib.Path("wish").read_text().strip()
pathlib.Path("made").mkdir(exist_ok=True)
pathlib.Path("made/it").write_text(wish)
pathlib.Path("made/utf8").write_text(str(sys.flags.utf8_mode))
if wish == "held" and len(tries.read_text()) < 3:
    sys.exit("[WinError 32] the process cannot access the file")
sys.exit(wish == "broken" and "고장" or 0)
"""


@pytest.fixture
def maker(desk: Desk) -> Desk:
    """A workspace whose one environment is made by a command of its own."""
    desk.space.file("make.py", MAKE)
    desk.space.file("wish", "good")
    install = json.dumps([rig.PYTHON, "make.py"])
    desk.space.write(
        f'[environments.tool]\nkind = "command"\nmanifests = ["wish"]\ninstall = {install}\noutputs = ["made/"]\n'
    )
    return desk


def test_one_environment_that_cannot_be_put_back_stops_no_other(maker: Desk) -> None:
    also = '[environments.also]\nkind = "command"\nmanifests = ["hope"]\ninstall = ["true"]\noutputs = ["hope"]\n'
    with (maker.root / "autosys.toml").open("a", encoding="utf-8") as file:
        file.write(also)
    maker.space.file("hope", "good")
    assert maker.upgrade().code == 0
    maker.space.file("wish", "good better")
    maker.space.cli("upgrade", "--only", "tool", env={"AUTOSYS_FAULT": "upgrade.after-install:kill"}).rc(-9)
    kept = maker.root / ".venvs" / "before-tool.new" / "0"
    kept.rename(maker.root / "away")
    maker.space.file("hope", "good too")
    report = maker.upgrade()
    assert report.code == 3 and [(each.step.target, each.ok) for each in report.outcomes] == [
        ("tool", False), ("also", True),
    ]  # fmt: skip
    assert "could not be put back: No such file" in report.outcomes[0].detail
    (maker.root / "away").rename(kept)
    assert maker.upgrade().code == 0 and maker.planned() == []


def test_a_copy_of_a_manifest_among_what_the_command_makes_is_none(desk: Desk) -> None:
    """Interface 4: an environment whose manifests all vanished installs nothing and is a WARN."""
    install = json.dumps([rig.PYTHON, "-c", "import os, shutil; os.makedirs('v/in'); shutil.copy('deps', 'v/in')"])
    table = '[environments.tool]\nkind = "command"\npath = "v"\nmanifests = ["deps", "**/deps"]\noutputs = ["v/in/"]\n'
    desk.space.write(f"{table}install = {install}\n")
    desk.space.file("deps", "a")
    assert desk.upgrade().code == 0 and desk.planned() == []
    (desk.root / "deps").unlink()
    assert desk.planned() == []
    page = desk.space.cli("health", "--only", "environment.tool", "--json").rc(0).json()["checks"]
    assert page[0]["verdict"] == "WARN" and "none of its manifests" in page[0]["why"]  # type: ignore[index, call-overload]


def test_what_was_blocked_for_want_of_an_environment_starts_when_that_is_there(maker: Desk) -> None:
    """A new clone: brought up before its first upgrade."""
    code = "import pathlib, time; print(pathlib.Path('made/it').read_text(), flush=True); time.sleep(200)"
    settings = (maker.root / "autosys.toml").read_text(encoding="utf-8") + "[watchdog]\nretries = 0\n"
    command = json.dumps([rig.PYTHON, "-c", code])
    maker.space.write(
        f'{settings}[services.api]\ncommand = {command}\nenvironment = "tool"\nreadiness.log = "good"\n'
    )
    assert up(maker).decisions["api"].state == "blocked"
    assert maker.upgrade().code == 0
    report = runs.tick(maker.house())
    assert "api" not in report.not_so and report.decisions["api"].state == "ready"


def test_a_command_makes_what_it_makes_and_its_failure_leaves_what_was_made(maker: Desk) -> None:
    assert maker.upgrade().code == 0 and maker.planned() == []
    assert (maker.root / "made/utf8").read_text() == "1", "P47: whatever the code page"
    shutil.rmtree(maker.root / "made")
    assert maker.planned() == [("install", "tool")], "what it makes is gone"
    assert maker.upgrade().code == 0
    maker.space.file("wish", "broken")
    report = maker.upgrade()
    assert report.code == 3 and "고장" in report.outcomes[0].detail
    assert (maker.root / "made/it").read_text(encoding="utf-8") == "good"
    maker.space.file("wish", "good")
    assert maker.planned() == [], "stamps are content: back as it was is as it was"


def test_a_file_that_somebody_holds_is_tried_again(maker: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """uv and pip end with WinError 5 or 32 while a scanner or a language server looks at a file."""
    from autosys_tasks.upgrade import running

    monkeypatch.setattr(running, "PAUSE_S", 0.01)
    maker.space.file("wish", "held")
    assert maker.upgrade().code == 0
    assert (maker.root / "tries").read_text() == "xxx"


def test_a_command_that_hangs_is_ended_with_all_it_started(maker: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from autosys_tasks.upgrade import act

    monkeypatch.setattr(act, "LIMIT_S", 1.0)
    maker.space.file(
        "make.py", "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(99)'])"
    )
    began = time.monotonic()
    report = maker.upgrade()
    assert report.code == 3 and "did not end" in report.outcomes[0].detail
    assert time.monotonic() - began < 50, "half of what it hangs"
    assert not [each for each in rig.processes_with("CI", "1") if str(maker.root) in each.cwd()]


def test_one_upgrade_at_a_time(maker: Desk) -> None:
    place = maker.house().place
    with run_lock.held(place, "upgrade", wait_s=0.0, lock=run_lock.UPGRADES):
        maker.space.cli("upgrade").rc(11).says("upgrade", "is at work")
    lock = host.take_lock(f"{stamps.folder(place)}/installing.lock") if Path(stamps.folder(place)).exists() else None
    if lock is None:
        maker.upgrade()
        lock = host.take_lock(f"{stamps.folder(place)}/installing.lock")
    assert lock is not None
    with pytest.raises(Busy, match="goes on"):
        maker.upgrade()
    lock.release()
    assert maker.upgrade().code == 0


# --- Node -------------------------------------------------------------------------------------------------


@pytest.fixture
def web(desk: Desk) -> Desk:
    """A Node project with one package that lies beside it."""
    desk.space.write('[environments.web]\nkind = "node"\npath = "web"\n')
    node(desk, "1.0.0")
    return desk


def node(desk: Desk, version: str, *, lock: bool = True) -> None:
    package = {"name": "web", "version": "0.0.1", "dependencies": {"left": "file:../left"}}
    entry = {"version": version, "resolved": "../left", "link": True}
    packages = {"": package, "../left": {"name": "left", "version": version}, "node_modules/left": entry}
    desk.space.file("left/package.json", json.dumps({"name": "left", "version": version}))
    desk.space.file("web/package.json", json.dumps(package))
    if lock:
        whole = {"name": "web", "version": "0.0.1", "lockfileVersion": 3, "requires": True, "packages": packages}
        desk.space.file("web/package-lock.json", json.dumps(whole))


@pytest.mark.capability("npm")
def test_npm_installs_what_its_lock_says_and_a_failure_brings_node_modules_back(web: Desk) -> None:
    assert web.upgrade().code == 0
    linked = web.root / "web/node_modules/left/package.json"
    assert linked.exists() and web.planned() == []
    log = (web.space.outputs / "logs" / "upgrade-web.log").read_text(encoding="utf-8")
    assert "npm" in log and " ci " in log
    package = json.loads((web.root / "web/package.json").read_text(encoding="utf-8"))
    web.space.file("web/package.json", json.dumps({**package, "version": "0.0.2", "scripts": {"x": "y"}}))
    assert web.planned() == [], "P44: no dependency was touched"
    web.space.file("web/node_modules/ours.txt", "kept")
    web.space.file("web/package.json", json.dumps({**package, "dependencies": {"right": "file:../right"}}))
    report = web.upgrade()
    assert report.code == 3, "its lock was not committed with it"
    assert (web.root / "web/node_modules/ours.txt").exists() and linked.exists()


@pytest.mark.capability("npm")
def test_npm_without_a_lock_installs_and_writes_none(web: Desk) -> None:
    (web.root / "web/package-lock.json").unlink()
    assert web.upgrade().code == 0
    assert (web.root / "web/node_modules/left").exists() and not (web.root / "web/package-lock.json").exists()
    assert web.planned() == []


@pytest.mark.capability("npm")
def test_a_package_that_was_taken_out_of_node_modules_is_missed_and_comes_back(web: Desk) -> None:
    web.upgrade()
    (web.root / "web/node_modules/left").unlink()
    (check,) = web.space.cli("health", "--json", "--only", "environment.web").rc(3).json()["checks"]  # type: ignore[misc]
    assert "not in" in check["why"] and check["why"].endswith(": left")
    assert web.planned() == [("install", "web")]
    assert web.upgrade().code == 0 and web.planned() == []
    web.space.cli("health", "--only", "environment.web").rc(0)


def test_a_node_project_that_asks_for_nothing_has_nothing_to_miss(web: Desk) -> None:
    web.space.file("web/package.json", json.dumps({"name": "web", "scripts": {"x": "y"}}))
    lock = {"name": "web", "lockfileVersion": 3, "requires": True, "packages": {"": {"name": "web"}}}
    web.space.file("web/package-lock.json", json.dumps(lock))
    web.space.cli("health", "--only", "environment.web").rc(0)
    assert web.upgrade().code == 0 and web.planned() == []


YARN = """#!/bin/sh
[ "$*" = "install --immutable" ] && [ ! -e broken ] && echo made > .pnp.cjs && exit 0
echo half > .pnp.cjs
exit 1
"""


def test_a_map_of_yarn_stands_in_the_place_of_node_modules_and_comes_back(web: Desk) -> None:
    yarn = web.space.file("yarn", YARN)
    yarn.chmod(0o755)
    tools = web.tools._replace(yarn=str(yarn))
    (web.root / "web/package-lock.json").unlink()
    web.space.file("web/yarn.lock", "__metadata:\n  version: 8\n")
    web.space.cli("health", "--only", "environment.web").rc(3).says("there is no folder")
    assert web.upgrade(tools=tools).code == 0
    web.space.cli("health", "--only", "environment.web").rc(0)
    assert web.planned() == []
    web.space.file("web/yarn.lock", "__metadata:\n  version: 9\n")
    web.space.file("web/broken", "")
    assert web.upgrade(tools=tools).code == 3
    assert (web.root / "web/.pnp.cjs").read_text(encoding="utf-8") == "made\n"


def test_a_manager_that_is_not_there_is_said(web: Desk) -> None:
    report = web.upgrade(tools=web.tools._replace(npm=""))
    assert report.code == 3 and "`npm` is not installed" in report.outcomes[0].detail


# --- copies -----------------------------------------------------------------------------------------------


def test_paths_of_editable_installs_can_be_read_under_any_code_page(tmp_path: Path) -> None:
    site = tmp_path / ("Lib" if sys.platform == "win32" else "lib/python3.11") / "site-packages"
    site.mkdir(parents=True)
    path = site / "_editable.pth"
    path.write_text("/home/책상/src\nimport os\n", encoding="utf-8")
    build.readable_paths(str(tmp_path))
    added, other = path.read_bytes().decode("ascii").splitlines()
    before = list(sys.path)
    try:
        exec(added)  # as Python does with what a .pth file says
        assert sys.path == [*before, "/home/책상/src"] and other == "import os"
    finally:
        sys.path[:] = before

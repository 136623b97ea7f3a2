"""Installs into a person's own environment: changed where it is, and put back when it fails or is killed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import rig
from serving import pid, remembered, serves, up
from upgrade_desk import Desk, tree, wheel, without_uv

from autosys_tasks import host
from autosys_tasks.core.errors import UsageError
from autosys_tasks.core.journal import FILES, last_run
from autosys_tasks.upgrade import rollback, run, show, tick

pytestmark = pytest.mark.only("posix")


def test_the_person_s_own_environment_is_changed_where_it_is_and_put_back_when_its_smoke_fails(desk: Desk) -> None:
    desk.wheels("1.0", "2.0")
    smoke = "import tiny; assert tiny.VERSION == '1.0'"
    desk.space.write(f'[environments.main]\nsmoke = ["python", "-c", {json.dumps(smoke)}]\n')
    desk.venv()
    desk.wants("tiny==1.0")
    assert desk.upgrade().code == 0 and host.pointed(str(desk.root / ".venv")) is None
    before = tree(desk.root / ".venv")
    desk.wants("tiny==2.0")
    report = desk.upgrade()
    assert report.code == 3 and "AssertionError" in report.outcomes[0].detail
    assert tree(desk.root / ".venv") == before, "to the byte"
    assert desk.planned() == [("install", "main")]


def test_a_broken_package_leaves_the_environment_and_what_runs_in_it_as_they_were(desk: Desk) -> None:
    desk.wheels("1.0")
    broken = desk.root / "wheels" / "tiny-2.0-py3-none-any.whl"
    broken.write_bytes((desk.root / "wheels" / "tiny-1.0-py3-none-any.whl").read_bytes()[:-200])
    desk.venv()
    desk.wants("tiny==1.0")
    serves(desk, "api")
    desk.upgrade()
    up(desk)
    before = tree(desk.root / ".venv")
    desk.wants("tiny==2.0")
    report = desk.upgrade()
    assert report.code == 3 and report.outcomes[1].ok, report
    assert tree(desk.root / ".venv") == before and pid(desk, "api") is not None


@pytest.mark.parametrize("path", ["src", "."])
def test_a_folder_of_other_things_is_never_taken_for_an_environment(desk: Desk, path: str) -> None:
    desk.space.write(f'[environments.main]\npath = "{path}"\n')
    desk.space.file("src/precious.py", "x = 1\n")
    desk.wants()
    seen = run.planned(desk.house())
    assert seen.plan.steps == () and "holds" in seen.plan.notes[0] and "environments.main.path" in seen.plan.notes[0]
    assert "NG main: stale: " in show.status_lines(seen.facts)[0] and desk.planned(force=True) == []
    report = desk.upgrade()
    assert report.code == 3 and not report.outcomes and "is no virtual environment" in report.stale[0], report
    assert (desk.root / "src" / "precious.py").read_text() == "x = 1\n"
    assert not (desk.root / ".venvs").exists(), "nothing was even copied"


def test_going_back_restores_the_person_s_own_environment(desk: Desk) -> None:
    desk.wheels("1.0", "2.0")
    desk.venv()
    for version in ("1.0", "2.0"):
        desk.wants(f"tiny=={version}")
        assert desk.upgrade().code == 0
    assert rollback.roll_back(desk.house()).code == 0
    assert desk.version() == "1.0"
    with pytest.raises(UsageError):
        rollback.roll_back(desk.house())


def test_a_conflict_that_was_there_before_is_no_failure_and_a_new_one_is(desk: Desk) -> None:
    desk.wheels("1.0", needs=["absent>=1"])
    desk.venv()
    argv = [desk.tools.uv, "pip", "install", "-q", "--no-deps", "--python", host.python_in(str(desk.root / ".venv"))]
    subprocess.run([*argv, str(desk.root / "wheels" / "tiny-1.0-py3-none-any.whl")], check=True, cwd=desk.root)
    desk.wheels("1.0", name="other")
    desk.wants("other==1.0")
    assert desk.upgrade().code == 0, "tiny lacked `absent` before"
    desk.wheels("0.5", name="absent")
    desk.wants("other==1.0", "absent")
    report = desk.upgrade()
    assert report.code == 3 and "does not fit together" in report.outcomes[0].detail
    assert desk.version("absent") == "" and desk.version("other") == "1.0"


STOPS = """
import pathlib, subprocess, sys
subprocess.run([sys.argv[1], "-m", "autosys_tasks.program", "down", "api"], check=True)
sys.exit(pathlib.Path("bad").exists())
"""


@pytest.mark.parametrize("ends", ["well", "badly"])
def test_what_a_person_stops_while_an_upgrade_is_at_work_stays_stopped(desk: Desk, ends: str) -> None:
    """A person's wish that came in between is not overruled at the end."""
    desk.space.file("stops.py", STOPS)
    smoke = json.dumps([rig.PYTHON, "stops.py", sys.executable])
    desk.space.write(f"[environments.main]\nsmoke = {smoke}\n")
    desk.venv()
    desk.wheels("1.0", "2.0")
    desk.wants("tiny==1.0")
    serves(desk, "api")
    desk.upgrade()
    up(desk)
    desk.wants("tiny==2.0")
    if ends == "badly":
        desk.space.file("bad")
    report = desk.upgrade()
    assert [each.ok for each in report.outcomes] == [ends == "well", None], report
    assert "a person stopped it" in report.outcomes[1].detail and pid(desk, "api") is None


def test_an_upgrade_that_was_killed_in_the_middle_is_put_back_and_done_again(desk: Desk) -> None:
    desk.wheels("1.0", "2.0")
    desk.venv()
    desk.wants("tiny==1.0")
    desk.upgrade()
    desk.wants("tiny==2.0")
    desk.space.cli("upgrade", env={"AUTOSYS_FAULT": "upgrade.after-install:kill"})
    assert remembered(desk).pending is not None and desk.version() == "2.0"
    todo = desk.space.cli("upgrade", "--dry-run", "--explain").rc(0)
    todo.says("the last upgrade was cut short")
    report = desk.upgrade()
    assert report.code == 0 and "had been cut short" in report.notes[0]
    assert desk.version() == "2.0" and remembered(desk).pending is None


def killed(desk: Desk, whose: str, point: str, toml: str = "") -> int:
    """An upgrade, of whose environment, that is killed at that point; the pid of the service that ran in it."""
    desk.wheels("1.0", "2.0")
    if whose == "the person's":
        desk.venv()
    desk.wants("tiny==1.0")
    assert desk.upgrade().code == 0
    serves(desk, "api")
    with (desk.root / "autosys.toml").open("a", encoding="utf-8") as file:
        file.write(toml)
    up(desk)
    first = pid(desk, "api")
    assert first
    desk.wants("tiny==2.0")
    desk.space.cli("upgrade", env={"AUTOSYS_FAULT": f"{point}:kill"}).rc(-9)
    return first


@pytest.mark.parametrize(
    ("whose", "point"),
    [
        ("the person's", "upgrade.after-save"),
        pytest.param("the person's", "upgrade.before-install", marks=pytest.mark.live),
        pytest.param("ours", "upgrade.after-install", marks=pytest.mark.live),
        ("ours", "upgrade.after-switch"),
    ],
)
def test_ticks_alone_make_it_right_when_an_upgrade_is_killed_at_any_point(desk: Desk, whose: str, point: str) -> None:
    """The service that was stopped for it is up again, and with what the list asks for: nobody has to type a word."""
    first = killed(desk, whose, point, "[watchdog]\nguard = false\n")

    def is_right() -> bool:
        desk.space.cli("watchdog").rc(0, 3)
        done = remembered(desk).pending is None and not desk.planned() and desk.version() == "2.0"
        return done and pid(desk, "api") not in (None, first)

    rig.wait_for(is_right, 60.0, what="ticks to finish what was cut short", every_s=0.5)
    log = (desk.root / "outputs" / "logs" / "api.log").read_text(encoding="utf-8")
    assert log.strip().splitlines()[-1] == "ready 2.0"
    desk.space.cli("watchdog").rc(0)


@pytest.mark.parametrize("whose", ["ours", "the person's"])
def test_a_killed_upgrade_or_way_back_is_ended_by_the_next_upgrade_with_what_runs_in_it(desk: Desk, whose: str) -> None:
    """No tick and no guard: the next `inv upgrade` alone starts again what the killed one had stopped."""
    killed(desk, whose, "upgrade.after-switch" if whose == "ours" else "upgrade.after-install")
    assert pid(desk, "api") is None and desk.planned() == [("install", "main"), ("restart", "api")]
    assert desk.upgrade().code == 0 and desk.version() == "2.0" and pid(desk, "api")

    desk.space.cli("upgrade.rollback", env={"AUTOSYS_FAULT": "upgrade.after-switch:kill"}).rc(-9)
    assert pid(desk, "api") is None
    desk.space.cli("health", "--only", "upgrade").rc(3).says("cut short")
    report = desk.upgrade()
    assert report.code == 0 and ("restart", "api") in [(each.step.kind, each.step.target) for each in report.outcomes]
    assert desk.version() == "1.0" and pid(desk, "api") and desk.planned() == [], "gone back, as it was asked for"
    log = (desk.root / "outputs" / "logs" / "api.log").read_text(encoding="utf-8")
    assert log.strip().splitlines()[-1] == "ready 1.0"


def test_a_way_back_that_could_stop_nobody_is_not_gone_by_the_next_upgrade(desk: Desk) -> None:
    desk.wheels("1.0", "2.0")
    for version in ("1.0", "2.0"):
        desk.wants(f"tiny=={version}")
        assert desk.upgrade().code == 0
    serves(desk, "api")
    up(desk)
    desk.space.cli("upgrade.rollback", env={"AUTOSYS_FAULT": "supervise.after-stop:raise"}).rc(1)
    record = remembered(desk)
    assert (record.pending, record.refused) == (None, "") and record.before and pid(desk, "api")
    told = last_run(desk.root / "outputs" / FILES["upgrade"], "upgrade.rollback")
    assert told.get("ok") is False and "supervise.after-stop" in str(told.get("detail")), "each run has its last line"
    assert desk.upgrade().code == 0 and desk.version() == "2.0"
    desk.space.cli("upgrade.rollback").rc(0)
    assert desk.version() == "1.0"


def test_a_killed_install_is_made_anew_where_what_was_kept_is_gone(desk: Desk) -> None:
    """Nothing can be put back then, and nobody says that it was: not even where the files ask for the same."""
    desk.wheels("1.0")
    desk.venv()
    desk.wants("tiny==1.0")
    assert desk.upgrade().code == 0
    desk.space.cli("upgrade", "--force", env={"AUTOSYS_FAULT": "upgrade.before-install:kill"}).rc(-9)
    for left in list((desk.root / ".venv").rglob("tiny*")):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    shutil.rmtree(desk.root / ".venvs")
    report = desk.upgrade()
    assert report.code == 0 and desk.version() == "1.0", report
    assert "what was kept of it is gone" in str(report.notes) and "put back" not in str(report.notes)


def test_a_lock_that_nobody_could_read_stays_a_warning(desk: Desk) -> None:
    """Made without what its lock asks for, an environment works, and is not what the files say."""
    desk.space.file("pyproject.toml", '[project]\nname = "x"\nversion = "1"\ndependencies = []\n')
    desk.space.file("uv.lock", 'version = 1\nrequires-python = ">=3.11"\n')
    desk.venv()
    assert desk.upgrade(tools=without_uv(desk)).code == 0 and desk.planned() == []
    (check,) = desk.space.cli("health", "--json", "--only", "upgrade").rc(0).json()["checks"]  # type: ignore[misc]
    assert check["verdict"] == "WARN" and "not those of the lock" in check["why"]
    assert "not those of the lock" in desk.space.cli("upgrade").rc(0).out, "each upgrade says it"
    assert desk.planned() == []


def test_where_nothing_is_kept_any_more_nobody_says_that_there_is_a_way_back(desk: Desk) -> None:
    desk.wheels("1.0", "2.0")
    for version in ("1.0", "2.0"):
        desk.wants(f"tiny=={version}")
        desk.upgrade()
    before = remembered(desk).before
    assert before is not None
    shutil.rmtree(before.path)
    with pytest.raises(UsageError, match="no environment to go back to"):
        rollback.roll_back(desk.house())
    assert desk.version() == "2.0"


def test_going_back_from_the_first_upgrade_is_no_green_and_the_next_change_is_installed(desk: Desk) -> None:
    desk.wheels("1.0", "2.0")
    desk.venv()
    desk.wants("tiny==1.0")
    desk.upgrade()
    assert rollback.roll_back(desk.house()).code == 0 and desk.version() == ""
    (check,) = desk.space.cli("health", "--json", "--only", "upgrade").rc(0).json()["checks"]  # type: ignore[misc]
    assert check["verdict"] == "WARN" and "rolled it back" in check["why"]
    desk.wants("tiny==2.0")
    assert desk.planned() == [("install", "main")]
    assert "main" in tick.why_due(desk.house()), "and a tick sees it"


@pytest.mark.parametrize("point", ["upgrade.after-save", "upgrade.before-install", "upgrade.after-install"])
def test_a_full_disk_at_any_point_leaves_what_was_there(
    desk: Desk, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autosys_tasks.core import faults

    desk.wheels("1.0", "2.0")
    desk.venv()
    desk.wants("tiny==1.0")
    desk.upgrade()
    desk.wants("tiny==2.0")
    monkeypatch.setattr(faults, "_passes", {})
    monkeypatch.setenv("AUTOSYS_FAULT", f"{point}:enospc")
    report = desk.upgrade()
    monkeypatch.delenv("AUTOSYS_FAULT")
    assert report.code == 3 and "No space left" in report.outcomes[0].detail
    assert desk.version() == "1.0" and desk.planned() == [("install", "main")]


def test_what_a_killed_upgrade_had_begun_to_keep_goes_with_the_next_one(desk: Desk) -> None:
    desk.wheels("1.0", "2.0")
    desk.venv()
    desk.wants("tiny==1.0")
    desk.upgrade()
    desk.wants("tiny==2.0")
    desk.space.cli("upgrade", env={"AUTOSYS_FAULT": "upgrade.after-save:kill"}).rc(-9)
    assert {path.name for path in (desk.root / ".venvs").glob("before-*")} == {"before-main", "before-main.new"}
    desk.wants("tiny==1.0")
    assert desk.planned() == [] and desk.upgrade().code == 0
    assert {path.name for path in (desk.root / ".venvs").glob("before-*")} == {"before-main"}, "and the way back stays"


def test_pip_installs_where_there_is_no_uv_and_reads_hangul(desk: Desk) -> None:
    """P47: pip reads a list in the system's code page unless it is told better."""
    import pip

    desk.wheels("1.0", "2.0")
    site = next(path for path in desk.venv().rglob("site-packages"))
    shutil.copytree(Path(pip.__file__).parent, site / "pip")
    desk.wants("# 한국어 주석", "tiny==1.0")
    report = desk.upgrade(tools=without_uv(desk))
    assert report.code == 0, report
    assert desk.version() == "1.0"
    log = (desk.space.outputs / "logs" / "upgrade-main.log").read_text(encoding="utf-8", errors="replace")
    assert " -m pip install " in log


UV_PROJECT = """
[project]
name = "desk"
version = "0.1"
requires-python = ">=3.11"
dependencies = ["tiny"]
[tool.uv]
no-index = true
find-links = ["./wheels"]
"""


def test_a_project_gets_what_its_lock_says(desk: Desk) -> None:
    desk.wheels("1.0")
    desk.space.file("pyproject.toml", UV_PROJECT)
    subprocess.run([desk.tools.uv, "lock", "--quiet"], cwd=desk.root, check=True)
    desk.wheels("2.0")
    report = desk.upgrade()
    assert report.code == 0 and desk.version() == "1.0", "as locked"
    assert not list((desk.space.outputs / "logs").glob("*.exported"))
    subprocess.run([desk.tools.uv, "lock", "--quiet", "--upgrade"], cwd=desk.root, check=True)
    assert desk.planned() == [("install", "main")]
    assert desk.upgrade().code == 0 and desk.version() == "2.0"


def test_the_environment_that_autosys_runs_in_is_upgraded_and_comes_back_when_that_breaks_autosys(desk: Desk) -> None:
    """P48 in small: an install that breaks the very program that installs is taken back by it."""
    venv = desk.venv()
    site = next(path for path in venv.rglob("site-packages"))
    import pip

    ours = [str(rig.REPOSITORY), str(Path(pip.__file__).parent.parent)]
    (site / "_ours.pth").write_text("".join(f"import sys; sys.path.append({path!a})\n" for path in ours), "ascii")
    desk.wheels("1.0")
    desk.wants("tiny==1.0")
    argv = [host.python_in(str(venv)), "-m", "autosys_tasks.program", "upgrade"]
    env = {**desk.space.env(), "PATH": os.pathsep.join([str(Path(desk.tools.uv).parent), os.environ["PATH"]])}
    rig.start(argv, cwd=desk.root, env=env).result().rc(0)
    assert desk.version() == "1.0" and host.pointed(str(venv)) is None
    wheel(desk.root / "wheels", "invoke", "99.0", body="raise ImportError('새 판은 망가졌다')\n")
    desk.wants("tiny==1.0", "invoke==99.0")
    rig.start(argv, cwd=desk.root, env=env).result().rc(3).says("autosys_tasks.program --version")
    rig.start([*argv[:-1], "--version"], cwd=desk.root, env=env).result().rc(0)

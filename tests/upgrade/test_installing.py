"""Real installs of tiny packages by uv, pip and npm; what fails leaves the environment as it was."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import rig
from upgrade_desk import Desk, tree, wheel, without_uv

from autosys_tasks import host
from autosys_tasks.core.errors import Busy, UsageError
from autosys_tasks.supervise import runs, turnstile
from autosys_tasks.upgrade import back, notice, stamps, ways
from autosys_tasks.upgrade.stamps import read_record
from autosys_tasks.upgrade.values import Record

pytestmark = pytest.mark.only("posix")

SERVER = "import tiny, time; print('ready', tiny.VERSION, flush=True); time.sleep(200)"
SERVICE = f"""
[services.NAME]
command = ["python", "-c", {json.dumps(SERVER)}]
ENVIRONMENT
restart = "never"
stop_timeout_s = 1
[services.NAME.readiness]
log = "ready"
start_timeout_s = 5
"""


def serves(desk: Desk, name: str, environment: str = 'environment = "main"') -> None:
    """A service that is ready when it has imported the package."""
    path = desk.root / "autosys.toml"
    text = SERVICE.replace("NAME", name).replace("ENVIRONMENT", environment)
    desk.space.write(path.read_text(encoding="utf-8") + text)


def pid(desk: Desk, name: str) -> int | None:
    """Of the service, when it lives and is ready."""
    from autosys_tasks.supervise.state import read_record as record_of

    found, _corrupt = record_of(desk.house().place, name)
    lives = found is not None and found.leader is not None and host.alive(found.leader)
    return found.pid if lives and found else None


def up(desk: Desk) -> None:
    runs.bring_up(desk.house(), (), wanted_only=False, guard=False, timeout_s=20)


def remembered(desk: Desk, name: str = "main") -> Record:
    return read_record(desk.house().place, name)


# --- environments of ours ---------------------------------------------------------------------------------


def test_an_environment_that_is_not_there_is_made_and_then_nothing_is_left_to_do(desk: Desk) -> None:
    """P47: the list has a comment in Korean. The law: planned again after acting, there is nothing to do."""
    desk.wheels("1.0")
    desk.wants("# 한국어 주석", "tiny==1.0")
    assert desk.planned() == [("install", "main")]
    report = desk.upgrade()
    assert report.code == 0, report
    assert host.pointed(str(desk.root / ".venv")), "built beside as `.venvs/<hash>`, and switched"
    assert desk.version() == "1.0"
    assert desk.planned() == []
    assert desk.upgrade().outcomes == ()
    journal = (desk.space.outputs / "auto_upgrade_log.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in journal] == ["install", "summary", "summary"]


def test_a_changed_list_switches_and_restarts_only_what_runs_in_it(desk: Desk) -> None:
    desk.wheels("1.0", "2.0")
    desk.wants("tiny==1.0")
    serves(desk, "api")
    desk.space.service("other", "sleeps.py", 100)
    desk.upgrade()
    up(desk)
    before, other = pid(desk, "api"), pid(desk, "other")
    desk.wants("tiny==2.0")
    assert desk.planned() == [("install", "main"), ("restart", "api")]
    began = time.monotonic()
    report = desk.upgrade()
    took = time.monotonic() - began
    assert report.code == 0, report
    assert [(each.step.kind, each.step.target, each.ok) for each in report.outcomes] == [
        ("install", "main", True), ("restart", "api", True),
    ]  # fmt: skip
    assert desk.version() == "2.0"
    assert pid(desk, "api") not in (None, before) and pid(desk, "other") == other
    assert took < 6, took
    rolled = back.roll_back(desk.house())
    assert rolled.code == 0 and desk.version() == "1.0", rolled
    assert desk.planned() == [], "what a person went back from is not installed again unasked"
    assert desk.upgrade().notes == (
        "main: WARN left as a person rolled it back (inv upgrade --force --only main installs it again)",
    )
    assert desk.upgrade("main", force=True).code == 0 and desk.version() == "2.0"
    with pytest.raises(UsageError):
        desk.planned("mian")


def test_what_cannot_be_satisfied_changes_nothing_and_is_tried_again(desk: Desk) -> None:
    """P45: a failed install is a failed run, and the stamp stays where it was."""
    desk.wheels("1.0")
    desk.wants("tiny==1.0")
    serves(desk, "api")
    desk.upgrade()
    up(desk)
    before, done = pid(desk, "api"), remembered(desk).done
    desk.wants("tiny==9.9")
    report = desk.upgrade()
    assert report.code == 3
    outcomes = [(each.step.kind, each.ok) for each in report.outcomes]
    assert outcomes == [("install", False), ("restart", None)]
    detail = report.outcomes[0].detail
    assert "9.9" in detail and "upgrade-main.log" in detail
    assert pid(desk, "api") == before and desk.version() == "1.0"
    assert remembered(desk).done == done and desk.planned() == [("install", "main"), ("restart", "api")]
    assert desk.upgrade().code == 3
    failed = remembered(desk).failed
    assert failed is not None and failed.tries == 2
    desk.wants("tiny==1.0")
    assert desk.upgrade().code == 0, "and the way back to what it was needs no install"


def test_going_back_to_an_old_list_finds_the_environment_of_then(desk: Desk) -> None:
    desk.wheels("1.0", "2.0", "3.0")
    for version in ("1.0", "2.0"):
        desk.wants(f"tiny=={version}")
        desk.upgrade()
    desk.wants("tiny==1.0")
    (outcome,) = desk.upgrade().outcomes
    assert "built before" in outcome.detail and desk.version() == "1.0"
    desk.wants("tiny==3.0")
    desk.upgrade()
    kept = [path for path in (desk.root / ".venvs").iterdir() if path.is_dir()]
    assert len(kept) == 2, "the last two are kept"


def test_an_environment_without_its_interpreter_is_stale(desk: Desk) -> None:
    desk.wheels("1.0")
    desk.wants()
    desk.upgrade()
    target = host.pointed(str(desk.root / ".venv"))
    assert target is not None
    shutil.rmtree(target)
    assert desk.planned() == [("install", "main")]
    assert desk.upgrade().code == 0 and desk.says("print(1)") == "1"


@pytest.mark.parametrize("gone", ["bin/python", "pyvenv.cfg"])
def test_an_environment_of_ours_that_was_damaged_is_built_anew_and_not_taken_for_whole(desk: Desk, gone: str) -> None:
    """A red check's own fix (`inv upgrade`) has to mend it; what the link leads to is never built over."""
    desk.wheels("1.0")
    desk.wants("tiny==1.0")
    desk.upgrade()
    damaged = host.pointed(str(desk.root / ".venv"))
    assert damaged is not None
    (Path(damaged) / gone).unlink()
    assert desk.planned() == [("install", "main")]
    report = desk.upgrade()
    assert report.code == 0 and desk.version() == "1.0", report
    assert host.pointed(str(desk.root / ".venv")) != damaged and desk.planned() == []


@pytest.mark.parametrize("whose", ["ours", "the person's"])
def test_a_service_that_is_not_ready_with_the_new_environment_gets_the_old_one_back(desk: Desk, whose: str) -> None:
    desk.wheels("1.0")
    wheel(desk.root / "wheels", "tiny", "2.0", body="raise SystemExit('이 판은 망가졌다')\n")
    if whose != "ours":
        desk.venv()
    desk.wants("tiny==1.0")
    serves(desk, "api")
    desk.upgrade()
    up(desk)
    desk.wants("tiny==2.0")
    report = desk.upgrade()
    assert report.code == 3 and [each.ok for each in report.outcomes] == [False, True]
    assert "api is not ready with it" in report.outcomes[0].detail
    assert "with what was there before" in report.outcomes[1].detail
    assert desk.version() == "1.0" and pid(desk, "api") is not None
    assert remembered(desk).pending is None


# --- the person's own -------------------------------------------------------------------------------------


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


def test_going_back_restores_the_person_s_own_environment(desk: Desk) -> None:
    desk.wheels("1.0", "2.0")
    desk.venv()
    for version in ("1.0", "2.0"):
        desk.wants(f"tiny=={version}")
        assert desk.upgrade().code == 0
    assert back.roll_back(desk.house()).code == 0
    assert desk.version() == "1.0"
    with pytest.raises(UsageError):
        back.roll_back(desk.house())


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


@pytest.mark.parametrize(
    ("whose", "point"),
    [
        ("the person's", "upgrade.after-save"),
        ("the person's", "upgrade.before-install"),
        ("ours", "upgrade.after-install"),
        ("ours", "upgrade.after-switch"),
    ],
)
def test_ticks_alone_make_it_right_when_an_upgrade_is_killed_at_any_point(desk: Desk, whose: str, point: str) -> None:
    """The service that was stopped for it is up again, and with what the list asks for: nobody has to type a word."""
    desk.wheels("1.0", "2.0")
    if whose == "the person's":
        desk.venv()
    desk.wants("tiny==1.0")
    assert desk.upgrade().code == 0
    serves(desk, "api")
    with (desk.root / "autosys.toml").open("a", encoding="utf-8") as file:
        file.write("[watchdog]\nguard = false\n")
    up(desk)
    first = pid(desk, "api")
    assert first
    desk.wants("tiny==2.0")
    desk.space.cli("upgrade", env={"AUTOSYS_FAULT": f"{point}:kill"}).rc(-9)

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
    desk.wheels("1.0", "2.0")
    if whose == "the person's":
        desk.venv()
    desk.wants("tiny==1.0")
    assert desk.upgrade().code == 0
    serves(desk, "api")
    up(desk)
    desk.wants("tiny==2.0")
    point = "upgrade.after-switch" if whose == "ours" else "upgrade.after-install"
    desk.space.cli("upgrade", env={"AUTOSYS_FAULT": f"{point}:kill"}).rc(-9)
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
        back.roll_back(desk.house())
    assert desk.version() == "2.0"


def test_going_back_from_the_first_upgrade_is_no_green_and_the_next_change_is_installed(desk: Desk) -> None:
    desk.wheels("1.0", "2.0")
    desk.venv()
    desk.wants("tiny==1.0")
    desk.upgrade()
    assert back.roll_back(desk.house()).code == 0 and desk.version() == ""
    (check,) = desk.space.cli("health", "--json", "--only", "upgrade").rc(0).json()["checks"]  # type: ignore[misc]
    assert check["verdict"] == "WARN" and "rolled it back" in check["why"]
    desk.wants("tiny==2.0")
    assert desk.planned() == [("install", "main")]
    assert "main" in notice.due(desk.house()), "and a tick sees it"


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
    assert time.monotonic() - began < 15
    assert not [each for each in rig.processes_with("CI", "1") if str(maker.root) in each.cwd()]


def test_one_upgrade_at_a_time(maker: Desk) -> None:
    place = maker.house().place
    with turnstile.acting(place, "upgrade", wait_s=0.0, turn=turnstile.UPGRADES):
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
    ways.readable_paths(str(tmp_path))
    text = path.read_bytes()
    assert text.isascii() and b"import os" in text and b"\\ucc45" in text

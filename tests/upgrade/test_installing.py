"""Real installs of tiny packages into environments of ours; what fails leaves the environment as it was."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import rig
from serving import pid, remembered, serves, up
from upgrade_desk import Desk, wheel

from autosys_tasks import host
from autosys_tasks.core.errors import UsageError
from autosys_tasks.upgrade import rollback, show

pytestmark = pytest.mark.only("posix")


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
    assert [line["step"] for line in desk.space.journal("auto_upgrade")] == ["install", "summary", "summary"]


def test_a_link_of_ours_is_no_new_file_for_git_and_where_it_would_be_that_is_said(desk: Desk) -> None:
    desk.wheels("1.0", "2.0")
    desk.wants("tiny==1.0")
    desk.space.file(".gitignore", ".venv/\n")
    git = ["git", "-C", str(desk.root)]
    subprocess.run([*git, "init", "-q"], check=True)
    assert desk.upgrade().code == 0 and host.pointed(str(desk.root / ".venv"))
    status = [*git, "status", "--porcelain"]
    assert b".venv" not in subprocess.run(status, check=True, capture_output=True).stdout
    shutil.rmtree(desk.root / ".git" / "info")
    (desk.root / ".git" / "info").touch()
    desk.wants("tiny==2.0")
    report = desk.upgrade()
    assert report.code == 0 and "git may show .venv as a new file" in report.outcomes[0].detail


def test_a_changed_list_switches_and_restarts_only_what_runs_in_it(desk: Desk) -> None:
    desk.wheels("1.0", "2.0")
    desk.wants("tiny==1.0")
    serves(desk, "api")
    desk.space.service("other", "sleeps.py", 1000)
    desk.upgrade()
    up(desk)
    before, other = pid(desk, "api"), pid(desk, "other")
    desk.wants("tiny==2.0")
    assert desk.planned() == [("install", "main"), ("restart", "api")]
    before = os.times()
    report = desk.upgrade()
    work_s = sum(os.times()[:4]) - sum(before[:4])
    assert report.code == 0, report
    assert [(each.step.kind, each.step.target, each.ok) for each in report.outcomes] == [
        ("install", "main", True), ("restart", "api", True),
    ]  # fmt: skip
    assert desk.version() == "2.0"
    assert pid(desk, "api") not in (None, before) and pid(desk, "other") == other
    assert work_s < 6 * rig.stretched(), work_s
    rolled = rollback.roll_back(desk.house())
    assert rolled.code == 0 and desk.version() == "1.0", rolled
    unready = [each._replace(ok=each.ok and each.step.kind != "restart") for each in rolled.outcomes]
    told = show.lines(rolled._replace(outcomes=tuple(unready)))[-1]
    assert "inv bringup api; or forward again: inv upgrade --force --only main" in told, "an upgrade alone does nothing"
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


def test_an_old_environment_that_a_process_runs_from_stays_until_that_has_ended(desk: Desk) -> None:
    desk.wheels("1.0", "2.0", "3.0", "4.0")
    desk.wants("tiny==1.0")
    desk.upgrade()
    first = Path(host.pointed(str(desk.root / ".venv")) or "")
    argv = [host.python_in(str(first)), "-c", "import sys; print(1, flush=True); sys.stdin.read(); import tiny"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline()
        for version in ("2.0", "3.0"):
            desk.wants(f"tiny=={version}")
            (outcome,) = desk.upgrade().outcomes
        assert outcome.ok and f"{first.name} stays: pid {process.pid} runs from it" in outcome.detail
        process.communicate(b"")
    assert process.returncode == 0, "what it had not loaded yet was still there"
    desk.wants("tiny==4.0")
    (outcome,) = desk.upgrade().outcomes
    assert "stays" not in outcome.detail and not first.exists()


def test_a_damaged_environment_that_a_process_runs_from_is_built_anew_beside_it(desk: Desk) -> None:
    desk.wheels("1.0", "2.0", "3.0")
    desk.wants("tiny==1.0")
    desk.upgrade()
    first = Path(host.pointed(str(desk.root / ".venv")) or "")
    with subprocess.Popen(["sleep", "600"], cwd=first) as process:
        try:
            for version in ("2.0", "3.0", "1.0"):
                (first / "autosys.json").write_text('{"environment": "main", "whole": false}', encoding="utf-8")
                desk.wants(f"tiny=={version}")
                assert desk.upgrade().code == 0
        finally:
            process.kill()
    assert desk.version() == "1.0" and first.is_dir()
    assert Path(host.pointed(str(desk.root / ".venv")) or "").name == f"{first.name}-2"


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


def test_a_service_that_was_not_ready_before_costs_no_install_and_no_upgrade_is_green_with_it(desk: Desk) -> None:
    desk.wheels("1.0", "2.0")
    desk.wants("tiny==1.0")
    command = 'command = ["python", "-c", "import time; time.sleep(200)"]\nenvironment = "main"\nrestart = "never"\n'
    asks = 'stop_timeout_s = 1\nreadiness = { file = "well", start_timeout_s = 1.0, max_age_s = 999 }\n'
    declared = (desk.root / "autosys.toml").read_text(encoding="utf-8")
    desk.space.write(f"{declared}[services.ill]\n{command}{asks}")
    desk.upgrade()
    desk.space.file("well", "")
    up(desk)
    (desk.root / "well").unlink()
    desk.wants("tiny==2.0")
    report = desk.upgrade()
    assert desk.version() == "2.0" and [each.ok for each in report.outcomes] == [True, False], report
    assert report.code == 3 and "it was not ready before either" in report.outcomes[1].detail


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

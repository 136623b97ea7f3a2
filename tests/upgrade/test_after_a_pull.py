"""Real `git pull`s into a workspace with a service and an environment, and what an upgrade makes of them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import rig
from repos import IDENTITY, Repo
from upgrade_desk import Desk

from autosys_tasks.supervise import runs
from autosys_tasks.supervise.state import read_record as service_record
from autosys_tasks.upgrade import run, stamps, tick

pytestmark = pytest.mark.only("posix")

TOML = """
[environments.main]
[services.watcher]
command = COMMAND
restart_on = ["앱/**/*.py"]
stop_timeout_s = 1
"""


@pytest.fixture
def pulled(desk: Desk, tmp_path: Path) -> tuple[Desk, Repo]:
    """A workspace that was cloned, upgraded and brought up; and the repository that it pulls from."""
    origin = Repo(tmp_path / "원격")
    origin.root.mkdir()
    origin.git("init", "--quiet", "--initial-branch=main")
    command = json.dumps(desk.space.program("sleeps.py", 1000))
    origin.commit(
        {
            "autosys.toml": TOML.replace("COMMAND", command),
            ".gitignore": ".venv/\noutputs/\nwheels/\n.venvs/\n",
            "requirements.txt": "--no-index\n--find-links ./wheels\ntiny==1.0\n",
            "앱/하나.py": "1\n",
            "낡은.sh": "#!/bin/sh\nif\n",
        }
    )
    shutil.rmtree(desk.root)
    subprocess.run(["git", "clone", "--quiet", str(origin.root), str(desk.root)], check=True)
    for key, value in (("user.name", IDENTITY["GIT_AUTHOR_NAME"]), ("user.email", "a@example.org")):
        subprocess.run(["git", "config", key, value], cwd=desk.root, check=True)
    desk.wheels("1.0", "2.0")
    assert desk.upgrade().code == 0, "a script that was always faulty is no news"
    assert clean(desk), "our link is no folder, and `.venv/` names folders"
    runs.bring_up(desk.house(), (), wanted_only=False, guard=False, timeout_s=20)
    return desk, origin


def pid(desk: Desk) -> int | None:
    found, _corrupt = service_record(desk.house().place, "watcher")
    return found.pid if found else None


def pull(desk: Desk) -> None:
    subprocess.run(["git", "pull", "--quiet"], cwd=desk.root, check=True)


def clean(desk: Desk) -> bool:
    said = subprocess.run(["git", "status", "--porcelain"], cwd=desk.root, capture_output=True, check=True)
    return not said.stdout


def test_a_pull_is_all_that_a_person_does(pulled: tuple[Desk, Repo]) -> None:
    """P43, P45, P63: what came is planned, done, and then there is nothing left to do."""
    desk, origin = pulled
    assert desk.planned() == []
    before = pid(desk)
    origin.commit(
        {
            "requirements.txt": "--no-index\n--find-links ./wheels\ntiny==2.0\n",
            "앱/둘.py": "2\n",
            "돌려 줘.sh": "#!/bin/sh\necho hi\n",
            "읽어.md": "x\n",
        }
    )
    pull(desk)
    planned = set(desk.planned())
    assert planned - {("chmod", "돌려 줘.sh")} == {
        ("check", "돌려 줘.sh"), ("install", "main"), ("restart", "watcher"),
    }  # fmt: skip
    reasons = {step.target: step.reason for step in run.planned(desk.house()).plan.steps}
    assert ".." in reasons["main"] and "앱/둘.py" in reasons["watcher"]
    report = desk.upgrade()
    assert report.code == 0, report
    assert desk.planned() == [] and desk.version() == "2.0" and pid(desk) != before and clean(desk)


def test_what_failed_is_tried_again_and_what_was_done_is_not_done_twice(pulled: tuple[Desk, Repo]) -> None:
    desk, origin = pulled
    origin.commit({"requirements.txt": "--no-index\n--find-links ./wheels\ntiny==9.9\n", "앱/둘.py": "2\n"})
    pull(desk)
    assert desk.upgrade().code == 3
    once = pid(desk)
    assert desk.planned() == [("install", "main")], "watcher has been restarted for this commit"
    assert desk.upgrade().code == 3 and pid(desk) == once
    origin.commit({"requirements.txt": "--no-index\n--find-links ./wheels\ntiny==2.0\n", "앱/둘.py": "3\n"})
    pull(desk)
    assert set(desk.planned()) == {("install", "main"), ("restart", "watcher")}
    assert desk.upgrade().code == 0 and desk.planned() == []


def test_a_tick_restarts_what_a_pull_changed_though_an_environment_of_others_waits(pulled: tuple[Desk, Repo]) -> None:
    desk, origin = pulled
    origin.commit({"requirements.txt": "--no-index\n--find-links ./wheels\ntiny==9.9\n"})
    pull(desk)
    assert desk.upgrade().code == 3
    assert tick.why_due(desk.house()) == "", "it has only just failed"
    origin.commit({"앱/둘.py": "2\n"})
    pull(desk)
    assert tick.why_due(desk.house()).startswith("watcher: ")


@pytest.mark.parametrize("how", ["--rebase", "--no-rebase"])
def test_nothing_is_installed_or_restarted_while_a_merge_has_conflicts(pulled: tuple[Desk, Repo], how: str) -> None:
    """P49: a service that worked was restarted into the marks of a conflict, and was down until that was solved."""
    desk, origin = pulled
    here, before = Repo(desk.root), pid(desk)
    ours = {"앱/하나.py": "2\n", "requirements.txt": "--no-index\n--find-links ./wheels\ntiny==2.0\n"}
    here.commit(ours, "ours")
    origin.commit({"앱/하나.py": "3\n", "앱/둘.py": "3\n"}, "theirs")
    here.git("pull", "--quiet", how, code=1)
    assert desk.planned() == [] and tick.why_due(desk.house()) == ""
    desk.space.cli("watchdog").rc(0)
    desk.space.cli("health", "--only", "upgrade").rc(3).says("conflicts in 앱/하나.py", "git status")
    desk.space.cli("upgrade").rc(3).says("conflicts in 앱/하나.py", "git status")
    assert pid(desk) == before and desk.version() == "1.0"
    here.put(ours).git("add", "--all")
    if how == "--rebase":
        here.git("-c", "core.editor=true", "rebase", "--continue")
    else:
        here.git("commit", "--quiet", "--no-edit")
    assert tick.why_due(desk.house()).startswith("main: ")
    assert desk.upgrade().code == 0
    assert pid(desk) != before and desk.version() == "2.0" and desk.planned() == []


def test_a_script_with_a_fault_is_red_until_it_is_mended(pulled: tuple[Desk, Repo]) -> None:
    desk, origin = pulled
    origin.commit({"도구/고장.py": "#!/usr/bin/env python3\nx = 1\nif\n"})
    pull(desk)
    desk.space.cli("upgrade").rc(3).says("도구/고장.py", "line 3")
    desk.space.cli("health", "--only", "upgrade").rc(3).says("도구/고장.py", "line 3")
    assert desk.upgrade().code == 3, "it is looked at again, and still so"
    desk.space.file("도구/고장.py", "#!/usr/bin/env python3\nx = 1\n")
    assert desk.upgrade().code == 0
    desk.space.cli("health", "--only", "upgrade").rc(0)


def test_a_script_that_nobody_has_committed_is_checked_too_and_stays_red(pulled: tuple[Desk, Repo]) -> None:
    """P49: uncommitted edits count, and git's own files do not move for them."""
    desk, _origin = pulled
    desk.space.file("낡은.sh", "#!/bin/sh\nif true; then\n")
    assert desk.planned() == [("check", "낡은.sh")]
    assert desk.upgrade().code == 3 and desk.upgrade().code == 3
    desk.space.cli("health", "--only", "upgrade").rc(3).says("낡은.sh")
    desk.space.file("낡은.sh", "#!/bin/sh\ntrue\n")
    assert desk.upgrade().code == 0 and desk.planned() == []


def test_health_is_no_green_while_something_runs_as_before_the_pull_or_nobody_has_looked_at_it(
    pulled: tuple[Desk, Repo],
) -> None:
    """Every green is proven: what `inv upgrade` would do now, health tells."""
    desk, origin = pulled
    health = ("health", "--only", "upgrade", "--json")
    assert desk.space.cli(*health).rc(0).json()["verdict"] == "OK"
    origin.commit({"앱/하나.py": "2\n"})
    pull(desk)
    desk.space.cli(*health).rc(3).says("watcher", "앱/하나.py changed")
    desk.space.cli(*health, "--fix").rc(0)
    assert desk.planned() == []
    origin.commit({"새것.sh": "#!/bin/sh\necho hi\n"})
    pull(desk)
    page = desk.space.cli(*health).rc(0).says("새것.sh").json()
    assert page["verdict"] == "WARN"
    assert desk.upgrade().code == 0
    assert desk.space.cli(*health).rc(0).json()["verdict"] == "OK"


def test_pulling_goes_forward_and_installs_and_a_refusal_is_a_failure(pulled: tuple[Desk, Repo]) -> None:
    desk, origin = pulled
    origin.commit({"requirements.txt": "--no-index\n--find-links ./wheels\ntiny==2.0\n"})
    desk.space.cli("upgrade", "--pull", "--dry-run").rc(0).says("would fetch first")
    desk.space.cli("upgrade", "--pull").rc(0).says("forwarded")
    assert desk.version() == "2.0" and clean(desk)
    origin.commit({"앱/하나.py": "9\n"})
    desk.space.file("앱/하나.py", "mine\n")
    desk.space.cli("upgrade", "--pull").rc(3).says("in-the-way", "앱/하나.py")
    assert (desk.root / "앱/하나.py").read_text(encoding="utf-8") == "mine\n", "P49: nobody's edits are touched"


def test_history_that_was_rewritten_is_no_trouble(pulled: tuple[Desk, Repo]) -> None:
    """P46: no or unreachable last commit: what files say is compared, and nothing crashes."""
    desk, _origin = pulled
    place = desk.house().place
    kept = stamps.read_kept(place)
    assert kept is not None and len(kept.commit) == 40
    stamps.write_kept(place, kept._replace(commit="f" * 40))
    report = desk.upgrade()
    assert report.code in (0, 3) and any("does not know" in note for note in report.notes)
    stamps.write_kept(place, kept._replace(commit="nonsense"))
    desk.upgrade()


def test_a_tick_notices_a_pull_that_changed_no_manifest(pulled: tuple[Desk, Repo]) -> None:
    desk, origin = pulled
    assert tick.why_due(desk.house()) == ""
    origin.commit({"앱/셋.py": "3\n"})
    pull(desk)
    assert "앱/셋.py changed" in tick.why_due(desk.house(), dry=True)


def test_what_came_since_the_first_bringup_came_though_nothing_was_upgraded_yet(pulled: tuple[Desk, Repo]) -> None:
    """P43: clone, bring up, pull: the first upgrade restarts what a pull changed, and knows which scripts are new."""
    desk, origin = pulled
    shutil.rmtree(desk.space.state / "upgrade")
    desk.space.cli("bringup", "--no-guard").rc(0)
    assert [step for step in desk.planned() if step[0] != "install"] == [], "nothing came yet"
    origin.commit({"앱/하나.py": "2\n", "도구/새것": "#!/bin/sh\necho hi\n"})
    pull(desk)
    came = [("check", "도구/새것"), ("chmod", "도구/새것"), ("install", "main"), ("restart", "watcher")]
    assert sorted(desk.planned()) == came, "the environment is one that nobody knows of"
    before = pid(desk)
    assert desk.upgrade().code == 0 and desk.planned() == []
    assert pid(desk) != before and clean(desk)


def broken(desk: Desk, origin: Repo) -> str:
    """The service runs what the repository has, and what was pulled last ends at once; what it was before."""
    command = json.dumps([rig.PYTHON, "앱/하나.py"])
    good = "import time; print('up', flush=True); time.sleep(200)\n"
    rest = "[services.watcher.readiness]\nlog = 'up'\n[watchdog]\nretries = 1\nbackoff_s = [0]\n"
    origin.commit({"autosys.toml": TOML.replace("COMMAND", command) + rest, "앱/하나.py": good})
    pull(desk)
    runs.restart(desk.house(), ["watcher"], timeout_s=20)
    assert desk.upgrade().code == 0
    origin.commit({"앱/하나.py": "raise SystemExit(7)\n"})
    pull(desk)
    return good


def test_what_a_pull_broke_is_blocked_as_ever_and_what_mends_it_starts_it_at_once(pulled: tuple[Desk, Repo]) -> None:
    """Its `restart_on` names what came: nobody waits for the next attempt, and a failed restart is not begun anew."""
    desk, origin = pulled
    good = broken(desk, origin)
    assert desk.upgrade().code == 3, "it was restarted, and is not ready"
    found, _corrupt = service_record(desk.house().place, "watcher")
    assert found and found.starts == 2, "blocked until its next attempt"
    origin.commit({"앱/하나.py": f"{good}# mended\n"})
    pull(desk)
    assert desk.upgrade().code == 0
    assert runs.tick(desk.house()).decisions["watcher"].state == "ready"


def test_a_restart_in_vain_is_owed_until_what_broke_it_is_gone_and_no_upgrade_is_green_before(
    pulled: tuple[Desk, Repo],
) -> None:
    """The broken commit is reverted: then nothing came since the last upgrade that ended well."""
    desk, origin = pulled
    good = broken(desk, origin)
    for _again in range(2):
        assert desk.upgrade().code == 3, "whoever asks, it is not ready"
        assert desk.planned() == [("restart", "watcher")] and tick.why_due(desk.house()) == "", "unasked once is enough"
    origin.commit({"앱/하나.py": good})
    pull(desk)
    assert tick.why_due(desk.house()).startswith("watcher: ")
    assert desk.upgrade().code == 0 and desk.planned() == []
    assert runs.tick(desk.house()).outcomes == (), "it is ready"


def test_a_restart_in_vain_is_owed_no_more_once_a_person_has_stopped_it_or_it_is_ready(
    pulled: tuple[Desk, Repo],
) -> None:
    desk, _origin = pulled
    kept = stamps.read_kept(desk.house().place)
    assert kept
    owing = kept._replace(owed={"watcher": kept.commit, "declared no more": kept.commit})
    stamps.write_kept(desk.house().place, owing)
    assert desk.planned() == [], "it is ready"
    runs.take_down(desk.house(), ["watcher"])
    assert desk.planned() == []
    assert desk.upgrade().code == 0 and stamps.read_kept(desk.house().place) == kept

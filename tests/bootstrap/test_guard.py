"""The fixtures that all tests lean on: each has to fail the test that it is there to fail."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import rig

pytestmark = pytest.mark.portable


def run_test(folder: Path, body: str, **env: str) -> rig.Result:
    """Run one test of our fixtures in a suite of its own."""
    tests = rig.REPOSITORY / "tests"
    for name in ("conftest.py", "rig.py", "forked.py"):
        shutil.copy(tests / name, folder)
    leave = shutil.ignore_patterns("__pycache__")  # others compile into it now
    shutil.copytree(tests / "programs", folder / "programs", ignore=leave)
    code = f"import pytest, rig\nfrom pathlib import Path\n{body}\n"
    (folder / "test_it.py").write_text(code, encoding="utf-8", newline="\n")
    (folder / "pytest.ini").write_text(
        "[pytest]\nmarkers =\n    live: l\n    capability(name): c\n", encoding="utf-8", newline="\n"
    )
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"]
    return rig.start(argv, cwd=folder, env={"AUTOSYS_REQUIRE_ALL": None, **env}).result()


def test_a_test_that_writes_into_the_home_folder_fails(tmp_path: Path) -> None:
    said = run_test(tmp_path, "def test():\n    (Path.home() / 'autosys').mkdir()")
    said.rc(1).says("wrote into the home folder")


def test_a_test_that_writes_into_the_outputs_of_the_checkout_fails(tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()
    (suite := tmp_path / "tests").mkdir()
    said = run_test(suite, "def test():\n    Path(rig.REPOSITORY, 'outputs', 'a.log').touch()")
    said.rc(1).says("tests touched real places", "a.log")


def test_a_test_that_says_down_and_leaves_a_process_fails_and_the_process_ends(tmp_path: Path) -> None:
    body = """\
def test(workspace):
    child = rig.start(workspace.program("forks.py"), cwd=workspace.root, env=workspace.env())
    rig.wait_for(workspace.starts)
    rig.wait_for(lambda: len(workspace.starts()) == 2)
    Path("pids").write_text(" ".join(str(pid) for pid, _ in workspace.starts()))
    workspace.said_down = True
"""
    run_test(tmp_path, body).rc(1).says("`down` was said, and these lived on", "sleeps.py")
    pids = [int(pid) for pid in (tmp_path / "pids").read_text(encoding="utf-8").split()]
    assert len(pids) == 2
    assert not [pid for pid in pids if rig.lives(pid)]


@pytest.mark.parametrize(("required", "code", "says"), [("", 0, "1 skipped"), ("1", 1, "is required here")])
def test_a_missing_capability_is_a_skip_with_its_reason_unless_required(
    tmp_path: Path, required: str, code: int, says: str
) -> None:
    body = "@pytest.mark.capability('no-such-program')\ndef test(): pass"
    said = run_test(tmp_path, body, AUTOSYS_REQUIRE_ALL=required)
    said.rc(code).says(says)


def test_long_tests_run_only_when_asked_for(tmp_path: Path) -> None:
    body = "@pytest.mark.live\ndef test_long(): pass\ndef test(): pass"
    run_test(tmp_path, body).rc(0).says("1 passed, 1 deselected")

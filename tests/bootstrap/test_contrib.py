"""`test`, `lint` and `bench`, as a contributor types them."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
import rig

pytestmark = pytest.mark.portable

COMMAND = [sys.executable, "-m", "autosys_tasks.program"]


def planned(*args: str, cwd: Path = rig.REPOSITORY) -> list[list[str]]:
    """The commands that a dry run says it would run."""
    document = rig.start([*COMMAND, *args, "--dry-run", "--json"], cwd=cwd).result().rc(0).json()
    assert document["schema"] == "autosys.plan/1"
    return [shlex.split(step["reason"]) for step in document["steps"]]


def test_the_exit_code_of_the_suite_is_that_of_the_task() -> None:
    said = rig.start([*COMMAND, "test", "no-such-file.py"], cwd=rig.REPOSITORY).result()
    said.rc(4).says("file or directory not found: no-such-file.py")


def test_a_document_has_stdout_to_itself_and_says_how_the_suite_ended() -> None:
    said = rig.start([*COMMAND, "test", "no-such-file.py", "--json"], cwd=rig.REPOSITORY).result().rc(4)
    assert "file or directory not found: no-such-file.py" in said.err
    (outcome,) = said.json()["outcomes"]
    assert (outcome["target"], outcome["ok"], said.json()["exit_code"]) == ("pytest", False, 4)
    assert said.json()["summary"] == {"done": 0, "failed": 1, "skipped": 0}


def test_what_is_asked_of_the_suite_reaches_it() -> None:
    asked = ["tests/bootstrap", "--live", "--short", "-k", "a and not b", "--args", "-x --lf"]
    wanted = ["pytest", "--live", "--short", "-k", "a and not b", "-x", "--lf", "tests/bootstrap"]
    assert planned("test", *asked, cwd=rig.REPOSITORY / "docs") == [[sys.executable, "-m", *wanted]]
    assert planned("test", "tests/unit", "--windows")[0][1:] == ["tests/windows/run.py", "tests/unit"]
    assert planned("test")[0][2:] == ["pytest", "-n", "3", "--dist", "loadfile"]


def test_lint_checks_style_and_types_and_bench_runs_the_bench() -> None:
    pytest.importorskip("ruff")
    pytest.importorskip("mypy")
    ruff, *types = planned("lint")
    assert ruff == [sys.executable, "-m", "ruff", "check", "."]
    assert types == [[sys.executable, "-m", "mypy", "--platform", name] for name in ("linux", "win32", "darwin")]
    assert planned("bench", "--args", "--quick") == [[sys.executable, "bench/run.py", "--quick"]]
    said = rig.start([*COMMAND, "--dry", "lint"], cwd=rig.REPOSITORY).result().rc(0)
    assert said.out.startswith("would run ruff: ")

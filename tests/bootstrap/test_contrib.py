"""`test`, `lint` and `bench`, as a contributor types them."""

from __future__ import annotations

import shlex
import sys

import pytest
import rig

pytestmark = pytest.mark.portable

COMMAND = [sys.executable, "-m", "autosys_tasks.program"]


def test_the_exit_code_of_the_suite_is_that_of_the_task() -> None:
    said = rig.start([*COMMAND, "test", "no-such-file.py"], cwd=rig.REPOSITORY).result()
    said.rc(4).says("file or directory not found: no-such-file.py")


def test_what_is_asked_of_the_suite_reaches_it() -> None:
    asked = ["test", "tests/bootstrap", "--live", "--short", "-k", "a and not b", "--args", "-x --lf"]
    said = rig.start([*COMMAND, "--dry", *asked], cwd=rig.REPOSITORY / "docs").result().rc(0)
    wanted = ["pytest", "--live", "--short", "-k", "a and not b", "-x", "--lf", "tests/bootstrap"]
    assert shlex.split(said.out) == [sys.executable, "-m", *wanted]
    said = rig.start([*COMMAND, "--dry", "test", "tests/unit", "--windows"], cwd=rig.REPOSITORY).result().rc(0)
    assert shlex.split(said.out)[1:] == ["tests/windows/run.py", "tests/unit"]
    said = rig.start([*COMMAND, "--dry", "test"], cwd=rig.REPOSITORY).result().rc(0)
    assert shlex.split(said.out)[2:] == ["pytest", "-n", "3", "--dist", "loadfile"]


def test_lint_checks_style_and_types_and_bench_runs_the_bench() -> None:
    pytest.importorskip("ruff")
    pytest.importorskip("mypy")
    lint = rig.start([*COMMAND, "--dry", "lint"], cwd=rig.REPOSITORY).result().rc(0)
    lines = [shlex.split(line) for line in lint.out.splitlines()]
    assert lines[0] == [sys.executable, "-m", "ruff", "check", "."]
    assert lines[1:] == [[sys.executable, "-m", "mypy", "--platform", name] for name in ("linux", "win32", "darwin")]
    bench = rig.start([*COMMAND, "--dry", "bench", "--args", "--quick"], cwd=rig.REPOSITORY).result().rc(0)
    assert shlex.split(bench.out) == [sys.executable, "bench/run.py", "--quick"]

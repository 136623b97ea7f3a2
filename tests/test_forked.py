"""A command that is forked (tests/forked.py) does and says what one does that is started anew."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import forked
import pytest
import rig

pytestmark = pytest.mark.only("linux")

FAULT = {"AUTOSYS_FAULT": "supervise.after-spawn:kill"}


@pytest.fixture
def both(workspace: rig.Workspace, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[rig.Result]]:
    """both("ps", "--json"): how it ends when it is started anew, and when it is forked."""

    def run(*words: str, env: dict[str, str] | None = None) -> list[rig.Result]:
        results = []
        for is_forked in (False, True):
            monkeypatch.setattr(forked, "fits", lambda *_, said=is_forked: said)
            results.append(workspace.cli(*words, env=env))
            workspace.end_all()
        return results

    return run


def same(result: rig.Result) -> tuple[int, str, str]:
    """What is the same each time: no time, no number of a process, and no port."""
    return result.code, *(re.sub(r"[0-9a-f]*\d[0-9a-f]*", "#", text) for text in (result.out, result.err))


@pytest.mark.parametrize(
    "words",
    [
        ("ps", "--json"), ("health", "--only", "disk"), ("config",), ("watchdog", "--dry-run", "--json"),
        ("bringup", "--no-guard"), ("down",), ("--help",), ("--list",), ("ps", "--nonsense"),
        ("bringup", "apu", "--json"), ("journal", "--since", "x"),
    ],
)  # fmt: skip
def test_what_it_writes_and_how_it_ends_are_the_same(
    workspace: rig.Workspace, both: Callable[..., list[rig.Result]], words: tuple[str, ...]
) -> None:
    workspace.service("api", "sleeps.py")
    anew, fork = both(*words)
    assert same(fork) == same(anew) and fork.argv == anew.argv


def test_killed_at_a_fault_it_is_killed(workspace: rig.Workspace, both: Callable[..., list[rig.Result]]) -> None:
    workspace.service("api", "sleeps.py")
    assert [result.code for result in both("bringup", "--no-guard", env=FAULT)] == [-9, -9]


def test_what_nobody_catches_is_shown_and_ends_1(both: Callable[..., list[rig.Result]]) -> None:
    env = {"AUTOSYS_FAULT": "supervise.after-spawn:nonsense"}
    anew, fork = both("bringup", "--no-guard", env=env)
    assert same(fork) == same(anew)


def test_the_first_of_a_task_and_what_only_a_start_takes_note_of_are_started_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(forked, "seen", set())
    here = rig.environment({})
    said = [forked.fits(["--dry", task], here, tmp_path) for task in ("ps", "ps", "down", "ps")]
    assert said == [False, True, False, True]
    for name in ("PYTHONUTF8", "LC_ALL", "TZ"):
        assert not forked.fits(["ps"], {**here, name: "else"}, tmp_path)
    (tmp_path / "autosys_tasks").mkdir()
    assert not forked.fits(["ps"], here, tmp_path), "its own package is meant"


@pytest.mark.parametrize(
    ("folder", "in_ci", "forks"), [("e2e", True, False), ("e2e", False, True), ("backup", True, True)]
)
def test_in_ci_every_command_of_some_folders_starts_anew(
    workspace: rig.Workspace, monkeypatch: pytest.MonkeyPatch, folder: str, in_ci: bool, forks: bool
) -> None:
    monkeypatch.setattr(rig, "IN_CI", in_ci)
    monkeypatch.setattr(forked, "seen", {"config"})
    begun: list[object] = []
    monkeypatch.setattr(forked, "Forked", lambda *_, **__: begun.append(1))
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("PYTEST_CURRENT_TEST", f"tests/{folder}/test_it.py::test_it (call)")
        assert (workspace._forked("config", env=None, cwd=None) is not None) == forks == bool(begun)


def test_one_that_does_not_end_in_time_fails_the_test_and_is_killed(workspace: rig.Workspace) -> None:
    workspace.service("api", "sleeps.py")
    process = forked.Forked(["watchdog", "--follow"], cwd=workspace.root, env=rig.environment(workspace.env()))
    with pytest.raises(pytest.fail.Exception, match="it had not ended"):
        rig.Running(process, time.monotonic()).result(0.5)
    assert process.poll() == -9 and not rig.lives(process.pid)

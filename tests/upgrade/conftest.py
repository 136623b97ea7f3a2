"""Fixtures of the upgrade tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import rig
from repos import Repo, pair, template
from upgrade_desk import Desk


@pytest.fixture
def desk(workspace: rig.Workspace, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A workspace to upgrade, whose state lies where the tests clean up."""
    monkeypatch.setenv("AUTOSYS_STATE", str(workspace.state))
    workspace.write("[environments.main]\n")
    return Desk(workspace)


@pytest.fixture(scope="session")
def first_pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every test's repositories are copied from."""
    return template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def both_ends(first_pair: Path, tmp_path: Path) -> tuple[Repo, Repo]:
    """Where everybody pushes to, and a workspace with an awkward path that pulls from there."""
    return pair(first_pair, tmp_path / "원본", tmp_path / "책상 R&D 100%")


@pytest.fixture
def origin(both_ends: tuple[Repo, Repo]) -> Repo:
    """Where everybody pushes to."""
    return both_ends[0]


@pytest.fixture
def here(both_ends: tuple[Repo, Repo]) -> Repo:
    """The workspace that pulls from there."""
    return both_ends[1]

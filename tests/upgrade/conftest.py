"""Fixtures of the upgrade tests."""

from __future__ import annotations

import pytest
import rig
from upgrade_desk import Desk


@pytest.fixture
def desk(workspace: rig.Workspace, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A workspace to upgrade, whose state lies where the tests clean up."""
    monkeypatch.setenv("AUTOSYS_STATE", str(workspace.state))
    workspace.write("[environments.main]\n")
    return Desk(workspace)

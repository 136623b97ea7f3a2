"""Makes this folder's own tools importable and those of the tests of whole commands; has a user manager to lend."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import rig
import user_manager

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "e2e"):
    sys.path.insert(0, str(folder))


@pytest.fixture
def manager(tmp_path: Path, workspace: rig.Workspace) -> Iterator[user_manager.UserManager]:
    """A user manager of this test alone."""
    folder = tmp_path / "사용자"
    folder.mkdir()
    with user_manager.running(folder, workspace.env()) as made:
        yield made

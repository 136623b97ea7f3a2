"""A workspace whose backups are made by the command itself, and what lies in its folder of backups."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import rig

from autosys_tasks.backup import run, store, verify
from autosys_tasks.backup.values import Backup
from autosys_tasks.config.load import load
from autosys_tasks.supervise.house import house_of

SETS = """[watchdog]
guard = false
[backup.git]
enabled = false
[backup.sets.config]
include = ["autosys.toml", "설정/**"]
required = true
"""


@pytest.fixture
def desk(workspace: rig.Workspace) -> rig.Workspace:
    """A workspace with three files to keep; its own name has a blank and Hangul in it."""
    workspace.write(SETS)
    workspace.file("설정/비밀 아님.txt", "값\n" * 1000)
    workspace.file("설정/a/b.json", "{}")
    return workspace


@pytest.fixture
def make(desk: rig.Workspace, monkeypatch: pytest.MonkeyPatch) -> Callable[..., run.Report]:
    """make(now): a backup as the command makes it, without a process of its own, where none is to end."""
    monkeypatch.setenv("AUTOSYS_STATE", str(desk.state))

    def made(now: str = "") -> run.Report:
        with pytest.MonkeyPatch.context() as patch:
            if now:
                patch.setenv("AUTOSYS_NOW", now)
            return run.backup(house_of(load(desk.root)))

    return made


def folder(desk: rig.Workspace) -> Path:
    return desk.root / "backups"


def whole(desk: rig.Workspace) -> list[Backup]:
    """The backups that are there; each of them is read back, to the last byte."""
    found, strange = store.listed(folder(desk))
    assert not strange, strange
    for each in found:
        _checked, damaged = verify.verify(folder(desk), each)
        assert not damaged, (each.id, damaged)
    return found


def whole_or_none(desk: rig.Workspace) -> list[Backup]:
    """Those that have a manifest: each is whole, whatever lies beside them."""
    found, _strange = store.listed(folder(desk))
    for each in found:
        assert not verify.verify(folder(desk), each)[1]
    return found


def nothing_is_left_over(desk: rig.Workspace) -> None:
    names = [path.name for path in folder(desk).iterdir()]
    assert not [name for name in names if name.endswith((".part", ".removed"))], names
    assert not list((desk.state / "backup").glob("staging-*"))
    assert len(names) == 2 * len(store.listed(folder(desk))[0])

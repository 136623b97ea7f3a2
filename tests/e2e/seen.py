"""What end-to-end tests ask of a running workspace: rows of `ps`, trees of files, who lives."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path

import psutil
import rig

Row = dict[str, object]


def rows(space: rig.Workspace, **env: str) -> dict[str, Row]:
    """The services of `ps --json`, by name."""
    found = space.cli("ps", "--json", env=env or None).rc(0).json()["services"]
    assert isinstance(found, list)
    return {row["name"]: row for row in found}


def row(space: rig.Workspace, name: str, **env: str) -> Row:
    """One service of `ps --json`."""
    return rows(space, **env)[name]


def becomes(space: rig.Workspace, name: str, state: str, within_s: float = 15) -> Row:
    """The row of a service once it is in that state."""
    last: Row = {}

    def there() -> Row | None:
        last.update(row(space, name))
        return dict(last) if last["state"] == state else None

    return rig.wait_for(there, within_s, what=f"{name} {state}") or last


def guard_pid(space: rig.Workspace) -> int | None:
    """The guard's pid as `ps --json` says it."""
    guard = space.cli("ps", "--json").rc(0).json()["guard"]
    assert isinstance(guard, dict)
    return guard["pid"]


def kill(pid: object) -> None:
    """kill -9, and wait until it is dead."""
    assert isinstance(pid, int)
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).kill()
    rig.wait_for(lambda: not lives(pid), 5, what=f"{pid} dead")


def lives(pid: int) -> bool:
    """Whether that pid is a process that still runs."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def tree(*roots: Path) -> dict[str, str]:
    """Every file below these folders with what it holds; folders too."""
    found = {}
    for root in roots:
        for path in sorted(root.rglob("*")) if root.exists() else []:
            text = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
            found[str(path)] = text
    return found


def unchanged(space: rig.Workspace, action: Callable[[], object]) -> None:
    """Run `action`, and fail when it changed one byte of the workspace or its state."""
    before = tree(space.root, space.state)
    action()
    assert tree(space.root, space.state) == before

"""What end-to-end tests ask of a running workspace: rows of `ps`, trees of files, who lives."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import rig

from autosys_tasks.config.load import load
from autosys_tasks.supervise import environ, show
from autosys_tasks.supervise.house import House
from autosys_tasks.supervise.state import Place

Row = dict[str, object]
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def asked(space: rig.Workspace, **env: str) -> dict[str, Any]:
    """The `ps` document: its services and its guard. Without `env` it is asked in this very process, by what the
    command asks: that is watched many times, and a start of a Python costs more than all that `ps` does."""
    if env:
        return space.cli("ps", "--json", env=env).rc(0).json()
    said = {key: value for key, value in {**os.environ, **space.env()}.items() if value is not None}
    config = load(space.root, said)
    base = environ.base_environ(said)
    home = House(config, Place(str(space.state)), base, environ.guard_service(config), {})
    picture = show.picture(home)
    document = {"services": show.rows(home, picture), "guard": show.guard_row(picture)}
    return dict(json.loads(json.dumps(document)))


def rows(space: rig.Workspace, **env: str) -> dict[str, Row]:
    """The services of `ps`, by name."""
    return {row["name"]: row for row in asked(space, **env)["services"]}


def row(space: rig.Workspace, name: str, **env: str) -> Row:
    """One service of `ps`."""
    return rows(space, **env)[name]


def becomes(space: rig.Workspace, name: str, state: str, within_s: float = rig.WAIT_S) -> Row:
    """The row of a service once it is in that state."""
    last: Row = {}

    def there() -> Row | None:
        last.update(row(space, name))
        return dict(last) if last["state"] == state else None

    return rig.wait_for(there, within_s, what=f"{name} {state}") or last


def guard_pid(space: rig.Workspace) -> int | None:
    """The guard's pid as `ps` says it."""
    pid = asked(space)["guard"]["pid"]
    assert pid is None or isinstance(pid, int)
    return pid


def kill(pid: object) -> None:
    """kill -9, and wait until it is dead."""
    assert isinstance(pid, int)
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).kill()
    rig.wait_for(lambda: not rig.lives(pid), what=f"{pid} dead")


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
    space.starts()  # what runs there has written its first word
    before = tree(space.root, space.state)
    action()
    assert tree(space.root, space.state) == before


def is_document(document: dict[str, object], name: str, code: int, space: rig.Workspace) -> None:
    """It begins as every document of this workspace does."""
    assert document["schema"] == f"autosys.{name}/1"
    assert document["exit_code"] == code
    assert STAMP.fullmatch(str(document["at"]))
    assert document["workspace"] == {"name": space.root.name, "path": str(space.root.resolve())}

"""Where a service keeps its files: the state folder, else the workspace's outputs. Writes no file."""

from __future__ import annotations

import os
from pathlib import Path

from autosys_tasks.core.files import make_folder


def workspace() -> Path:
    """The workspace's folder: AUTOSYS_WORKSPACE, else the current one."""
    return Path(os.environ.get("AUTOSYS_WORKSPACE") or Path.cwd())


def state() -> Path | None:
    """The workspace's state folder as the supervisor named it in AUTOSYS_STATE, or None."""
    named = os.environ.get("AUTOSYS_STATE")
    return Path(named) if named else None


def folder(service: str) -> Path:
    """The folder of one service's own files; not made here."""
    return (state() or workspace() / "outputs") / service


def private_parent(path: Path) -> Path:
    """`path`, after its folder was made (for this user alone when new); raises StateError."""
    make_folder(path.parent)
    return path

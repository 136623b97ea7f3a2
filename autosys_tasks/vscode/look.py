"""Looks at the editor's file and at what could run our tasks here; changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

from autosys_tasks import host
from autosys_tasks.config.taskfile import finds_ours
from autosys_tasks.core.errors import StateError
from autosys_tasks.core.files import read_bytes
from autosys_tasks.supervise.house import House
from autosys_tasks.vscode import block_text
from autosys_tasks.vscode.entries_text import VENV, Launcher
from autosys_tasks.vscode.jsonc_text import Broken, member, parse
from autosys_tasks.vscode.values import FILE, Facts

INSTALLED = ("lib/python*/site-packages", "Lib/site-packages")  # of a virtual environment: POSIX, Windows


def look(house: House) -> Facts:
    """The file, our launcher and the kept copy; raises StateError when the file cannot be read."""
    folder = Path(house.config.path)
    path = folder / FILE
    try:
        raw = read_bytes(path)
    except OSError as error:
        raise StateError(
            f"cannot read `{path}`: {error.strerror}", where=str(path), hint="make it a readable file"
        ) from error
    text = None if raw is None else raw.decode("utf-8", "surrogateescape")
    backup = kept_copy(house)
    return Facts(str(path), text, launcher(folder, text), str(backup) if backup.exists() else None)


def kept_copy(house: House) -> Path:
    """Where the file as it was before our last change is kept; outside of the repository."""
    return Path(house.place.folder, "vscode", "tasks.json.backup")


def launcher(folder: Path, text: str | None) -> Launcher:
    """The workspace's own .venv when autosys is in it, else the interpreter of our block, else this one."""
    module = "invoke" if finds_ours(folder) else "autosys_tasks.program"
    if _has_autosys(folder / ".venv"):
        return VENV._replace(module=module)
    before = _command_in(text)
    if before and os.path.isabs(before) and os.path.isfile(before):
        return Launcher(before, None, module)
    return Launcher(host.own_python(), None, module)


def _has_autosys(venv: Path) -> bool:
    inside = any(any(venv.glob(f"{place}/autosys-*.dist-info")) for place in INSTALLED)
    return inside and os.path.exists(host.python_in(str(venv)))


def _command_in(text: str | None) -> str:
    """The interpreter that our block names now, "" when there is none to be read."""
    try:
        block = block_text.block_of(parse(text)) if text is not None else None
    except Broken:
        return ""
    first = block.tasks[0] if block and block.tasks else None
    found = member(first, "command") if first and first.kind == "object" else None
    return str(found[1].value) if found else ""

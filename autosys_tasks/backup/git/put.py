"""Puts captured files into a rebuilt work tree; never through a link, never out of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from autosys_tasks.backup.git.files import copy


def put_files(top: Path, source: Path, state: Mapping[str, Any], removed: Iterable[str], failed: list[str]) -> None:
    """Remove what was deleted, then put every captured file and link in place; what fails is named in `failed`."""
    programs = set(state["programs"])
    for path in removed:
        _try(path, failed, lambda path=path: _remove(top, path))
    for path in state["files"]:
        _try(path, failed, lambda path=path: _put(top, path, source / path, path in programs))
    for path, target in state["links"].items():
        _try(path, failed, lambda path=path, target=target: os.symlink(target, _clear(top, path)))


def _try(path: str, failed: list[str], action: Any) -> None:
    try:
        action()
    except OSError as error:
        failed.append(f"{path}: {error.strerror or error}")


def _put(top: Path, path: str, source: Path, is_program: bool) -> None:
    target = _clear(top, path)
    copy(source, target)
    if is_program:
        mode = target.stat().st_mode
        target.chmod(mode | (mode & 0o444) >> 2)  # whoever may read it may run it


def _remove(top: Path, path: str) -> None:
    """Remove a file, and the folders that it leaves empty: an untracked file may stand in their place."""
    target = within(top, path)
    _take_away(target)
    with contextlib.suppress(OSError):
        for folder in target.parents:
            if folder == top:
                break
            folder.rmdir()


def _clear(top: Path, path: str) -> Path:
    """The path with nothing there, and its folder made."""
    target = within(top, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    _take_away(target)
    return target


def _take_away(target: Path) -> None:
    """A file, a link, or the empty folder that git makes for a submodule."""
    if target.is_dir() and not target.is_symlink():
        target.rmdir()
    else:
        target.unlink(missing_ok=True)


def within(top: Path, path: str) -> Path:
    """The path below `top`; raises OSError when its folder is not there, or a link that leads out."""
    target = top / path
    if not Path(os.path.realpath(target.parent)).is_relative_to(os.path.realpath(top)):
        raise OSError("it would lead out of the folder")
    return target

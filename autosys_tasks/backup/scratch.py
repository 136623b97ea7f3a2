"""Folders that a run needs while it lasts: named by its pid, removed at its end, or by the next one after a kill."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from autosys_tasks import host
from autosys_tasks.core.files import long_path, make_folder


@contextlib.contextmanager
def own_folder(state: Path, name: str) -> Iterator[Path]:
    """A folder of this run alone below the state folder; those of runs that are no more are removed, too."""
    above = make_folder(state / "backup")
    for left in leftovers(above, f"{name}-"):
        remove_tree(left)
    path = above / f"{name}-{os.getpid()}"
    remove_tree(path)  # of an earlier process that had this pid
    make_folder(path)
    try:
        yield path
    finally:
        remove_tree(path)


def remove_tree(path: Path) -> None:
    """Remove a folder of ours with all in it, also what was made read-only; follows no link."""
    top = long_path(os.fspath(path))
    shutil.rmtree(top, ignore_errors=True)
    if not os.path.lexists(top):
        return
    for folder, names, files in os.walk(top):
        for name in (*names, *files):
            one = os.path.join(folder, name)
            if not os.path.islink(one):
                with contextlib.suppress(OSError):
                    os.chmod(one, 0o700)
    shutil.rmtree(top, ignore_errors=True)


def leftovers(folder: Path, prefix: str) -> list[Path]:
    """What runs that were cut short left in a folder: `prefix` and a pid, when that process is gone."""
    try:
        found = [path for path in folder.iterdir() if re.fullmatch(rf"{re.escape(prefix)}[0-9]+", path.name)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [path for path in found if not _runs(int(path.name.removeprefix(prefix)))]


def _runs(pid: int) -> bool:
    return pid == os.getpid() or host.identity(pid) is not None

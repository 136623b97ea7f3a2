"""The ids under which a workspace was registered, kept in the workspace itself: they move with it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection
from pathlib import Path

from autosys_tasks.core.files import make_folder, read_json, retry_while_held, write_atomic

FILE = "outputs/registered_as.json"


def read(folder: str) -> frozenset[str]:
    """The ids under which it was registered, and may still be."""
    try:
        said = read_json(Path(folder, FILE))
    except (OSError, ValueError):
        return frozenset()
    return frozenset(map(str, said)) if isinstance(said, list) else frozenset()


def add(folder: str, site_id: str) -> None:
    """Add an id."""
    _write(folder, read(folder) | {site_id})


def forget(folder: str, ids: Collection[str]) -> None:
    """Remove ids under which nothing is registered any more."""
    _write(folder, read(folder) - frozenset(ids))


def _write(folder: str, names: frozenset[str]) -> None:
    path = Path(folder, FILE)
    if names == read(folder):
        return
    if names:
        make_folder(path.parent)
        write_atomic(path, json.dumps(sorted(names)))
        return
    retry_while_held(lambda: path.unlink(missing_ok=True))
    with contextlib.suppress(OSError):
        path.parent.rmdir()  # which only succeeds for an empty one

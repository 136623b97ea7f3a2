"""Which entries a person had registered: one that is gone and was not unregistered is missing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from autosys_tasks.core.files import make_folder, read_json, write_atomic
from autosys_tasks.schedule.values import BACKUP
from autosys_tasks.supervise.state import Place

FILE = "schedule.json"


def read(place: Place) -> frozenset[str]:
    """The names of the entries that should be registered."""
    try:
        said = read_json(f"{place.folder}/{FILE}")
    except (OSError, ValueError):
        return frozenset()
    return frozenset(map(str, said)) if isinstance(said, list) else frozenset()


def nightly(place: Place) -> bool:
    """Whether a person had the nightly backup registered."""
    return BACKUP in read(place)


def changed_at(place: Place) -> float | None:
    """When that was last noted, in seconds since 1970."""
    try:
        return Path(f"{place.folder}/{FILE}").stat().st_mtime
    except OSError:
        return None


def note(place: Place, names: Iterable[str], *, registered: bool) -> None:
    """Note that these were registered, or unregistered."""
    old, changed = read(place), frozenset(names)
    new = old | changed if registered else old - changed
    if new != old:
        make_folder(Path(place.folder))
        write_atomic(f"{place.folder}/{FILE}", json.dumps(sorted(new)), durable=True, mode=0o600)

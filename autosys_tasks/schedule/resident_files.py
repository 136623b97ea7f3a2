"""The files of the resident scheduler: its registered entries, and how each run ended."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from autosys_tasks import host
from autosys_tasks.core.files import make_folder, read_json, retry_while_held, write_atomic
from autosys_tasks.schedule.due import Moment
from autosys_tasks.schedule.values import Site


class Run(NamedTuple):
    """The last run of an entry: when it was started, and its exit code (None: under way, or not known)."""

    at: Moment
    code: int | None = None


class Place(NamedTuple):
    """The files of one workspace's keeper."""

    folder: str

    @property
    def lock(self) -> str:
        """Held by the keeper for life."""
        return f"{self.folder}/keep.lock"

    @property
    def bell(self) -> str:
        """What wakes the keeper."""
        return f"{self.folder}/keep.bell"

    @property
    def names(self) -> str:
        """The entries that were registered; without this file, all."""
        return f"{self.folder}/keep.json"

    @property
    def runs(self) -> str:
        """When the keeper began, and the last run of each entry."""
        return f"{self.folder}/kept.json"


def place_of(site: Site) -> Place:
    """The state folder of the workspace."""
    said = site.state or dict(site.env).get("AUTOSYS_STATE")
    return Place(said or str(host.state_home() / "autosys" / site.id))


def now() -> Moment:
    """This moment."""
    return Moment(time.time(), host.boot_clock(), host.boot_id())


def read_names(place: Place, otherwise: set[str] | None = None) -> set[str] | None:
    """The registered entries; None = there is no such note, `otherwise` when it cannot be read."""
    try:
        said = read_json(place.names)
        return None if said is None else {str(name) for name in said["names"]}  # type: ignore[index]
    except (OSError, ValueError, TypeError, KeyError):
        return otherwise


def write_names(place: Place, names: Iterable[str]) -> None:
    """Note which entries are registered (none: take the note away), and wake the keeper."""
    kept = sorted(names)
    if kept:
        make_folder(Path(place.folder))
        write_atomic(place.names, json.dumps({"names": kept}), durable=True, mode=0o600)
    else:
        retry_while_held(lambda: Path(place.names).unlink(missing_ok=True))
    host.ring(place.bell)


def read_runs(place: Place) -> tuple[Moment | None, dict[str, Run]]:
    """When the keeper began, and the last run of each entry; a spoilt file is no knowledge."""
    try:
        said = read_json(place.runs)
        runs = {str(name): Run(Moment(*at), code) for name, (at, code) in said["runs"].items()}  # type: ignore[index]
        return Moment(*said["began"]), runs  # type: ignore[index]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None, {}


def write_runs(place: Place, began: Moment, runs: Mapping[str, Run]) -> None:
    """Replace that; only the keeper does."""
    write_atomic(place.runs, json.dumps({"began": began, "runs": runs}), mode=0o600)


def holder(place: Place) -> host.Identity | None:
    """The keeper that lives now; None = nobody keeps, or it is not told who."""
    holders = host.lock_holders(place.lock) if os.path.exists(place.lock) else []
    return next(iter(holders), None)


def is_kept(place: Place) -> bool:
    """Whether a keeper lives."""
    return host.lock_held(place.lock)

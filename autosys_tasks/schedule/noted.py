"""The last runs of what cron and launchd start, noted by the very line that they run: by nobody else."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple

from autosys_tasks.core.files import make_folder, read_text
from autosys_tasks.schedule.noted_text import note_of
from autosys_tasks.schedule.values import Site


class Ran(NamedTuple):
    """When a run ended, in seconds since 1970, and its exit code; None = not told."""

    at: float | None = None
    code: int | None = None


def prepare(site: Site, mechanism: str, name: str) -> None:
    """Make the folders without which a run could write neither its output nor its note."""
    make_folder(Path(site.log).parent)
    make_folder(Path(note_of(site, mechanism, name)).parent)


def last(site: Site, mechanism: str, name: str) -> Ran:
    """The last run; nothing when there was none."""
    path = Path(note_of(site, mechanism, name))
    try:
        return Ran(path.stat().st_mtime, int(read_text(path) or ""))
    except (OSError, ValueError):
        return Ran()


def forget(site: Site, mechanism: str, name: str) -> None:
    """Take the note away with its entry."""
    path = Path(note_of(site, mechanism, name))
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        path.parent.rmdir()  # which only succeeds for an empty one

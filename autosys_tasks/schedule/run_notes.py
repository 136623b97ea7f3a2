"""The last runs of entries of cron and launchd, from a file that the started command line itself writes."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import NamedTuple

from autosys_tasks.core.files import make_folder, read_text, retry_while_held
from autosys_tasks.schedule.run_notes_text import note_of
from autosys_tasks.schedule.values import Site

WRITING_S = 0.5  # a shell empties the file, and writes a number into it


class Ran(NamedTuple):
    """When a run ended, in seconds since 1970, and its exit code; None = not told."""

    at: float | None = None
    code: int | None = None


def prepare(site: Site, mechanism: str, name: str) -> None:
    """Make the folders without which a run could write neither its output nor its note."""
    make_folder(Path(site.log).parent)
    make_folder(Path(note_of(site, mechanism, name)).parent)


def last(site: Site, mechanism: str, name: str) -> Ran:
    """The last run; nothing when there was none. A note that is just being written is waited for."""
    path, until = Path(note_of(site, mechanism, name)), time.monotonic() + WRITING_S
    while True:
        try:
            at, text, still = path.stat().st_mtime, read_text(path) or "", path.stat().st_mtime
        except OSError:
            return Ran()
        whole = at == still and text.endswith("\n")
        if whole or time.monotonic() > until:
            return Ran(still, int(text) if whole and text.strip().isdecimal() else None)
        time.sleep(0.005)


def forget(site: Site, mechanism: str, name: str) -> None:
    """Take the note away with its entry."""
    path = Path(note_of(site, mechanism, name))
    retry_while_held(lambda: path.unlink(missing_ok=True))
    with contextlib.suppress(OSError):
        path.parent.rmdir()  # which only succeeds for an empty one

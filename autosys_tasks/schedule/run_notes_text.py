"""A time limit and a note of the exit code for schedulers without them (cron, launchd). Pure."""

from __future__ import annotations

import posixpath

from autosys_tasks.schedule.values import Entry, Site

LIMITED = (
    "import os,signal,sys;signal.alarm(int(sys.argv[1]));os.execv(sys.executable,[sys.executable,*sys.argv[2:]])"
)


def limited(site: Site, entry: Entry) -> tuple[str, ...]:
    """An entry's command, which ends by a signal (exit code 142) when it takes too long: an alarm outlives `exec`.

    What it has started goes on, as with every other scheduler.
    """
    python, *words = site.argv(entry)
    return (python, "-I", "-S", "-c", LIMITED, str(entry.limit_s), *words)


def note_of(site: Site, mechanism: str, name: str) -> str:
    """The file that holds the exit code of an entry's last run; its own time is when that ended."""
    return posixpath.join(site.state, "ran", f"{mechanism}-{name}")

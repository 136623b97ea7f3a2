"""runit: runsvdir starts one runsv for each service folder; `sv check` runs a service's ./check script."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import cache
from room import Job, Room

NAME = "runit"
INSTALL = "apt-get install runit"
CHAIN = True  # the documented idiom: the run script begins with `sv start` of what it needs


def version() -> str | None:
    """The package's version; the programs themselves do not tell."""
    if cache.program("runsvdir") is None:
        return None
    return cache.version_of("dpkg-query", "--show", "runit") or "unknown"


def environment(folder: Path) -> dict[str, str]:
    """Where `sv` finds its services."""
    return {"SVDIR": str(folder / "services")}


def write(room: Room) -> None:
    """One folder with a run script for each job, and a check script where readiness counts."""
    for job in room.jobs:
        folder = room.folder / "services" / job.name
        folder.mkdir(parents=True)
        _script(folder / "run", *_needs(job), f"exec {shlex.join(job.argv)}")
        if job.ready:
            _script(folder / "check", f"test -e {shlex.quote(job.ready)}")


def start(room: Room) -> bool:
    """Start runsvdir, and wait for every check."""
    again(room)
    # `sv check` fails at once for a service whose runsv is not there yet.
    deadline = time.monotonic() + 60
    while room.run("sv", "-w", "60", "check", *sorted(room.names), check=False).returncode:
        if time.monotonic() > deadline:
            raise TimeoutError("runit did not bring everything up within 60 s")
        time.sleep(0.005)
    return True


def again(room: Room) -> None:
    """Start runsvdir again."""
    room.daemon("runsvdir", str(room.folder / "services"))


def status(room: Room) -> list[str]:
    """`sv status` of every service."""
    return ["sv", "status", *sorted(room.names)]


def _needs(job: Job) -> list[str]:
    return [f"sv -w 60 start {job.needs} || exit 1"] if job.needs else []


def _script(path: Path, *lines: str) -> None:
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]), encoding="utf-8", newline="\n")
    path.chmod(0o755)

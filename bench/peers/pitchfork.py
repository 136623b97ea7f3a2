"""pitchfork: one Rust supervisor, its configuration pitchfork.toml; readiness by a command."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import cache
from room import Job, Room

NAME = "pitchfork"
INSTALL = "cargo install pitchfork-cli"
CHAIN = True
SUPERVISOR = "supervisor"  # the rest are the log sinks of its daemons
KILLS = 8  # of each size: it looks every ten seconds


def version() -> str | None:
    """The version of the one that is found."""
    found = cache.program("pitchfork")
    return cache.version_of(found, "--version") if found else None


def environment(folder: Path) -> dict[str, str]:
    """Its state and its home, so that a person's own supervisor is left alone."""
    return {"PITCHFORK_STATE_DIR": str(folder / "state"), "HOME": str(folder)}


def write(room: Room) -> None:
    """One daemon for each job."""
    text = "".join(_daemon(job) for job in room.jobs)
    (room.folder / "pitchfork.toml").write_text(text, encoding="utf-8", newline="\n")


def start(room: Room) -> bool:
    """`pitchfork start`, which starts the supervisor too and waits until all is ready."""
    room.run(_program(), "start", "--local", "--quiet")
    return True


def again(room: Room) -> None:
    """Start the supervisor, then what is not up."""
    room.run(_program(), "supervisor", "start", check=False)
    start(room)


def status(room: Room) -> list[str]:
    """`pitchfork list`."""
    return [_program(), "list", "--json"]


def _program() -> str:
    return cache.program("pitchfork") or "pitchfork"


def _daemon(job: Job) -> str:
    lines = [f"[daemons.{job.name}]", f"run = {json.dumps('exec ' + shlex.join(job.argv))}", "retry = true"]
    if job.ready:
        lines.append(f"ready_cmd = {json.dumps('test -e ' + shlex.quote(job.ready))}")
    if job.needs:
        lines.append(f"depends = [{json.dumps(job.needs)}]")
    return "\n".join([*lines, ""])

"""OxMgr: one Rust daemon, its configuration an oxfile; readiness by a health command."""

from __future__ import annotations

import json
import shlex
import socket
from pathlib import Path

import cache
from room import Job, Room

NAME = "oxmgr"
INSTALL = "https://github.com/Vladimir-Urik/OxMgr"
CHAIN = True


def version() -> str | None:
    """The version of the one that is found."""
    found = cache.program("oxmgr")
    return cache.version_of(found, "--version") if found else None


def environment(folder: Path) -> dict[str, str]:
    """Its home and its two ports, so that a person's own daemon is left alone."""
    daemon, api = _free_ports()
    return {
        "OXMGR_HOME": str(folder / "oxmgr"),
        "OXMGR_DAEMON_ADDR": f"127.0.0.1:{daemon}",
        "OXMGR_API_ADDR": f"127.0.0.1:{api}",
    }


def write(room: Room) -> None:
    """One app for each job; told to wait only where another app needs it, for it waits one by one."""
    needed = {job.needs for job in room.jobs}
    last = room.jobs[-1]
    waits = needed | {last.name} if last.needs else needed
    text = "version = 1\n" + "".join(_app(job, wait=job.name in waits) for job in room.jobs)
    (room.folder / "oxfile.toml").write_text(text, encoding="utf-8", newline="\n")


def start(room: Room) -> bool:
    """`oxmgr apply`, which starts the daemon too; ready at its end where it was told to wait."""
    again(room)
    return any(job.needs for job in room.jobs)


def again(room: Room) -> None:
    """`oxmgr apply` again."""
    room.run(_program(), "apply", "oxfile.toml")


def status(room: Room) -> list[str]:
    """`oxmgr list --json`."""
    return [_program(), "list", "--json"]


def _program() -> str:
    return cache.program("oxmgr") or "oxmgr"


def _app(job: Job, *, wait: bool) -> str:
    lines = ["[[apps]]", f"name = {json.dumps(job.name)}", f"command = {json.dumps(shlex.join(job.argv))}"]
    lines += ['restart_policy = "always"', "crash_restart_limit = 0", "max_restarts = 100000"]
    if job.needs:
        lines.append(f"depends_on = [{json.dumps(job.needs)}]")
    if wait:
        lines += [f"health_cmd = {json.dumps('test -e ' + shlex.quote(job.ready))}", "wait_ready = true"]
    return "\n".join([*lines, ""])


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]

"""process-compose: one Go process, its configuration a YAML file (JSON is YAML), readiness by probes."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path

import cache
from room import Job, Room

NAME = "process-compose"
INSTALL = "https://github.com/F1bonacc1/process-compose"
KILLS = 20  # of each size: it waits for a second before each restart
CHAIN = True


def version() -> str | None:
    """The version of the one that is found."""
    found = cache.program("process-compose")
    return cache.version_of(found, "version") if found else None


def environment(folder: Path) -> dict[str, str]:
    """Its socket, and no looking for a newer one."""
    return {"PC_SOCKET_PATH": str(folder / "pc.sock"), "PC_DISABLE_TUI": "1", "XDG_CONFIG_HOME": str(folder)}


def write(room: Room) -> None:
    """One process for each job; its probes come at their finest, once a second."""
    text = json.dumps({"version": "0.5", "processes": {job.name: _process(job) for job in room.jobs}})
    (room.folder / "process-compose.yaml").write_text(text, encoding="utf-8", newline="\n")


def start(room: Room) -> bool:
    """Start it without its screen, and wait until it says that all is ready."""
    again(room)
    while not (room.folder / "pc.sock").exists():
        time.sleep(0.005)
    room.run(_program(), "project", "is-ready", "--wait")
    return True


def again(room: Room) -> None:
    """Start it again."""
    room.daemon(_program(), "up", "--tui=false", "--use-uds", "-f", "process-compose.yaml")


def status(room: Room) -> list[str]:
    """`process list`."""
    return [_program(), "process", "list", "--output", "json"]


def _program() -> str:
    return cache.program("process-compose") or "process-compose"


def _process(job: Job) -> dict[str, object]:
    process: dict[str, object] = {
        "command": f"exec {shlex.join(job.argv)}",
        "availability": {"restart": "always"},
    }
    if job.ready:
        process["readiness_probe"] = {
            "exec": {"command": f"test -e {shlex.quote(job.ready)}"},
            "initial_delay_seconds": 0, "period_seconds": 1,
        }  # fmt: skip
    if job.needs:
        process["depends_on"] = {job.needs: {"condition": "process_healthy"}}
    return process

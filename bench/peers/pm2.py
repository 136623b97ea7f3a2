"""pm2: one Node daemon, its configuration an ecosystem file; readiness only of Node programs."""

from __future__ import annotations

import json
from pathlib import Path

import cache
from room import Room

NAME = "pm2"
INSTALL = "npm install pm2"
CHAIN = False


def version() -> str | None:
    """The installed version."""
    package = cache.folder() / "node" / "node_modules" / "pm2" / "package.json"
    if not package.exists():
        return None
    return str(json.loads(package.read_text(encoding="utf-8"))["version"])


def install() -> None:
    """Bring it from npm into the cache."""
    cache.install_node("pm2")


def environment(folder: Path) -> dict[str, str]:
    """Its home, so that a person's own daemon is left alone."""
    return {"PM2_HOME": str(folder / "pm2")}


def write(room: Room) -> None:
    """One app for each job, run without an interpreter."""
    apps = [
        {
            "name": job.name,
            "script": job.argv[0],
            "args": list(job.argv[1:]),
            "interpreter": "none",
            "vizion": False,
        }
        for job in room.jobs
    ]
    (room.folder / "ecosystem.json").write_text(json.dumps({"apps": apps}), encoding="utf-8", newline="\n")


def start(room: Room) -> bool:
    """`pm2 start`, which starts the daemon too."""
    room.run(str(cache.node_tool("pm2")), "start", "ecosystem.json")
    return False


def save(room: Room) -> None:
    """`pm2 save`: what `resurrect` reads."""
    room.run(str(cache.node_tool("pm2")), "save")


def again(room: Room) -> None:
    """`pm2 resurrect`."""
    room.run(str(cache.node_tool("pm2")), "resurrect")


def status(room: Room) -> list[str]:
    """`pm2 jlist`."""
    return [str(cache.node_tool("pm2")), "jlist"]

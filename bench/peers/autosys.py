"""autosys: through its command in a scratch workspace; the resident guard is its supervisor."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cache
from room import Job, Room

NAME = "autosys"
INSTALL = "pip install . (in this repository)"
CHAIN = True

_TASKS = """\
from autosys_tasks import ns
"""

_HEAD = """\
[workspace]
name = "bench"
[watchdog]
stable_after_s = 0
"""


def tool(name: str) -> str:
    """A command of the environment that runs this bench."""
    return str(Path(sys.executable).with_name(name))


def version() -> str | None:
    """The installed version."""
    code = "from importlib.metadata import version; print(version('autosys'))"
    return cache.version_of(sys.executable, "-c", code) if Path(tool("autosys")).exists() else None


def environment(folder: Path) -> dict[str, str]:
    """Its state, in the scratch folder; no workspace above it counts."""
    return {"AUTOSYS_STATE": str(folder / "state"), "AUTOSYS_WORKSPACE": str(folder)}


def write(room: Room, extra: str = "") -> None:
    """One service for each job, and a tasks.py so that `inv` works there too."""
    text = _HEAD + "".join(_service(job) for job in room.jobs) + extra
    (room.folder / "autosys.toml").write_text(text, encoding="utf-8", newline="\n")
    (room.folder / "tasks.py").write_text(_TASKS, encoding="utf-8", newline="\n")


def start(room: Room) -> bool:
    """`autosys bringup`: ends when everything is ready."""
    room.run(tool("autosys"), "bringup")
    return True


def again(room: Room) -> None:
    """The next tick."""
    room.run(tool("autosys"), "watchdog")


def status(room: Room) -> list[str]:
    """`autosys ps --json`."""
    return [tool("autosys"), "ps", "--json"]


def _service(job: Job) -> str:
    lines = [f"[services.{job.name}]", f"command = {json.dumps(job.argv)}"]
    if job.needs:
        lines.append(f"depends_on = [{json.dumps(job.needs)}]")
    if job.ready:
        lines.append(f"readiness = {{ file = {json.dumps(job.ready)}, max_age_s = 86400 }}")
    return "\n".join([*lines, ""])

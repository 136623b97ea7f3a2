"""circus: one circusd, its configuration an ini file; readiness only through a hook that its user writes."""

from __future__ import annotations

import shlex
from pathlib import Path

import cache
from room import Job, Room

NAME = "circus"
INSTALL = "pip install circus"
KILLS = 20  # of each size: it looks once a second
CHAIN = True  # watchers start by priority; an after_start hook holds the next one back

_HEAD = """\
[circus]
endpoint = ipc://{here}/endpoint
pubsub_endpoint = ipc://{here}/pubsub
check_delay = 1
statsd = False
pidfile = {here}/circus.pid
"""

_HOOK = '''\
"""Holds circus back until a service's file is there."""
import pathlib
import time


def ready(watcher, arbiter, hook_name, **kwargs):
    path = pathlib.Path(watcher.env["READY"])
    while not path.exists():
        time.sleep(0.01)
    return True
'''


def version() -> str | None:
    """The installed version."""
    return cache.version_of(cache.python_tool("circusd"), "--version")


def install() -> None:
    """Bring it from PyPI into the cache."""
    cache.install_python("circus")


def environment(folder: Path) -> dict[str, str]:
    """Where the hook is found."""
    return {"PYTHONPATH": str(folder)}


def write(room: Room) -> None:
    """One watcher for each job, the first job with the highest priority."""
    chained = any(job.needs for job in room.jobs)
    watchers = [_watcher(job, priority=-at, chained=chained) for at, job in enumerate(room.jobs)]
    text = _HEAD.format(here=room.folder) + "".join(watchers)
    (room.folder / "circus.ini").write_text(text, encoding="utf-8", newline="\n")
    (room.folder / "hold.py").write_text(_HOOK, encoding="utf-8", newline="\n")


def start(room: Room) -> bool:
    """Start circusd, which leaves for the background before it starts everything."""
    room.run(str(cache.python_tool("circusd")), "--daemon", str(room.folder / "circus.ini"))
    return False


again = start


def status(room: Room) -> list[str]:
    """`circusctl status`."""
    return [str(cache.python_tool("circusctl")), "--endpoint", f"ipc://{room.folder}/endpoint", "status"]


def _watcher(job: Job, *, priority: int, chained: bool) -> str:
    lines = [
        f"[watcher:{job.name}]",
        f"cmd = {shlex.join(job.argv)}",
        "copy_env = True",
        f"priority = {priority}",
    ]
    if chained:
        lines += ["hooks.after_start = hold.ready", f"[env:{job.name}]", f"READY = {job.ready}"]
    return "\n".join([*lines, ""])

"""supervisor: one supervisord, its configuration an ini file; it knows no readiness."""

from __future__ import annotations

import shlex
from pathlib import Path

import cache
from room import Room

NAME = "supervisor"
INSTALL = "pip install supervisor"
KILLS = 20  # of each size: it looks once a second
CHAIN = False

_HEAD = """\
[supervisord]
logfile=%(here)s/supervisord.log
pidfile=%(here)s/supervisord.pid
childlogdir=%(here)s
[unix_http_server]
file=%(here)s/supervisor.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://%(here)s/supervisor.sock
"""


def version() -> str | None:
    """The installed version."""
    return cache.version_of(cache.python_tool("supervisord"), "--version")


def install() -> None:
    """Bring it from PyPI into the cache."""
    cache.install_python("supervisor")


def environment(folder: Path) -> dict[str, str]:
    """Nothing."""
    return {}


def write(room: Room) -> None:
    """One program section for each job."""
    programs = [
        f"[program:{job.name}]\ncommand={shlex.join(job.argv)}\nautorestart=true\n" for job in room.jobs
    ]
    _configuration(room).write_text(_HEAD + "".join(programs), encoding="utf-8", newline="\n")


def start(room: Room) -> bool:
    """Start supervisord, which starts everything and leaves for the background."""
    room.run(str(cache.python_tool("supervisord")), "-c", str(_configuration(room)))
    return False


again = start


def status(room: Room) -> list[str]:
    """`supervisorctl status`."""
    return [str(cache.python_tool("supervisorctl")), "-c", str(_configuration(room)), "status"]


def _configuration(room: Room) -> Path:
    return room.folder / "supervisord.conf"

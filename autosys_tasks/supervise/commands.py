"""Runs `autosys` commands as processes of their own: their argv and environment, detached start, kill."""

from __future__ import annotations

import contextlib
import os
import time

from autosys_tasks import host
from autosys_tasks.bootstrap import tree
from autosys_tasks.supervise import environ, logs
from autosys_tasks.supervise.house import House

LOG_MAX, LOG_KEEP = 1_000_000, 2
TREE_S = 10.0  # how long the end of a run is waited for


def argv(*words: str) -> tuple[str, ...]:
    """What runs `autosys WORDS` with this very package, and no other."""
    main = "from autosys_tasks.program import main;main()"
    return environ.python_argv(os.path.dirname(tree.HERE), main, *words)


def env(house: House) -> dict[str, str]:
    """What such a command is given: nothing that was meant for this process alone, and the same workspace."""
    return {**house.base, "AUTOSYS_WORKSPACE": house.config.path, "AUTOSYS_STATE": house.place.folder}


def start_detached(
    house: House, log: str, *words: str, priority: str = "normal", more: dict[str, str] | None = None
) -> int:
    """Start a command in the background; its output goes to `outputs/logs/LOG`. Returns its pid."""
    path = os.path.join(house.config.path, "outputs", "logs", log)
    logs.rotate_stopped(path, LOG_MAX, LOG_KEEP)
    given = {**env(house), **(more or {})}
    return host.spawn(host.Launch(argv(*words), given, house.config.path, path, priority=priority), None)


def end(pid: int) -> None:
    """Kill a command and its process tree, except the services that it started."""
    who, until = host.identity(pid), time.monotonic() + TREE_S
    while who is not None and time.monotonic() < until:
        services = {marked.who for marked in host.marked()}
        members = [member for member in host.family(who, "") if member not in services]
        if not members:
            return
        for member in members:
            with contextlib.suppress(PermissionError):
                host.end(member)

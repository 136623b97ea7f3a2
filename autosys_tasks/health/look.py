"""Looks at everything that the configuration declares, one look a check; changes nothing, judges nothing."""

from __future__ import annotations

import os
from pathlib import Path

from autosys_tasks import probes
from autosys_tasks.config.model import Config, Environment, Service
from autosys_tasks.core.clock import counted
from autosys_tasks.core.journal import FILES, last_run
from autosys_tasks.core.probe import Probe
from autosys_tasks.health import duplicates, probing
from autosys_tasks.health.look_backup import see_backup
from autosys_tasks.health.look_service import SharedMarks, patience, see_service
from autosys_tasks.health.look_things import (
    Listings,
    Usage,
    disk_usage,
    see_autostart,
    see_disk,
    see_environment,
    see_output,
    see_rivals,
    see_upgrade,
)
from autosys_tasks.health.values import GRACE_S, WITHIN_S, ConfigSeen, Look, More, WatchSeen
from autosys_tasks.supervise import look as supervise_look
from autosys_tasks.supervise.house import House
from autosys_tasks.supervise.plan import pids_of
from autosys_tasks.supervise.state import read_wanted
from autosys_tasks.supervise.values import GUARD
from autosys_tasks.vscode.look import look as see_editor

TRIALS_S = 30.0  # asking the scheduler, then each command once
BACKUPS_S = 5.0  # the head and the foot of each manifest
WRITTEN = ("backups", "outputs")
MARKERS = (".gitkeep", ".gitignore")  # by which git keeps a folder itself
FINDS = "environment"  # the check that finds others
FIND_S = 10.0  # a walk through the workspace, and git's word on it
LISTS_S = 10.0  # a Task Scheduler has hundreds of tasks


def looks(
    house: House, *, dry: bool = False, usage: Usage = disk_usage, listed: Listings | None = None
) -> list[Look]:
    """Every check that the configuration asks for, in the page's order. `dry`: not one byte may change."""
    config, marks = house.config, SharedMarks(house)
    return [
        Look("config", "configuration", lambda: see_config(house, marks)),
        *(_service_look(house, service, marks) for service in config.services.values()),
        Look("watchdog", "watchdog", lambda: see_watch(house, marks)),
        Look("autostart", "start after logon", lambda: see_autostart(house), TRIALS_S),
        Look("backup", "daily backup", lambda: see_backup(house), BACKUPS_S),
        *_environment_looks(house),
        Look("upgrade", "upgrade after a pull", lambda: see_upgrade(house), FIND_S),
        *(_output_look(config, path) for path in config.outputs),
        *(_probe_look(house, probe, dry=dry) for probe in config.probes.values()),
        Look("disk", "disk space", lambda: see_disk(house, usage)),
        Look("duplicates", "second copies", lambda: duplicates.see_copies(house, marks)),
        Look("rivals", "rival starters", lambda: see_rivals(house, listed), LISTS_S),
        Look("vscode", "editor tasks", lambda: see_editor(house)),
    ]


def _service_look(house: House, service: Service, marks: SharedMarks) -> Look:
    title = f"service {service.name}" + (f": {service.purpose}" if service.purpose else "")
    return Look(
        f"service.{service.name}", title, lambda: see_service(house, service.name, marks), patience(service)
    )


def _environment_looks(house: House) -> list[Look]:
    """One for each that is declared; where none is, the one that finds them: that takes a walk, and asks git."""
    if house.config.environments:
        return [_environment_look(house, each) for each in house.config.environments.values()]
    return [Look(FINDS, "environments", lambda: find_environments(house), FIND_S)]


def find_environments(house: House) -> More:
    """A look for each environment that is discovered."""
    from autosys_tasks.upgrade import look

    return More(tuple(_environment_look(house, each) for each in look.environments(house).values()))


def _environment_look(house: House, environment: Environment) -> Look:
    title = f"environment {environment.name}"
    return Look(f"environment.{environment.name}", title, lambda: see_environment(house, environment))


def _output_look(config: Config, path: str) -> Look:
    return Look(f"outputs.{path}", f"output {path}", lambda: see_output(config, path))


def _probe_look(house: House, probe: Probe, *, dry: bool) -> Look:
    return Look(
        f"probe.{probe.name}",
        f"probe {probe.name}",
        lambda: probing.ask(house, probe, dry=dry),
        max(WITHIN_S, probe.timeout_s) + GRACE_S,
    )


def see_config(house: House, marks: SharedMarks) -> ConfigSeen:
    """Whether the file still is as right as when this run began, and what runs without being declared."""
    from autosys_tasks.config.load import load
    from autosys_tasks.core.errors import AutosysError

    declared = _declared(house.config)
    try:
        load(Path(house.config.path))
    except AutosysError as error:
        problems = [f"{problem.where}: {problem.message}" for problem in error.problems]
        return ConfigSeen(declared, tuple(problems) or (error.message,))
    undeclared, outdated = [], []
    for name in supervise_look.traces(house, marks):
        facts = supervise_look.look_at_one(house, name, marks)
        if name not in house.config.services:
            pids = pids_of(facts)
            undeclared += [(name, tuple(pids))] if pids else []
        elif facts.leader and facts.record and facts.record.spec != facts.spec:
            outdated.append(name)
    return ConfigSeen(declared, (), tuple(undeclared), tuple(outdated), _staged(house.config.path))


def _staged(root: str) -> tuple[str, ...]:
    """What git has of the folders that runs write to; where git cannot be asked, the check of upgrades says so."""
    from autosys_tasks.host import git

    if not git.above(root):
        return ()
    try:
        said = git.ask(root, "ls-files", "-z", "--", *WRITTEN)
    except git.GitError:
        return ()
    paths = os.fsdecode(said.out).split("\0")
    return tuple(path for path in paths if path and path.rpartition("/")[2] not in MARKERS)


def _declared(config: Config) -> str:
    tables = {
        "service": config.services, "environment": config.environments, "probe": config.probes,
        "output": config.outputs, "backup set": config.backup.sets,
    }  # fmt: skip
    return ", ".join(counted(len(table), word) for word, table in tables.items() if table) or "nothing declared"


def see_watch(house: House, marks: SharedMarks) -> WatchSeen:
    """The guard with its heartbeat, and the last tick in the journal when no guard gives the evidence."""
    guard = supervise_look.look_at_one(house, GUARD, marks)
    managed = [name for name, service in house.config.services.items() if service.managed]
    wanted = any(read_wanted(house.place, name).up for name in managed)
    beat = None
    if guard.leader is not None and house.guard.liveness is not None:
        beat = probes.ask(house.guard.liveness, supervise_look.subject(house, GUARD, guard.record))
    tick = last_run(house.outputs / FILES["watchdog"], "watchdog") if beat is None else {}
    at = tick.get("ts")
    return WatchSeen(
        guard,
        beat,
        at if isinstance(at, float) else None,
        tick.get("ok") is True,
        str(tick.get("detail", "")),
        wanted,
    )

"""Looks at what is no service: environments, upgrades, outputs, free space, who starts it; changes nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from autosys_tasks import host, probes
from autosys_tasks.config.model import Config, Environment
from autosys_tasks.health.values import AutostartSeen, EnvironmentSeen, OutputSeen, Room, UpgradeSeen
from autosys_tasks.probes.values import quote
from autosys_tasks.schedule.values import Listing, RivalsSeen, Site
from autosys_tasks.supervise.house import House

JSON_BYTES = 20_000_000
Listings = Callable[[Site], Sequence[Listing]]
RUNS_S = 1.7  # an interpreter says that it runs in 20 ms
Usage = Callable[[str], tuple[int, int]]  # path -> (total, free) bytes


def see_environment(house: House, environment: Environment) -> EnvironmentSeen:
    """Whether an environment is there, and its interpreter runs."""
    from autosys_tasks.upgrade import look, presence

    found, seen = presence.look(environment, house.config.path), look.see(house, environment)
    vanished = bool(seen.vanished and seen.record.done and seen.record.done.files)
    if environment.kind == "command" and not environment.outputs and not vanished:
        return EnvironmentSeen("it declares no `outputs`", nothing_to_see=True)
    missing = seen.missing
    if environment.kind == "python" and not missing:
        missing = _does_not_run(host.python_in(environment.path), house.config.path)
    told = "nothing is asked for, and nothing is there" if seen.idle and found.missing else found.found
    made = bool(seen.manifests)
    return EnvironmentSeen(
        told, missing, manifests=environment.manifests, can_be_made=made, taken=found.taken, vanished=vanished
    )


def _does_not_run(python: str, cwd: str) -> str:
    """Why an interpreter does not run, "" when it does."""
    from autosys_tasks.host import child

    try:
        code = child.run([python, "-I", "-S", "-c", ""], cwd, os.environ, RUNS_S).code
    except child.Late:
        return f"`{python}` did not end within {RUNS_S:g} s"
    except OSError as error:
        return f"`{python}` cannot be run: {error.strerror or error}"
    return f"`{python}` does not run: it ended with {code}" if code else ""


def see_upgrade(house: House) -> UpgradeSeen:
    """What an upgrade would do now, and how the last one ended; reads what changed, runs nothing, keeps nothing."""
    from autosys_tasks.bootstrap import lastgood
    from autosys_tasks.upgrade import hooks, plan, run, stamps

    broken = lastgood.verdict(house.place.folder)
    picture = run.planned(house)
    facts, steps = picture.facts, picture.plan.steps
    found = plan.findings(facts)
    stale = [(seen, each) for seen, each in found if each.why]
    left_alone = [f"{seen.name}: {each.left}" for seen, each in found if each.left]
    kept = stamps.read_kept(house.place)
    done = [seen.record.done.at for seen in facts.environments if seen.record.done]
    restarts = [step for step in steps if step.kind == "restart" and step.target not in facts.owed]  # those are red
    return UpgradeSeen(
        names=tuple(seen.name for seen in facts.environments),
        looked=bool(done or kept or stamps.known_names(house.place)),
        stale=tuple((seen.name, "; ".join(each.why)) for seen, each in stale),
        failed=tuple((seen.name, last.why, last.at) for seen, _each in stale if (last := seen.record.failed)),
        faults=tuple(kept.faults.items()) if kept else (),
        warnings=(*left_alone, *facts.notes, *map(plan.loose, facts.unmapped)),
        last=max(done, default=None),
        broken=tuple(broken.lines()) if broken else (),
        hooks=hooks.look(house).state,
        old=tuple((step.target, step.reason) for step in restarts),
        unseen=tuple(dict.fromkeys(step.target for step in steps if kept and step.kind in plan.OF_SCRIPTS)),
        held=picture.held,
        restart_on=tuple(name for name, each in house.config.services.items() if each.restart_on),
        commit=kept.commit if kept else "",
        taken=tuple(seen.name for seen, _each in stale if seen.taken),
    )


def see_output(config: Config, written: str) -> OutputSeen:
    """How old an output is: its file's time, and the one that a JSON document says of itself."""
    path = Path(config.path, written)
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return OutputSeen(str(path))
    seen = OutputSeen(str(path), found.st_mtime)
    if path.suffix.lower() != ".json" or found.st_size > JSON_BYTES or path.is_dir():
        return seen
    return _with_own_time(path, seen)


def _with_own_time(path: Path, seen: OutputSeen) -> OutputSeen:
    from autosys_tasks.core.clock import parse_utc
    from autosys_tasks.core.files import read_json

    try:
        document = read_json(path)
    except (ValueError, RecursionError) as error:
        return seen._replace(broken=f"it is no JSON: {error}")
    if not isinstance(document, dict) or document.get("at") is None:
        return seen
    said = document["at"]
    try:
        at = float(said) if isinstance(said, int | float) else parse_utc(str(said))
    except (ValueError, OverflowError):
        return seen._replace(unclear=f"its `at` is no time: {quote(str(said), probes.Subject(), 40)}")
    return seen._replace(says_at=at / 1000 if at > 1e11 else at)


def disk_usage(path: str) -> tuple[int, int]:
    """(total, free for this user) bytes of the file system that holds `path`."""
    import shutil

    found = shutil.disk_usage(path)
    return found.total, found.free


def see_autostart(house: House) -> AutostartSeen:
    """What the scheduler says of each entry; the command of each that is registered is tried with --dry-run."""
    from autosys_tasks.schedule import look, registered_entries
    from autosys_tasks.schedule.site import site_of
    from autosys_tasks.schedule.values import entries

    site, known = site_of(house.config), entries(house.config)
    seen = look.see(site, known)
    asked, since = registered_entries.read(house.place), registered_entries.changed_at(house.place)
    no_way = look.no_way_for(house.config, seen.values())
    return AutostartSeen(tuple(seen.values()), asked, look.refusals(site, known, seen), since, no_way)


def see_rivals(house: House, listed: Listings | None = None) -> RivalsSeen:
    """Who else starts this workspace; `listed` stands for what this system's places hold."""
    from autosys_tasks.schedule import starters
    from autosys_tasks.schedule.site import site_of
    from autosys_tasks.schedule.values import entries

    site, beside = site_of(house.config)._replace(state=house.place.folder), house.config.schedule.beside
    return starters.see(site, entries(house.config), beside, listed or starters.listings)


def see_disk(house: House, usage: Usage) -> tuple[Room, ...]:
    """The free space where workspace, state and backups lie: one answer for each file system."""
    root = house.config.path
    places = (("workspace", root), ("state", house.place.folder), ("backups", f"{root}/backups"))
    rooms: dict[int, Room] = {}
    for what, path in places:
        there = _nearest(Path(path))
        device = there.stat().st_dev
        if device in rooms:
            rooms[device] = rooms[device]._replace(what=f"{rooms[device].what}, {what}")
        else:
            total, free = usage(str(there))
            rooms[device] = Room(what, str(there), total, free)
        rooms[device] = rooms[device]._replace(writable=rooms[device].writable and os.access(there, os.W_OK))
    return tuple(rooms.values())


def _nearest(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next((each for each in (path, *path.parents) if each.exists()), Path(path.anchor))

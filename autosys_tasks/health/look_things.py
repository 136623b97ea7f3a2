"""Looks at what lies on the disk: environments, outputs, free space; changes nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from autosys_tasks import host, probes
from autosys_tasks.config.model import Config, Environment
from autosys_tasks.health.values import AutostartSeen, EnvironmentSeen, OutputSeen, Room
from autosys_tasks.probes.values import quote
from autosys_tasks.schedule.values import Listing, RivalsSeen, Site
from autosys_tasks.supervise.house import House

JSON_BYTES = 20_000_000
Listings = Callable[[Site], Sequence[Listing]]
Usage = Callable[[str], tuple[int, int]]  # path -> (total, free) bytes


def see_environment(config: Config, environment: Environment) -> EnvironmentSeen:
    """Whether an environment is there: its interpreter, its modules, or what its command makes."""
    path = Path(environment.path)
    if environment.kind == "python":
        return _see_python(path)
    if environment.kind == "node":
        modules = path / "node_modules"
        missing = "" if modules.is_dir() else f"there is no folder `{modules}`"
        return EnvironmentSeen(str(modules), missing)
    if not environment.outputs:
        return EnvironmentSeen("it declares no `outputs`", nothing_to_see=True)
    gone = [name for name in environment.outputs if not _there(path, config, name)]
    return EnvironmentSeen(", ".join(environment.outputs), f"missing: {', '.join(gone)}" if gone else "")


def _there(path: Path, config: Config, name: str) -> bool:
    if any(char in name for char in "*?["):
        return any(any(base.glob(name)) for base in (path, Path(config.path)))
    return (path / name).exists() or Path(config.path, name).exists()


def _see_python(path: Path) -> EnvironmentSeen:
    python = Path(host.python_in(str(path)))
    if not path.is_dir():
        return EnvironmentSeen("nothing there", f"there is no environment at `{path}`")
    if not python.exists():
        where = f" (it leads to `{python.readlink()}`, which is gone)" if python.is_symlink() else ""
        return EnvironmentSeen(str(path), f"there is no interpreter `{python}`{where}")
    if not os.access(python, os.X_OK):
        return EnvironmentSeen(str(path), f"`{python}` cannot be run")
    home = _made_from(path / "pyvenv.cfg")
    if home is None and not (path / "conda-meta").is_dir():
        return EnvironmentSeen(str(path), f"`{path}` has no pyvenv.cfg: it is no virtual environment")
    if home and not Path(home).is_dir():
        return EnvironmentSeen(str(path), f"the Python that it was made from is gone (`{home}`)")
    return EnvironmentSeen(str(python))


def _made_from(cfg: Path) -> str | None:
    """The folder of the Python that a virtual environment was made from; None when it is none."""
    try:
        text = cfg.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    lines = (line.partition("=") for line in text.splitlines())
    return next((value.strip() for key, _, value in lines if key.strip() == "home"), "")


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
    from autosys_tasks.schedule import look, wanted
    from autosys_tasks.schedule.site import site_of
    from autosys_tasks.schedule.values import entries

    site, known = site_of(house.config), entries(house.config)
    seen = look.see(site, known)
    there = [entry for entry in known if seen[entry.name].state == "registered"]
    refusals = [(entry.name, why) for entry in there if (why := look.refuses(site, entry))]
    asked, since = wanted.read(house.place), wanted.changed_at(house.place)
    return AutostartSeen(tuple(seen.values()), asked, tuple(refusals), since)


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

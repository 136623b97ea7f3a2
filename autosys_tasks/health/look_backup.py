"""Looks at what is kept: the newest verified backup, the last run, the last drill; reads heads and feet, no archive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from autosys_tasks.backup.values import FULL, Backup
from autosys_tasks.core.clock import parse_utc, wall
from autosys_tasks.core.journal import FILES, last_run
from autosys_tasks.health.values import BackupSeen
from autosys_tasks.supervise.house import House
from autosys_tasks.supervise.state import Place


def see_backup(house: House) -> BackupSeen:
    """What is known of this workspace's backups."""
    from autosys_tasks.backup import damage_list, store
    from autosys_tasks.backup.owner import foreign_owner, owned_by, owner_of
    from autosys_tasks.host import git
    from autosys_tasks.schedule import registered_entries

    root, place = Path(house.config.path), house.place
    (there, strange), owner = store.listed(root / "backups"), owner_of(house.config)
    backups = owned_by(there, owner)
    damaged = damage_list.load(Path(place.folder))
    newest = next((each for each in reversed(backups) if each.verified), None)
    seen = BackupSeen(
        sets=len(house.config.backup.sets),
        git=house.config.backup.git and git.above(root),
        newest=newest,
        lost=_lost(root / "backups", newest, backups, damaged) if newest else "",
        halves=tuple(each for each in strange if (match := store.NAME.match(each)) and not match[3]),
        wanted=registered_entries.nightly(place),
        since=registered_entries.changed_at(place),
        late=_late(house),
    )
    ran = _with_run(seen, house)
    whose = next((foreign_owner(each, owner) for each in there if each.id == ran.run_made), "")
    return _with_drill(ran._replace(run_owner=whose), place)


def _late(house: House) -> tuple[str, ...]:
    """Of each second place that lies in the workspace, or lacks the newest backup for too long: why."""
    if not house.config.backup.copies:
        return ()
    from autosys_tasks.backup.copies import state
    from autosys_tasks.backup.copies.place_folder import inside

    now = wall()
    known = state.load(Path(house.place.folder, "backup"), house.config.backup, now)
    behind = (said for memory in known if (said := memory.late(now)))
    return (*inside(house.config.backup, house.config.path), *behind)


def _lost(folder: Path, newest: Backup, backups: Sequence[Backup], damaged: Mapping[str, str]) -> str:
    """What is no longer as it was verified; the archives themselves are read by drills and `backup.verify` alone."""
    from autosys_tasks.backup import store

    base = next((each for each in backups if each.kind == FULL and each.id == newest.base), None)
    if newest.kind != FULL and base is None:
        return f"the full backup {newest.base} that it needs is gone"
    for each in (newest, base):
        if each is None:
            continue
        if each.id in damaged:
            return f"{each.id} is damaged: {damaged[each.id]}"
        if why := store.archive_problem(folder, each):
            return why
    return ""


def _with_run(seen: BackupSeen, house: House) -> BackupSeen:
    line = last_run(house.outputs / FILES["backup"], "backup")
    at, idle = line.get("ts"), line.get("idle")
    return seen._replace(
        run_at=at if isinstance(at, float) else None,
        run_made=str(line.get("made") or ""),
        run_ok=line.get("ok") is True,
        run_detail=str(line.get("detail", "")),
        idle=tuple(map(str, idle)) if isinstance(idle, list) else (),
    )


def _with_drill(seen: BackupSeen, place: Place) -> BackupSeen:
    from autosys_tasks.backup.drill_result import load, reasons

    last = load(Path(place.folder))
    if last is None:
        return seen
    return seen._replace(drill_at=parse_utc(last.at), drill_ok=last.ok, drill_why=reasons(last))

"""`inv backup` and `inv backup.prune`: one at a time, in the order that keeps what is there whole."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from autosys_tasks.backup import act, damage_list, store
from autosys_tasks.backup.make import WRITE, draft_for_dry_run, make
from autosys_tasks.backup.owner import owner_of
from autosys_tasks.backup.plan import bytes_to_store
from autosys_tasks.backup.progress import Say
from autosys_tasks.backup.record import REMOVE, Record, Report, Tell, verdict
from autosys_tasks.backup.retain import retain
from autosys_tasks.backup.values import FILE, Backup, Kept
from autosys_tasks.core.clock import counted, size, wall
from autosys_tasks.core.errors import AutosysError
from autosys_tasks.core.plan import Plan, Step
from autosys_tasks.supervise import run_lock
from autosys_tasks.supervise.house import House

__all__ = ["Report", "backup", "backup_when_due", "planned", "planned_prune", "prune", "verdict"]
TURN_S = 0.5  # a tick that looks for a missed night holds the lock for a moment
TURN_DUE_S = 5.0  # nobody waits for the nightly backup, and it may coincide with a prune


def backup(house: House, *, note: str = "", tell: Tell = lambda outcome: None, say: Say = lambda line: None) -> Report:
    """Make a backup. Raises Busy when another is being made, and whatever kept it from being made at all."""
    with _turn(house, "backup", TURN_S):
        return _make(house, note, tell, say)


def backup_when_due(
    house: House, *, note: str = "", tell: Tell = lambda outcome: None, say: Say = lambda line: None
) -> Report | None:
    """Make a backup; None when this night has one, also one that was made while this waited for the lock."""
    from autosys_tasks.backup import night

    if not night.why_due(house):
        return None
    with _turn(house, "backup", TURN_DUE_S):
        return _make(house, note, tell, say) if night.why_due(house) else None


def _turn(house: House, task: str, wait_s: float) -> AbstractContextManager[None]:
    return run_lock.held(house.place, task, wait_s=wait_s, lock=run_lock.BACKUPS)


def _make(house: House, note: str, tell: Tell, say: Say) -> Report:
    def work(run: Record) -> None:
        make(run, note)
        _retain(run)
        _copy(run)

    return Record(house, "backup", tell, say).run(work)


def prune(house: House, *, tell: Tell = lambda outcome: None) -> Report:
    """Remove what [backup] no longer asks for. Raises Busy when a backup is being made."""
    with _turn(house, "backup.prune", TURN_S):
        return Record(house, "backup.prune", tell, lambda line: None).run(_retain)


def planned(house: House, *, due: bool = False) -> Plan:
    """What a backup would do now (`due`: nothing, when this night has one); changes nothing."""
    import tempfile

    from autosys_tasks.backup import night
    from autosys_tasks.backup.copies.run import COPY

    if due and not night.why_due(house):
        return Plan("backup", (), ("this night has its backup",))
    with tempfile.TemporaryDirectory(prefix="autosys-") as scratch:
        load, reason, notes = draft_for_dry_run(house, Path(scratch))
    found = [each for each, _before in load.found]
    count, total = len(found), bytes_to_store(load.found)
    detail = {"files": sum(each.kind == FILE for each in found), "bytes": total}
    steps = [Step(WRITE, load.head.stem, f"{reason}: {counted(count, 'path')}, {size(total)}", detail)]
    copies = [Step(COPY, place, "what it lacks by then") for place in house.config.backup.copies_shown]
    return Plan("backup", (*steps, *planned_prune(house).steps, *copies), notes)


def planned_prune(house: House) -> Plan:
    """What retention would remove now, and why it keeps the others."""
    kept = _retention(house, _own(house))
    steps = tuple(Step(REMOVE, each.id, each.reason) for each in kept if not each.keep)
    return Plan("backup.prune", steps, tuple(f"{each.id} stays: {each.reason}" for each in kept if each.keep))


def _retention(house: House, backups: Sequence[Backup]) -> list[Kept]:
    return retain(backups, house.config.backup, wall(), damage_list.load(Path(house.place.folder)))


def _own(house: House) -> list[Backup]:
    """What this workspace has made: another's in the same folder are neither counted, nor copied, nor removed."""
    return store.owned(store.folder_of(house.config.path), owner_of(house.config))


def _retain(run: Record) -> None:
    """Remove what goes; a backup that cannot be removed is named, and the others go."""
    folder, backups = store.folder_of(run.house.config.path), _own(run.house)
    for backup, each in zip(backups, _retention(run.house, backups), strict=True):
        if each.keep:
            continue
        began, ok, detail = time.monotonic(), True, "removed"
        try:
            act.remove(folder, backup)
        except AutosysError as error:
            ok, detail = False, error.message
        run.add(Step(REMOVE, each.id, each.reason), ok, detail, began)


def _copy(run: Record) -> None:
    """Bring what is new to the second places; what fails there is named, and harms nothing here."""
    declared, folder, now = run.house.config.backup, store.folder_of(run.house.config.path), wall()
    if not declared.copies:
        return
    from autosys_tasks.backup.copies.place_folder import inside
    from autosys_tasks.backup.copies.run import copy_all

    state = Path(run.house.place.folder, "backup")
    done, notes = copy_all(
        declared, folder, _own(run.house), state, now, lambda some: retain(some, declared, now), say=run.say
    )
    for each in done:
        run.take(each)
    run.notes += [*notes, *(f"WARN {said}" for said in inside(declared, run.house.config.path))]

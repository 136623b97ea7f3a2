"""The folder of backups: which there are, and what else lies there. Reads manifests' first and last lines only."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from autosys_tasks.backup.errors import Damaged
from autosys_tasks.backup.manifest import read_backup
from autosys_tasks.backup.owner import is_own, is_same_owner, owned_by
from autosys_tasks.backup.values import ARCHIVE_END, ID_LENGTH, MANIFEST_END, Backup
from autosys_tasks.core.errors import UsageError, unknown_name
from autosys_tasks.core.files import cannot_write

STEM = r"\d{4}-\d\d-\d\dT\d{6}Z-(?:full|differential)"
FILE = rf"({STEM})({re.escape(ARCHIVE_END)}|{re.escape(MANIFEST_END)})"
PART = r"(?:\.[0-9a-f]{8})?\.part"  # see Backup.part
NAME = re.compile(f"{FILE}({PART})?")


def folder_of(workspace: str) -> Path:
    """Where a workspace's backups lie."""
    return Path(workspace, "backups")


def listed(folder: Path) -> tuple[list[Backup], list[str]]:
    """All backups, oldest first, of every owner; and the other files, each as `NAME: why it is no backup`, by name.

    A backup is a readable manifest with its archive beside it. Hidden files are ignored.
    """
    names = sorted(name for name in _names(folder) if not name.startswith("."))
    there, backups, others = set(names), [], []
    for name in names:
        try:
            backups += _backup(folder, name, there)
        except Damaged as error:
            others.append(f"{name}: {error.message}")
    return sorted(backups, key=lambda backup: backup.id), others


def owned(folder: Path, owner: str) -> list[Backup]:
    """The backups that this owner has made, oldest first."""
    return owned_by(listed(folder)[0], owner)


def newest(backups: Sequence[Backup], owner: str) -> Backup | None:
    """This owner's newest verified one, of backups that come oldest first."""
    return next((one for one in reversed(backups) if one.verified and is_own(one, owner)), None)


def newest_in(folder: Path, owner: str) -> Backup:
    """This owner's newest verified backup; raises UsageError when there is none."""
    if found := newest(listed(folder)[0], owner):
        return found
    raise UsageError(f"there is no verified backup in `{folder}`", where=str(folder), hint="inv backup")


def find(folder: Path, wanted: str, owner: str = "") -> Backup:
    """The backup of that id (its file's name will do), or the newest verified one for "" and "latest".

    That is one of this owner's, wherever there is one; where all are of one other (a new machine, a workspace that was
    moved), one of that. Raises UsageError with the nearest spelling; Damaged when its manifest or archive is there and
    no good.
    """
    backups, others = listed(folder)
    if wanted in ("", "latest"):
        return latest(backups, owner, str(folder))
    for backup in sorted(backups, key=lambda one: not is_own(one, owner)):
        if wanted in (backup.id, backup.stem, backup.archive, backup.manifest):
            return backup
    for other in others:
        if re.match(rf"{re.escape(wanted)}\b", other):
            raise Damaged(other, where=wanted)
    if not backups:
        raise UsageError(f"there is no backup in `{folder}`", where=str(folder), hint="inv backup")
    raise unknown_name("backup", wanted, (backup.id for backup in backups))


def latest(backups: Sequence[Backup], owner: str, where: str) -> Backup:
    """The newest verified one, this owner's or, where all are of one other, that one's; raises UsageError."""
    if found := newest(backups, owner):
        return found
    of_each = {one.owner: one for one in backups if one.verified}
    others = sorted(of_each.values(), key=lambda one: one.id)
    if others and all(is_same_owner(one.owner, others[-1].owner) for one in others):
        return others[-1]
    if not of_each:
        raise UsageError(f"there is no verified backup in `{where}`", where=where, hint="inv backup")
    said = ", ".join(f"{one.id} of `{name}`" for name, one in sorted(of_each.items()))
    message = f"none of the backups in `{where}` is this workspace's"
    raise UsageError(message, where=where, hint=f"name one by its id; the newest are {said}")


def newer_broken(folder: Path, latest: Backup) -> list[str]:
    """Broken backups that are later than this one, each as `NAME: why`."""
    named = ((NAME.match(other), other) for other in listed(folder)[1])
    return [other for match, other in named if match and not match[3] and match[1] > latest.stem]


def _backup(folder: Path, name: str, there: set[str]) -> list[Backup]:
    """The backup whose manifest has this name; nothing for an archive; raises Damaged for anything else."""
    match = NAME.fullmatch(name)
    if not match:
        raise Damaged("is not ours")
    stem, ending, part = match.groups()
    if part:
        raise Damaged("is of a run that did not finish")
    if ending == ARCHIVE_END and f"{stem}{MANIFEST_END}" in there:
        return []
    if ending == ARCHIVE_END:
        raise Damaged("has no manifest: the run that made it did not finish, or somebody removed it")
    if f"{stem}{ARCHIVE_END}" not in there:
        raise Damaged("its archive is gone")
    return [read_backup(folder / name)]


def archive_problem(folder: Path, backup: Backup) -> str:
    """Why a backup's archive, by its size alone, is not the one that was verified; "" when it seems to be."""
    try:
        size = (folder / backup.archive).stat().st_size
    except OSError as error:
        return f"{backup.archive} cannot be seen: {error.strerror}"
    if size == backup.archive_bytes:
        return ""
    return f"{backup.archive} has {size} bytes, and had {backup.archive_bytes} when it was verified"


def ids(folder: Path) -> set[str]:
    """The ids of all files there that are named like a backup's."""
    return {name[:ID_LENGTH] for name in _names(folder) if NAME.match(name)}


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise cannot_write(folder, error, "read") from error

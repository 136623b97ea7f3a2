"""The folder of backups: which there are, and what else lies there. Reads the manifests' ends; changes nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path

from autosys_tasks.backup.damaged import Damaged
from autosys_tasks.backup.manifest import read_backup
from autosys_tasks.backup.values import Backup
from autosys_tasks.core.errors import StateError, UsageError, unknown_name

NAME = re.compile(r"(\d{4}-\d\d-\d\dT\d{6}Z-(?:full|differential))\.(7z|manifest\.json)(\.part)?")
MANIFEST, ARCHIVE = "manifest.json", "7z"


def listed(folder: Path) -> tuple[list[Backup], list[str]]:
    """The backups, oldest first; and what is none, each as `NAME: why`, in order of name.

    A backup is a readable manifest with its archive beside it. Names that begin with a dot are not looked at.
    """
    names = sorted(name for name in _names(folder) if not name.startswith("."))
    there, backups, others = set(names), [], []
    for name in names:
        try:
            backups += _backup(folder, name, there)
        except Damaged as error:
            others.append(f"{name}: {error.message}")
    return sorted(backups, key=lambda backup: backup.id), others


def find(folder: Path, wanted: str) -> Backup:
    """The backup of that id (its file's name will do), or the newest verified one for "" and "latest".

    Raises UsageError with the nearest spelling; Damaged when its manifest or archive is there and no good.
    """
    backups, others = listed(folder)
    if wanted in ("", "latest"):
        verified = [backup for backup in backups if backup.verified]
        if not verified:
            raise UsageError(f"there is no verified backup in `{folder}`", where=str(folder), hint="inv backup")
        return verified[-1]
    for backup in backups:
        if wanted in (backup.id, backup.stem, f"{backup.stem}.{ARCHIVE}", f"{backup.stem}.{MANIFEST}"):
            return backup
    for other in others:
        if re.match(rf"{re.escape(wanted)}\b", other):
            raise Damaged(other, where=wanted)
    if not backups:
        raise UsageError(f"there is no backup in `{folder}`", where=str(folder), hint="inv backup")
    raise unknown_name("backup", wanted, (backup.id for backup in backups))


def _backup(folder: Path, name: str, there: set[str]) -> list[Backup]:
    """The backup that this manifest is of; nothing for its archive, Damaged for all else."""
    match = NAME.fullmatch(name)
    if not match:
        raise Damaged("is not ours")
    stem, kind, part = match.groups()
    if part:
        raise Damaged("is of a run that did not finish")
    if kind == ARCHIVE and f"{stem}.{MANIFEST}" in there:
        return []
    if kind == ARCHIVE:
        raise Damaged("has no manifest: the run that made it did not finish, or somebody removed it")
    if f"{stem}.{ARCHIVE}" not in there:
        raise Damaged("its archive is gone")
    return [read_backup(folder / name)]


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StateError(f"cannot read `{folder}`: {error.strerror}", where=str(folder)) from error

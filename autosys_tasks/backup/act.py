"""Changes in the folder of backups: tidy up after interrupted runs, publish, discard, remove.

A backup exists when its manifest has its final name: that is renamed last, and goes first.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Collection
from pathlib import Path

from autosys_tasks.backup import manifest
from autosys_tasks.backup.errors import Damaged
from autosys_tasks.backup.store import FILE, PART
from autosys_tasks.backup.threads import for_each
from autosys_tasks.backup.values import ARCHIVE_END, MANIFEST_END, Backup
from autosys_tasks.core.clock import size
from autosys_tasks.core.errors import StateError
from autosys_tasks.core.faults import fault
from autosys_tasks.core.files import (
    SPACE_HINT,
    cannot_write,
    check_writable,
    make_folder,
    retry_while_held,
    sync_folder,
)

REMOVED = ".removed"
LEFT = re.compile(f"{FILE}({REMOVED}|{PART})")
RESERVE = 1_000_000  # bytes that stay free


# --- before ---------------------------------------------------------------------------------------------------


def clean_up(folder: Path, marks: Collection[str]) -> list[str]:
    """Finish or remove what interrupted runs left; returns a line about each.

    `marks`: suffixes of this workspace's own files (see owner.part_suffixes); another one may be writing here just now.
    """
    said = []
    for name in _names(folder):
        found = LEFT.fullmatch(name)
        if found and found[3] in (REMOVED, *marks, ".part") and (folder / name).exists():
            said.append(_cleaned_up(folder, found[1], name))
    return said


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def _cleaned_up(folder: Path, stem: str, name: str) -> str:
    archive, left = folder / f"{stem}{ARCHIVE_END}", folder / name
    named = folder / f"{stem}{MANIFEST_END}"
    if not name.endswith(REMOVED) and not named.exists() and _is_whole(left, archive):
        _rename(left, named)
        return f"{stem} was whole, and has its name now: the run that made it was cut short"
    if name.endswith(REMOVED):
        _unlink(archive)
    _unlink(left)
    return f"{name} is removed: a run was cut short"


def _is_whole(left: Path, archive: Path) -> bool:
    """Whether only the manifest's rename is missing: an archive gets its name only after it was verified."""
    try:
        backup = manifest.read_backup(left)
        return backup.verified and archive.stat().st_size == backup.archive_bytes
    except (Damaged, OSError):
        return False


def prepare(folder: Path, to_store: int) -> None:
    """Make the folder; raises StateError when it takes no file, or has no room even for a 50th of `to_store` bytes."""
    make_folder(folder)
    free, least = shutil.disk_usage(folder).free, RESERVE + to_store // 50
    if free < least:
        check_writable(folder)  # else no room made there would help
        said = f"cannot write `{folder}`: {size(free)} free, at least {size(least)} needed"
        raise StateError(said, where=str(folder), hint=f"{SPACE_HINT}; inv backup.prune removes what is kept too long")
    _write_gitignore(folder)


def _write_gitignore(folder: Path) -> None:
    """Write a .gitignore, unless there is one: an archive may hold secrets in clear."""
    from autosys_tasks.host import git

    path = folder / ".gitignore"
    if not git.above(folder.resolve()):
        return
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size:
            return
    try:
        path.write_text("*\n", encoding="ascii", newline="\n")
    except OSError as error:
        raise cannot_write(path, error) from error


# --- after ----------------------------------------------------------------------------------------------------


def flush(*paths: Path) -> None:
    """fsync these files, at the same time; raises StateError."""
    for_each(iter(paths), _flush)


def _flush(path: Path, _check_cancelled: Callable[[], None]) -> None:
    try:
        with retry_while_held(lambda: path.open("r+b")) as file:  # Windows flushes no file that is only read
            os.fsync(file.fileno())
    except OSError as error:
        raise cannot_write(path, error) from error


def publish(folder: Path, backup: Backup) -> None:
    """Flush a verified archive and its manifest to the disk, then rename both."""
    part, described = folder / f"{backup.archive}{backup.part}", folder / f"{backup.manifest}{backup.part}"
    flush(part, described)
    fault("backup.before-rename")
    if (taken := folder / backup.archive).exists():  # several workspaces may share the folder
        raise StateError(f"`{taken}` has appeared there meanwhile, and stays", where=str(taken), hint="inv backup")
    _rename(part, taken)
    fault("backup.after-archive-rename")
    _rename(described, folder / backup.manifest)
    try:
        sync_folder(folder)
    except OSError as error:
        raise cannot_write(folder, error) from error
    fault("backup.after-rename")


def discard(folder: Path, backup: Backup) -> None:
    """Remove what a failed run has written; an archive that already has its name stays, for `clean_up`."""
    part = folder / f"{backup.archive}{backup.part}"
    if not part.exists() and (folder / backup.archive).exists():
        return
    for each in (part, folder / f"{backup.manifest}{backup.part}"):
        with contextlib.suppress(OSError):
            each.unlink(missing_ok=True)


def remove(folder: Path, backup: Backup) -> None:
    """Remove a backup: its manifest first."""
    fault("backup.before-remove")
    goes = folder / backup.manifest
    _rename(goes, folder / f"{goes.name}{REMOVED}")
    _unlink(folder / backup.archive)
    _unlink(folder / f"{goes.name}{REMOVED}")


def _rename(old: Path, new: Path) -> None:
    try:
        retry_while_held(lambda: os.replace(old, new))
    except OSError as error:
        raise cannot_write(new, error) from error


def _unlink(path: Path) -> None:
    try:
        retry_while_held(lambda: path.unlink(missing_ok=True))
    except OSError as error:
        raise cannot_write(path, error, "remove") from error

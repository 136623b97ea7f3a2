"""Looks at the folder that is restored to: the names its disk allows, and what lies at each target."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from autosys_tasks import host
from autosys_tasks.backup import sqlite_copy as databases
from autosys_tasks.backup.progress import TellBytes
from autosys_tasks.backup.read import sha256_of
from autosys_tasks.backup.restore.names_text import Rules
from autosys_tasks.backup.restore.plan import CHANGED, NEVER, OTHER, Existing, Wanted, folders_of
from autosys_tasks.backup.values import FILE, FOLDER, LINK, SQLITE, Entry
from autosys_tasks.backup.walk import is_link
from autosys_tasks.core.files import long_path


def rules_of(to: Path) -> Rules:
    """The names that the disk of `to` allows, found out without writing; `to` need not exist."""
    return Rules(
        windows=host.PLATFORM == "windows",
        folds=_folds(to),
        composes=host.PLATFORM == "macos",
    )


def _folds(to: Path) -> bool:
    """Whether `A` and `a` are one name there, by the nearest folder with a letter in its name."""
    for folder in (to, *to.parents):
        other = folder.with_name(folder.name.swapcase()) if folder.name else folder
        if other != folder and folder.exists():
            return other.exists() and os.path.samefile(folder, other)
    return host.PLATFORM != "linux"


def target_path(to: Path, target: str) -> str:
    """A target as a path of this system, of any length."""
    return long_path(f"{to}{os.sep}{target.replace('/', os.sep)}")


def look(to: Path, wanted: Iterable[Wanted], overwrite: str, tell_bytes: TellBytes) -> dict[str, Existing]:
    """What is at each target, and at the folders above it. `tell_bytes` takes bytes as they are hashed."""
    found: dict[str, Existing | None] = {}
    if _is_empty(to):
        return {}
    for each in wanted:
        if not each.target:
            continue
        if all(_seen(found, to, above) for above in folders_of(each.target)):
            now = _seen(found, to, each.target)
            if overwrite == CHANGED and now and now.kind == FILE and each.entry.sha256:
                path = target_path(to, each.target)
                found[each.target] = now._replace(sha256=_comparable_hash(path, each.entry, tell_bytes))
            if SQLITE in each.entry.flags and (side := databases.side_of(target_path(to, each.target))):
                found[each.target] = _beside_journal(found[each.target], each.entry, side, overwrite)
    return {target: now for target, now in found.items() if now is not None}


def _is_empty(to: Path) -> bool:
    """Whether nothing is there, or a folder with nothing in it."""
    try:
        with os.scandir(to) as inside:
            return next(inside, None) is None
    except OSError:
        return not to.is_dir()


def _seen(found: dict[str, Existing | None], to: Path, target: str) -> Existing | None:
    if target not in found:
        try:
            found[target] = existing(target_path(to, target))
        except OSError as error:
            found[target] = Existing(OTHER, why=f"cannot be looked at: {error.strerror or error}")
    return found[target]


def existing(path: str) -> Existing | None:
    """What is at a path now, itself and not what it leads to; None: nothing. Raises what the OS raises."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if is_link(status):
        return Existing(LINK, link=_text(path))
    kind = FOLDER if stat.S_ISDIR(status.st_mode) else FILE if stat.S_ISREG(status.st_mode) else OTHER
    return Existing(kind, mtime_ns=status.st_mtime_ns if kind == FOLDER else 0)


def _text(path: str) -> str:
    try:
        return os.readlink(path).replace(os.sep, "/")
    except OSError:
        return ""


def _comparable_hash(path: str, entry: Entry, tell_bytes: TellBytes) -> str:
    """A file's SHA-256; "" when its size differs from the entry's, or when it cannot be read.

    A database counts as the same when a copy of it, its journal included, would be the one that was kept.
    """
    try:
        sha256 = sha256_of(path, tell_bytes) if os.stat(path).st_size == entry.size else ""
        if SQLITE not in entry.flags or (sha256 == entry.sha256 and not databases.side_of(path)):
            return sha256
        return entry.sha256 if databases.is_copy(path, entry.sha256) else ""
    except OSError:
        return ""


def _beside_journal(now: Existing | None, entry: Entry, side: str, overwrite: str) -> Existing | None:
    """What is there; with a `why` to refuse when a restored database would get another one's journal and be spoiled."""
    if now and now.kind == FILE and (overwrite == NEVER or (overwrite == CHANGED and now.sha256 == entry.sha256)):
        return now
    why = f"`{side}` lies there, which SQLite would play back into it: end what uses the database, or move that away"
    return Existing(now.kind if now else OTHER, why=why)

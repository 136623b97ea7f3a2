"""Walks the workspace once and says what the patterns of the sets meet; opens no file, follows no link."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from autosys_tasks.backup.ignore_text import NAME, Level, left_out_by, read_rules
from autosys_tasks.backup.patience import Patience
from autosys_tasks.backup.wanted_text import HEAVY, Pattern
from autosys_tasks.core.files import decode, long_path, slurp

JUNCTION = 0xA0000003  # IO_REPARSE_TAG_MOUNT_POINT: Windows' link between folders; `is_dir` says yes to it
HAS_TAGS = hasattr(os.stat_result, "st_reparse_tag")
RESTORING = ".autosys-restoring-"  # what a restore is writing (restore_put)
OURS = "autosys keeps its own things there"
HEAVY_WHY = "such a folder is entered only when the pattern has its very name in it"
EXCLUDED = "`exclude` of its set names it"
NONE: tuple[Pattern, ...] = ()


class Seen(NamedTuple):
    """A path that these patterns take; `source` is where it lies."""

    path: str
    source: str
    status: os.stat_result
    patterns: tuple[Pattern, ...]


class LeftOut(NamedTuple):
    """A path that these patterns would take, or might find something below of, and that is left out."""

    path: str
    why: str
    patterns: tuple[Pattern, ...]


class Unread(NamedTuple):
    """A path that cannot be read, where these patterns take it or may find something below."""

    path: str
    why: str
    patterns: tuple[Pattern, ...]


class Site(NamedTuple):
    """Where a walk goes, and where not."""

    root: str
    own: tuple[str, ...] = ()  # folders of ours, from the root: never kept
    fold: bool = False  # `A` is `a` here

    def source(self, path: str) -> str:
        """A path of the archive as a path of this system."""
        return long_path(os.path.join(self.root, *path.split("/")) if path else self.root)

    def is_own(self, path: str) -> bool:
        """Whether the folder is one of ours."""
        if path.rpartition("/")[2].startswith(RESTORING):
            return True
        if self.fold:
            return path.casefold() in (one.casefold() for one in self.own)
        return path in self.own


def walk(site: Site, wanted: Sequence[Pattern], patience: Patience) -> Iterator[Seen | LeftOut | Unread]:
    """Everything below `site.root` that one of the patterns takes, in no order; and what was left out or not read."""
    todo: list[tuple[str, tuple[Pattern, ...], tuple[Level, ...]]] = [("", tuple(wanted), ())]
    while todo:
        folder, active, levels = todo.pop()
        here = site.source(folder)
        try:
            entries = patience.twice(partial(_listed, here))
        except OSError as error:
            yield Unread(folder or ".", reason(error), active)
            continue
        if any(entry.name == NAME and entry.is_file(follow_symlinks=False) for entry in entries):
            try:
                levels = (*levels, _level(site, folder, patience))
            except OSError as error:  # what it leaves out is kept then
                yield Unread(f"{folder}/{NAME}".lstrip("/"), reason(error), ())
        prefix = f"{folder}/" if folder else ""
        asked = None if all(one.takes_all_in(folder) for one in active) else active
        picky = bool(levels) or any(one.of.exclude for one in active)
        for entry in entries:
            path, below = prefix + entry.name, NONE
            is_folder = entry.is_dir(follow_symlinks=False) and not _is_junction(entry)
            taking = active if asked is None else tuple(one for one in asked if one.takes(path))
            if is_folder:
                below = tuple(one for one in active if one.enters(path))
            if is_folder or picky:
                why, out = _left_out(site, path, is_folder, (*taking, *below), active, levels)
                if out:
                    yield LeftOut(path, why, out)
                    taking, below = _without(taking, out), _without(below, out)
            if taking:
                yield _met(entry.path, path, taking, patience)
            if below:
                todo.append((path, below, levels))


def _left_out(
    site: Site,
    path: str,
    is_folder: bool,
    wanting: tuple[Pattern, ...],
    active: tuple[Pattern, ...],
    levels: tuple[Level, ...],
) -> tuple[str, tuple[Pattern, ...]]:
    """Why, and for which patterns, something is left out."""
    name = path.rpartition("/")[2]
    if is_folder and site.is_own(path):
        return OURS, wanting
    if is_folder and name in HEAVY:
        out = tuple(one for one in active if name not in one.heavy and one.reaches(path))
        if out:
            return HEAVY_WHY, out
    if not wanting:
        return "", ()
    if levels and (by := left_out_by(levels, path, is_folder)) is not None:
        return f"`{by}/{NAME}` names it".replace("`/", "`"), wanting
    return EXCLUDED, tuple(one for one in wanting if one.leaves_out(path))


def _level(site: Site, folder: str, patience: Patience) -> Level:
    """The rules of a folder that has some; raises OSError."""
    raw = patience.twice(partial(slurp, os.path.join(site.source(folder), NAME)))
    return Level(folder, read_rules(decode(raw), fold=site.fold))


def _listed(folder: str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return list(entries)


def _is_junction(entry: os.DirEntry[str]) -> bool:
    return HAS_TAGS and getattr(entry.stat(follow_symlinks=False), "st_reparse_tag", 0) == JUNCTION


def _without(patterns: tuple[Pattern, ...], out: tuple[Pattern, ...]) -> tuple[Pattern, ...]:
    return tuple(one for one in patterns if one not in out)


def _met(source: str, path: str, taking: tuple[Pattern, ...], patience: Patience) -> Seen | Unread:
    try:
        return Seen(path, source, os.lstat(source), taking)
    except OSError:
        patience.wait()
    try:
        return Seen(path, source, os.lstat(source), taking)
    except OSError as error:
        return Unread(path, reason(error), taking)


def is_link(status: os.stat_result) -> bool:
    """Whether it is a link, of whichever kind."""
    return stat.S_ISLNK(status.st_mode) or getattr(status, "st_reparse_tag", 0) == JUNCTION


def reason(error: OSError) -> str:
    """Why something could not be read, for a person."""
    if isinstance(error, FileNotFoundError):
        return "vanished before it could be read"
    return error.strerror or str(error)

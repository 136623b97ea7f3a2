"""Walks the workspace once and yields what the sets' patterns match; reads no file, follows no link."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from operator import attrgetter
from typing import NamedTuple

from autosys_tasks.backup.ignore_text import NAME, Level, left_out_by, read_rules
from autosys_tasks.backup.patterns_text import HEAVY, Pattern
from autosys_tasks.backup.retry import RetryBudget
from autosys_tasks.backup.store import NAME as BACKUP
from autosys_tasks.backup.values import RESTORING
from autosys_tasks.core.files import decode, long_path, slurp

JUNCTION = 0xA0000003  # IO_REPARSE_TAG_MOUNT_POINT: Windows' link between folders; `is_dir` says yes to it
HAS_TAGS = hasattr(os.stat_result, "st_reparse_tag")
BY_FD = os.scandir in os.supports_fd
MOST = 200  # things in one event; fits a CPU's cache
OURS = "autosys keeps its own things there"
HEAVY_WHY = "such a folder is entered only when the pattern has its very name in it"
EXCLUDED = "`exclude` of its set names it"
NONE: tuple[Pattern, ...] = ()
Thing = tuple[str, os.stat_result]  # its name in its folder, and what the system says of it


class Seen(NamedTuple):
    """Things of one folder, by name, that these patterns match; many in one event, which costs less."""

    folder: str
    things: list[Thing]
    patterns: tuple[Pattern, ...]


class LeftOut(NamedTuple):
    """A path that is left out, though these patterns match it or may match something below it."""

    path: str
    why: str
    patterns: tuple[Pattern, ...]


class Unread(NamedTuple):
    """A path that cannot be read, though these patterns match it or may match something below it."""

    path: str
    why: str
    patterns: tuple[Pattern, ...]


class Site(NamedTuple):
    """Where a walk goes, and where not."""

    root: str
    own: tuple[str, ...] = ()  # folders of ours, from the root: never kept
    fold: bool = False  # `A` is `a` here
    places: frozenset[str] = frozenset()  # second places in the workspace: copies of backups in them are not kept

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

    def is_place(self, folder: str) -> bool:
        """Whether copies of backups lie in the folder, beside whatever else is there."""
        if self.fold and self.places:
            return folder.casefold() in (one.casefold() for one in self.places)
        return folder in self.places


class _Room(NamedTuple):
    """A folder to look into, with the patterns and ignore rules that apply there."""

    folder: str
    active: tuple[Pattern, ...]
    levels: tuple[Level, ...] = ()


def walk(site: Site, wanted: Sequence[Pattern], retries: RetryBudget) -> Iterator[Seen | LeftOut | Unread]:
    """Everything below `site.root` that a pattern matches, in order of path; and what was left out or unreadable."""
    rooms: list[Iterator[Seen | LeftOut | Unread | _Room]] = [_in_room(site, _Room("", tuple(wanted)), retries)]
    while rooms:
        event = next(rooms[-1], None)
        if event is None:
            rooms.pop()
        elif isinstance(event, _Room):
            rooms[-1] = iter(list(rooms[-1]))  # read to its end: no folder stays open while its subfolders are walked
            rooms.append(_in_room(site, event, retries))
        else:
            yield event


def _in_room(site: Site, room: _Room, retries: RetryBudget) -> Iterator[Seen | LeftOut | Unread | _Room]:
    """The events of one folder; each subfolder where its content sorts (`a/x` comes after `a-b`, before `a0`)."""
    folder, active, levels = room
    with ExitStack() as stack:
        try:
            entries = retries.twice(partial(_listed, site.source(folder), stack))
            if site.is_place(folder):
                entries = [entry for entry in entries if not BACKUP.match(entry.name)]
            has_rules = any(entry.is_file(follow_symlinks=False) for entry in entries if entry.name == NAME)
        except OSError as error:
            yield Unread(folder or ".", reason(error), active)
            return
        if has_rules:
            try:
                levels = (*levels, _level(site, folder, retries))
            except OSError as error:  # what it leaves out is kept then
                yield Unread(f"{folder}/{NAME}".lstrip("/"), reason(error), ())
        yield from _in_order(site, _Room(folder, active, levels), entries, retries)


def _in_order(
    site: Site, room: _Room, entries: list[os.DirEntry[str]], retries: RetryBudget
) -> Iterator[Seen | LeftOut | Unread | _Room]:
    folder, active, levels = room
    prefix = f"{folder}/" if folder else ""
    asked = () if all(one.takes_all_in(folder) for one in active) else active
    picky = bool(levels) or any(one.of.exclude for one in active)
    for_all = bool(active) and not (asked or picky)  # the patterns take whatever file is there
    entries.sort(key=attrgetter("name"), reverse=True)
    crowd, by = list[Thing](), active
    inner: list[_Room] = []  # met, and not yet at their place: the last one comes first
    while entries:  # what the system said of them is not kept longer than needed
        path, taking, below = prefix + entries[-1].name, active, NONE
        while inner and inner[-1].folder + "/" < path:
            if crowd:
                yield Seen(folder, crowd, by)
                crowd = []
            yield inner.pop()
        if for_all and not inner and (files := _first_files(entries)):
            if crowd:
                yield Seen(folder, crowd, by)
                crowd = []
            yield Seen(folder, files, active)
            continue
        entry = entries.pop()
        try:
            is_folder = retries.twice(partial(_is_folder, entry))
        except OSError as error:
            yield Unread(path, reason(error), active)
            continue
        if asked:
            taking = tuple(one for one in asked if one.takes(path))
        if is_folder:
            below = tuple(one for one in active if one.enters(path))
        if is_folder or picky:
            why, out = _left_out(site, path, is_folder, (*taking, *below), active, levels)
            if out:
                yield LeftOut(path, why, out)
                taking, below = _without(taking, out), _without(below, out)
        if below:
            inner.append(_Room(path, below, levels))
        if not taking:
            continue
        try:
            status = _met(entry, retries)
        except OSError as error:
            yield Unread(path, reason(error), taking)
            continue
        if crowd and (taking != by or len(crowd) == MOST):
            yield Seen(folder, crowd, by)
            crowd = []
        crowd.append((entry.name, status))
        by = taking
    if crowd:
        yield Seen(folder, crowd, by)
    yield from reversed(inner)


def _first_files(entries: list[os.DirEntry[str]]) -> list[Thing]:
    """Take the files before the next subfolder off the end of `entries`; most folders have nothing else.

    Ends before an entry that cannot be read: the caller tries that one again.
    """
    files: list[Thing] = []
    with suppress(OSError):
        for entry in entries[: -MOST - 1 : -1]:
            if entry.is_dir(follow_symlinks=False):
                break
            files.append((entry.name, _status(entry)))
    del entries[len(entries) - len(files) :]
    return files


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


def _level(site: Site, folder: str, retries: RetryBudget) -> Level:
    """The rules of a folder that has some; raises OSError."""
    raw = retries.twice(partial(slurp, os.path.join(site.source(folder), NAME)))
    return Level(folder, read_rules(decode(raw), fold=site.fold))


def _listed(folder: str, stack: ExitStack) -> list[os.DirEntry[str]]:
    """What lies in a folder. Where that can be, it stays open on the stack: its files are found from it sooner."""
    if not BY_FD:
        with os.scandir(folder) as entries:
            return list(entries)
    fd = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    stack.callback(os.close, fd)
    with os.scandir(fd) as entries:
        return list(entries)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether things lie in it. Some file systems do not list of what kind a thing is, and asking it can fail."""
    return entry.is_dir(follow_symlinks=False) and not _is_junction(entry)


def _is_junction(entry: os.DirEntry[str]) -> bool:
    return HAS_TAGS and getattr(entry.stat(follow_symlinks=False), "st_reparse_tag", 0) == JUNCTION


def _without(patterns: tuple[Pattern, ...], out: tuple[Pattern, ...]) -> tuple[Pattern, ...]:
    return tuple(one for one in patterns if one not in out)


def _met(entry: os.DirEntry[str], retries: RetryBudget) -> os.stat_result:
    try:
        return _status(entry)
    except OSError:
        retries.wait()
    return _status(entry)


def _status(entry: os.DirEntry[str]) -> os.stat_result:
    """What the system says of it now; Windows' listing knows neither its inode nor how many names it has."""
    return entry.stat(follow_symlinks=False) if BY_FD else os.lstat(entry.path)


def is_link(status: os.stat_result) -> bool:
    """Whether it is a link, of whichever kind."""
    return stat.S_ISLNK(status.st_mode) or getattr(status, "st_reparse_tag", 0) == JUNCTION


def reason(error: OSError) -> str:
    """Why something could not be read, for a person."""
    if isinstance(error, FileNotFoundError):
        return "vanished before it could be read"
    return error.strerror or str(error)

"""Walks the workspace once and yields what the sets' patterns match. Follows no link, reads ignore files only."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from operator import attrgetter
from typing import NamedTuple

from autosys_tasks.backup.ignore_text import NAME, Level, ignored_by, read_rules
from autosys_tasks.backup.patterns_text import HEAVY, Pattern
from autosys_tasks.backup.retry import RetryBudget
from autosys_tasks.backup.store import NAME as BACKUP
from autosys_tasks.backup.values import RESTORING
from autosys_tasks.core.files import decode, long_path, read_file

JUNCTION = 0xA0000003  # IO_REPARSE_TAG_MOUNT_POINT: Windows' link between folders; `is_dir` is True for it
HAS_TAGS = hasattr(os.stat_result, "st_reparse_tag")
BY_FD = os.scandir in os.supports_fd
MOST = 200  # things in one event: they fit a CPU's cache
OF_A_VENV = "pyvenv.cfg"  # by which a virtual environment is known, whatever its name
OURS = "autosys keeps its own things there"
HEAVY_WHY = "such a folder is entered only when the pattern has its very name in it"
EXCLUDED = "`exclude` of its set names it"
NONE: tuple[Pattern, ...] = ()
Thing = tuple[str, os.stat_result]  # its name in its folder, and what the system says of it


class Matched(NamedTuple):
    """Things of one folder, in order of name, that these patterns match; many in one event, which costs less."""

    folder: str
    things: list[Thing]
    patterns: tuple[Pattern, ...]


class Excluded(NamedTuple):
    """A path that is excluded, though these patterns match it or may match something below it."""

    path: str
    why: str
    patterns: tuple[Pattern, ...]


class Unreadable(NamedTuple):
    """A path that cannot be read, though these patterns match it or may match something below it."""

    path: str
    why: str
    patterns: tuple[Pattern, ...]


Event = Matched | Excluded | Unreadable


class Site(NamedTuple):
    """The folder that is walked, and what in it is never looked at."""

    root: str
    own: tuple[str, ...] = ()  # our folders, relative to the root: never kept
    fold: bool = False  # names that differ in case only are equal
    places: frozenset[str] = frozenset()  # folders of `copies` in the workspace: backups in them are not kept

    def source(self, path: str) -> str:
        """A path of the archive as an absolute path of this system."""
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


class _Folder(NamedTuple):
    """A folder to walk, with the patterns and ignore rules that apply there."""

    path: str
    active: tuple[Pattern, ...]
    levels: tuple[Level, ...] = ()


def walk(site: Site, wanted: Sequence[Pattern], retries: RetryBudget) -> Iterator[Event]:
    """What the patterns match below `site.root`, in order of path; and what was excluded or is unreadable."""
    folders: list[Iterator[Event | _Folder]] = [_events_in(site, _Folder("", tuple(wanted)), retries)]
    while folders:
        event = next(folders[-1], None)
        if event is None:
            folders.pop()
        elif isinstance(event, _Folder):
            folders[-1] = iter(list(folders[-1]))  # to its end: no folder stays open while subfolders are walked
            folders.append(_events_in(site, event, retries))
        else:
            yield event


def _events_in(site: Site, folder: _Folder, retries: RetryBudget) -> Iterator[Event | _Folder]:
    """The events of one folder; each subfolder where its content sorts (`a/x` comes after `a-b`, before `a0`)."""
    path, active, levels = folder
    with ExitStack() as stack:
        try:
            entries = retries.twice(partial(_listed, site.source(path), stack))
            if site.is_place(path):
                entries = [entry for entry in entries if not BACKUP.match(entry.name)]
            has_rules = any(entry.is_file(follow_symlinks=False) for entry in entries if entry.name == NAME)
        except OSError as error:
            yield Unreadable(path or ".", reason(error), active)
            return
        if has_rules:
            try:
                levels = (*levels, _level(site, path, retries))
            except OSError as error:  # what it excludes is kept then
                yield Unreadable(f"{path}/{NAME}".lstrip("/"), reason(error), ())
        yield from _in_order(site, _Folder(path, active, levels), entries, retries)


def _in_order(
    site: Site, folder: _Folder, entries: list[os.DirEntry[str]], retries: RetryBudget
) -> Iterator[Event | _Folder]:
    prefix = f"{folder.path}/" if folder.path else ""
    judge = _Judge(site, folder)
    batch = _Batch(folder.path)
    inner: list[_Folder] = []  # subfolders that are still to come; the last one comes first
    entries.sort(key=attrgetter("name"), reverse=True)
    while entries:  # from its end: what the system said of an entry is not kept longer than needed
        path = prefix + entries[-1].name
        if inner and f"{inner[-1].path}/" < path:
            yield from batch.flush()
            yield inner.pop()
            continue
        if judge.matches_all_files and not inner and (files := _first_files(entries)):
            yield from batch.flush()
            yield Matched(folder.path, files, folder.active)
            continue
        entry = entries.pop()
        try:
            is_folder = retries.twice(partial(_is_folder, entry))
        except OSError as error:
            yield Unreadable(path, reason(error), folder.active)
            continue
        matching, below, excluded = judge(path, is_folder)
        if excluded:
            yield excluded
        if below:
            inner.append(_Folder(path, below, folder.levels))
        if matching:
            try:
                status = _status_with_retry(entry, retries)
            except OSError as error:
                yield Unreadable(path, reason(error), matching)
                continue
            if matching != batch.patterns or len(batch.things) == MOST:
                yield from batch.flush()
                batch.patterns = matching
            batch.things.append((entry.name, status))
    yield from batch.flush()
    yield from reversed(inner)


class _Judge:
    """Tells which patterns match an entry of one folder, and which may match below it."""

    def __init__(self, site: Site, folder: _Folder) -> None:
        self._site, self._folder, active = site, folder, folder.active
        self._to_ask = () if all(one.matches_all_in(folder.path) for one in active) else active
        self._may_exclude = bool(folder.levels) or any(one.of.exclude for one in active)
        self.matches_all_files = bool(active) and not (self._to_ask or self._may_exclude)

    def __call__(self, path: str, is_folder: bool) -> tuple[tuple[Pattern, ...], tuple[Pattern, ...], Excluded | None]:
        """The patterns that match it, those that may match below it, and why others do not."""
        active = self._folder.active
        matching = tuple(one for one in self._to_ask if one.matches(path)) if self._to_ask else active
        below = tuple(one for one in active if one.may_match_in(path)) if is_folder else NONE
        if is_folder or self._may_exclude:
            wanting = (*matching, *below)
            why, out = _exclusion(self._site, path, is_folder, wanting, active, self._folder.levels)
            if out:
                return _without(matching, out), _without(below, out), Excluded(path, why, out)
        return matching, below, None


class _Batch:
    """Consecutive things of one folder that the same patterns match, until they make one event."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.things: list[Thing] = []
        self.patterns = NONE

    def flush(self) -> Iterator[Matched]:
        """The event of these things, if there are any; then there are none."""
        if self.things:
            yield Matched(self._folder, self.things, self.patterns)
            self.things = []


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


def _exclusion(
    site: Site,
    path: str,
    is_folder: bool,
    wanting: tuple[Pattern, ...],
    active: tuple[Pattern, ...],
    levels: tuple[Level, ...],
) -> tuple[str, tuple[Pattern, ...]]:
    """Why a path is excluded, and for which patterns."""
    name = path.rpartition("/")[2]
    if is_folder and site.is_own(path):
        return OURS, wanting
    if is_folder and (name in HEAVY or (wanting and os.path.exists(site.source(f"{path}/{OF_A_VENV}")))):
        out = tuple(one for one in active if name not in one.names and one.may_match_below(path))
        if out:
            return HEAVY_WHY, out
    if not wanting:
        return "", ()
    if levels and (by := ignored_by(levels, path, is_folder)) is not None:
        return f"`{by}/{NAME}` names it".replace("`/", "`"), wanting
    return EXCLUDED, tuple(one for one in wanting if one.excludes(path))


def _level(site: Site, folder: str, retries: RetryBudget) -> Level:
    """The rules of a folder's ignore file; raises OSError."""
    raw = retries.twice(partial(read_file, os.path.join(site.source(folder), NAME)))
    return Level(folder, read_rules(decode(raw), fold=site.fold))


def _listed(folder: str, stack: ExitStack) -> list[os.DirEntry[str]]:
    """The entries of a folder. Where possible it stays open, on the stack: that makes `stat` of them faster."""
    if not BY_FD:
        with os.scandir(folder) as entries:
            return list(entries)
    fd = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    stack.callback(os.close, fd)
    with os.scandir(fd) as entries:
        return list(entries)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder and no link. On some file systems this asks the disk, which may fail."""
    return entry.is_dir(follow_symlinks=False) and not _is_junction(entry)


def _is_junction(entry: os.DirEntry[str]) -> bool:
    return HAS_TAGS and getattr(entry.stat(follow_symlinks=False), "st_reparse_tag", 0) == JUNCTION


def _without(patterns: tuple[Pattern, ...], out: tuple[Pattern, ...]) -> tuple[Pattern, ...]:
    return tuple(one for one in patterns if one not in out)


def _status_with_retry(entry: os.DirEntry[str], retries: RetryBudget) -> os.stat_result:
    try:
        return _status(entry)
    except OSError:
        retries.wait()
    return _status(entry)


def _status(entry: os.DirEntry[str]) -> os.stat_result:
    """Its status now; Windows' listing has neither inode nor link count."""
    return entry.stat(follow_symlinks=False) if BY_FD else os.lstat(entry.path)


def is_link(status: os.stat_result) -> bool:
    """Whether it is a link, of whichever kind."""
    return stat.S_ISLNK(status.st_mode) or getattr(status, "st_reparse_tag", 0) == JUNCTION


def reason(error: OSError) -> str:
    """Why something could not be read, for a person."""
    if isinstance(error, FileNotFoundError):
        return "vanished before it could be read"
    return error.strerror or str(error)

"""Looks for everything that the sets name, in one walk: what goes into a backup, and what is asked for in vain."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from autosys_tasks.backup.patience import Patience
from autosys_tasks.backup.secrets_text import looks_secret
from autosys_tasks.backup.staged import Staged, capture_git, copy_databases
from autosys_tasks.backup.values import FILE, FOLDER, HARDLINK, LINK, SECRET, Collected, Failed, Found
from autosys_tasks.backup.walk import LeftOut, Seen, Site, Unread, is_link, reason, walk
from autosys_tasks.backup.wanted_text import Pattern, patterns
from autosys_tasks.config.model import Config
from autosys_tasks.core.clock import span
from autosys_tasks.supervise.state import place_of

EVERY = 10_000  # paths between two words about how far it is
SPECIAL = {stat.S_IFSOCK: "a socket", stat.S_IFIFO: "a pipe"}
LEADS_OUT = "leads-out"
OWNER_ONLY = hasattr(os.stat_result, "st_file_attributes")  # Windows knows the rights of the owner alone


def collect(
    config: Config,
    folder: Path,
    now: float,
    staging: Path,
    *,
    tell: Callable[[str], object] = lambda _: None,
    databases: bool = True,
    apart: bool = False,
) -> Collected:
    """Everything in the workspace that `[backup]` asks for, in order of path.

    `folder` is where backups lie: it is never collected, nor are the state folder and `staging`, which takes
    copies of what cannot be read as it lies there. `now` (seconds since 1970) is what `newer_than` counts from.
    Without `databases` these are shown as they lie there, and with `apart` copied so: to open one that is written to
    leaves marks beside it.
    """
    site = site_of(config, folder, staging)
    wanted = patterns(config.backup.sets.values(), fold=site.fold)
    gathered = _Gathered(site, wanted, now)
    for event in walk(site, wanted, gathered.patience):
        gathered.take(event)
        if len(gathered.found) % EVERY == EVERY - 1:
            tell(f"looking: {len(gathered.found) + 1} paths")
    gathered.add_parents()
    things, damaged = gathered.found, list[Failed]()
    if databases:
        required = {one.name for one in config.backup.sets.values() if one.required}
        things, damaged = copy_databases(
            gathered.found, staging, gathered.patience, lambda one: not required.isdisjoint(one.sets), apart=apart
        )
    repository = capture_git(site.root, site.own, staging) if config.backup.git else Staged()
    if config.backup.git:
        tell(f"git: {repository.summary}")
    things.update((one.path, one) for one in repository.found)
    return Collected(
        _in_order(_with_hard_links(things, gathered.linked)),
        (*gathered.in_vain(), *gathered.failed, *damaged, *repository.failed),
        tuple(gathered.skipped),
        (*gathered.too_old(), *repository.notes),
        repository.summary,
    )


def site_of(config: Config, *own: Path) -> Site:
    """The workspace as a place to walk; the state folder, copies within it and `own` are ours."""
    root = os.path.abspath(config.path)
    fold = os.path.normcase("A") == "a"
    near = [_path(place) for place in config.backup.copies if place.startswith("file://")]
    folders = [os.path.join(root, "backups"), place_of(config).folder, *map(str, own), *near]
    inside = (_inside(path, root) for path in folders)
    return Site(root, tuple(dict.fromkeys(path for path in inside if path)), fold)


def _path(url: str) -> str:
    from urllib.parse import unquote, urlsplit

    return re.sub(r"^/(?=[A-Za-z]:)", "", unquote(urlsplit(url).path))


def _inside(path: str, root: str) -> str:
    """A folder as seen from the root, "" when it is not below it."""
    try:
        seen = os.path.relpath(os.path.realpath(path), os.path.realpath(root)).replace(os.sep, "/")
    except ValueError:  # another drive
        return ""
    return "" if seen == "." or seen.split("/")[0] == ".." else seen


class _Gathered:
    """What a walk has met so far."""

    def __init__(self, site: Site, wanted: Sequence[Pattern], now: float) -> None:
        self.site, self.wanted, self.now = site, wanted, now
        self.patience = Patience()
        self.found: dict[str, Found] = {}
        self.failed: list[Failed] = []
        self.skipped: list[str] = []
        self.linked: dict[str, tuple[int, int]] = {}  # path -> (device, inode) of files that have several names
        self.met: dict[tuple[str, str], bool] = {}  # (set, pattern): it matched something; and something young enough
        self.left_out: dict[tuple[str, str], LeftOut] = {}
        self.by: tuple[Pattern, ...] = ()  # what took the last thing, which as a rule takes the next one too
        self.sets: tuple[str, ...] = ()  # of those
        self.ageless = True  # none of those asks how old a thing is

    def take(self, event: object) -> None:
        """One thing that the walk says."""
        if isinstance(event, Seen):
            if event.patterns is not self.by:
                self._turn_to(event.patterns)
            if self.ageless:
                self._add(event, self.by, self.sets)
            elif young := tuple(one for one in self.by if self._is_young(one, event.status)):
                self.met.update({(one.of.name, one.written): True for one in young})
                self._add(event, young, _names(young))
        elif isinstance(event, LeftOut):
            for one in event.patterns:
                self.left_out.setdefault((one.of.name, one.written), event)
        elif isinstance(event, Unread):
            self._fail(event.path, event.why, event.patterns)

    def _turn_to(self, by: tuple[Pattern, ...]) -> None:
        self.by, self.sets, self.ageless = by, _names(by), all(one.of.newer_than_s is None for one in by)
        for one in by:
            self.met.setdefault((one.of.name, one.written), one.of.newer_than_s is None)

    def _is_young(self, one: Pattern, status: os.stat_result) -> bool:
        return one.of.newer_than_s is None or status.st_mtime >= self.now - one.of.newer_than_s

    def _fail(self, path: str, why: str, by: Sequence[Pattern]) -> None:
        self.failed.append(Failed(path, why, any(one.of.required for one in by)))
        self.met.update({(one.of.name, one.written): True for one in by if one.takes(path)})

    def _add(self, seen: Seen, by: Sequence[Pattern], sets: tuple[str, ...]) -> None:
        path, source, status, _ = seen
        try:
            thing = _thing(self.site, path, source, status, sets, self.patience)
        except OSError as error:
            self._fail(path, reason(error), by)
            return
        if thing is None:
            self.skipped.append(f"{path}: {SPECIAL.get(stat.S_IFMT(status.st_mode), 'a device')}")
            return
        self.found[path] = thing
        if status.st_nlink > 1 and thing.kind == FILE:
            self.linked[path] = status.st_dev, status.st_ino

    def add_parents(self) -> None:
        """The folders that the found things lie in: their times and rights are theirs, too."""
        parents: set[str] = set()
        for above in {path.rpartition("/")[0] for path in self.found}:
            while above and above not in parents:
                parents.add(above)
                above = above.rpartition("/")[0]
        for path in parents - self.found.keys():
            source = self.site.source(path)
            try:
                thing = _thing(self.site, path, source, os.lstat(source), (), self.patience)
            except OSError:
                continue  # vanished since, with what is in it: that is named when it is read
            if thing:
                self.found[path] = thing

    def in_vain(self) -> list[Failed]:
        """The patterns that match nothing, by name."""
        rows = []
        for one in self.wanted:
            key = one.of.name, one.written
            if key in self.met:
                continue
            why = f"`{one.of.name}` asks for it, and nothing matches"
            if near := self.left_out.get(key):
                why += f"; not looked at: `{near.path}` ({near.why})"
            rows.append(Failed(one.written, why, one.of.required, idle=True))
        return rows

    def too_old(self) -> list[str]:
        """A word about each pattern whose every match is older than its set takes: that is no fault."""
        return [
            f"`{one.written}` of `{one.of.name}`: nothing of it changed within {span(one.of.newer_than_s or 0)}"
            for one in self.wanted
            if self.met.get((one.of.name, one.written)) is False
        ]


def _thing(
    site: Site, path: str, source: str, status: os.stat_result, sets: tuple[str, ...], patience: Patience
) -> Found | None:
    """What lies there, None when it is nothing that can be kept; raises OSError."""
    mtime_ns, mode, stamp = status.st_mtime_ns, _mode(status), (status.st_ino, status.st_ctime_ns)
    if stat.S_ISREG(status.st_mode):
        flags = (SECRET,) if looks_secret(path) else ()
        return Found(path, source, FILE, status.st_size, mtime_ns, mode, stamp, "", flags, sets)
    if is_link(status):
        link = patience.twice(lambda: os.readlink(source))
        flags = () if _leads_within(site, path, link) else (LEADS_OUT,)
        return Found(path, source, LINK, 0, mtime_ns, mode, link=link.replace(os.sep, "/"), flags=flags, sets=sets)
    if stat.S_ISDIR(status.st_mode):
        return Found(path, source, FOLDER, 0, mtime_ns, mode, stamp, sets=sets)
    return None


def _mode(status: os.stat_result) -> int:
    """Permission bits; where they are the owner's alone, another system is not to give the same to everybody."""
    bits = stat.S_IMODE(status.st_mode)
    return bits & 0o700 if OWNER_ONLY else bits


def _names(by: Iterable[Pattern]) -> tuple[str, ...]:
    """The sets that these patterns are of, each once."""
    return tuple(dict.fromkeys(one.of.name for one in by))


def _leads_within(site: Site, path: str, link: str) -> bool:
    """Whether a link ends in the workspace (it may dangle there)."""
    end = os.path.realpath(os.path.join(site.root, os.path.dirname(path), link))
    root = os.path.realpath(site.root)
    return end == root or end.startswith(os.path.join(root, ""))


def _with_hard_links(found: Mapping[str, Found], linked: Mapping[str, tuple[int, int]]) -> dict[str, Found]:
    """Of the names of one file, the first is the file and the others lead to it."""
    things, first = dict(found), dict[tuple[int, int], str]()
    for path in sorted(linked.keys() & things.keys()):
        target = first.setdefault(linked[path], path)
        if target != path:
            things[path] = things[path]._replace(kind=HARDLINK, link=target)
    return things


def _in_order(found: Mapping[str, Found]) -> tuple[Found, ...]:
    return tuple([found[path] for path in sorted(found)])

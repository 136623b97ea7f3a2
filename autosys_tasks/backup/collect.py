"""Collects what the sets' patterns match, in one walk; and tells which patterns match nothing."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path

from autosys_tasks.backup.base import Base
from autosys_tasks.backup.patterns_text import Pattern, patterns
from autosys_tasks.backup.progress import Say
from autosys_tasks.backup.restore.names_text import Rules, link_stays
from autosys_tasks.backup.retry import RetryBudget
from autosys_tasks.backup.secrets_text import looks_secret, some_look_secret
from autosys_tasks.backup.sqlite_copy import ITS_OWN, PAGE
from autosys_tasks.backup.staged import Staged, capture_git, copy_databases
from autosys_tasks.backup.values import FILE, FOLDER, HARDLINK, LINK, SECRET, Collected, Failed, Found, Skipped
from autosys_tasks.backup.walk import Event, Excluded, Matched, Site, Thing, is_link, reason, walk
from autosys_tasks.config.model import Config
from autosys_tasks.core.clock import span
from autosys_tasks.supervise.state import place_of

EVERY = 10_000  # paths between two lines of progress
SPECIAL = {stat.S_IFSOCK: "a socket", stat.S_IFIFO: "a pipe"}
LEADS_OUT = "leads-out"
IS_WINDOWS = hasattr(os.stat_result, "st_file_attributes")
BITS = 0o700 if IS_WINDOWS else 0o7777  # Windows knows no group and others: they get no rights elsewhere


def collect(
    config: Config,
    folder: Path,
    now: float,
    staging: Path,
    *,
    say: Say = lambda _: None,
    base: Base | None = None,
    databases: bool = True,
    apart: bool = False,
) -> Collected:
    """Everything in the workspace that `[backup]` asks for, in order of path, without what `base` has unchanged.

    `folder` (of backups), the state folder and `staging` (for copies of databases and git) are never collected.
    `now`: seconds since 1970, for `newer_than`. Without `databases` none is copied; with `apart` SQLite does not open
    those in the workspace (see sqlite_copy.copy). Raises Damaged, before anything is copied, when the base's lines
    cannot be read.
    """
    base = base or Base()
    site = site_of(config, folder, staging)
    collector = _Collector(site, patterns(config.backup.sets.values(), fold=site.fold), now, base)
    collector.walk(say)
    left = base.left()
    collector.add_parents()
    copies, damaged = dict[str, Found](), list[Failed]()
    if databases:
        required = {one.name for one in config.backup.sets.values() if one.required}
        copies, damaged = copy_databases(
            collector.paged, staging, collector.retries, lambda one: not required.isdisjoint(one.sets), apart=apart
        )
    repository = Staged()
    if config.backup.git:
        repository = capture_git(site.root, site.own, staging)
        say(f"git: {repository.summary}")
    return Collected(
        found=tuple(sorted(collector.all_found(copies, repository.found), key=itemgetter(0))),
        missing=(*collector.unmatched(), *collector.failed, *damaged, *repository.failed),
        skipped=tuple(collector.skipped),
        notes=(*collector.too_old(), *repository.notes),
        git=repository.summary,
        files=base.files,
        bytes=base.bytes,
        left=tuple(left),
    )


def site_of(config: Config, *own: Path) -> Site:
    """The workspace to walk, without the state folder, `own`, and copies of backups in second places."""
    root = os.path.abspath(config.path)
    fold = os.path.normcase("A") == "a"
    near = (_inside(_path(place), root) for place in config.backup.copies if place.startswith("file://"))
    folders = [os.path.join(root, "backups"), place_of(config).folder, *map(str, own)]
    inside = (_inside(path, root) for path in folders)
    places = frozenset(path for path in near if path is not None)
    return Site(root, tuple(dict.fromkeys(path for path in inside if path)), fold, places)


def _path(url: str) -> str:
    from urllib.parse import unquote, urlsplit

    return re.sub(r"^/(?=[A-Za-z]:)", "", unquote(urlsplit(url).path))


def _inside(path: str, root: str) -> str | None:
    """A folder's path relative to the root, "" for the root itself, None when it is not below it."""
    try:
        seen = os.path.relpath(os.path.realpath(path), os.path.realpath(root)).replace(os.sep, "/")
    except ValueError:  # another drive
        return None
    return "" if seen == "." else None if seen.split("/")[0] == ".." else seen


class _Collector:
    """Walks, and collects what was found."""

    def __init__(self, site: Site, wanted: Sequence[Pattern], now: float, base: Base) -> None:
        self.site, self.wanted, self.now, self.base = site, wanted, now, base
        self.retries = RetryBudget()
        self.found: list[Found] = []
        self.paged: list[Found] = []  # of `found`: files of the size of a SQLite database
        self.failed: list[Failed] = []
        self.skipped: list[Skipped] = []
        self.linked: list[tuple[Found, tuple[int, int]]] = []  # files with several names, with (device, inode)
        self.matched: dict[tuple[str, str], bool] = {}  # (set, pattern) -> whether a match is young enough
        self.left_out: dict[tuple[str, str], Excluded] = {}
        self.others: set[str] = set()  # of `found`: paths of folders and links
        self.folders: set[str] = set()  # folders in which something was found

    @property
    def count(self) -> int:
        """How many things were found, unchanged files of the base included."""
        return len(self.found) + self.base.files

    def walk(self, say: Say) -> None:
        """Walk the workspace; `say` gets a line after every EVERY paths."""
        reported = 0
        for event in walk(self.site, self.wanted, self.retries):
            self._add_event(event)
            if self.count >= reported + EVERY:
                reported = self.count
                say(f"looking: {reported} paths")

    def _add_event(self, event: Event) -> None:
        if isinstance(event, Matched):
            self._add_matched(event)
        elif isinstance(event, Excluded):
            for one in event.patterns:
                self.left_out.setdefault((one.of.name, one.written), event)
        else:
            self._fail(event.path, event.why, event.patterns)

    def _add_matched(self, seen: Matched) -> None:
        for one in seen.patterns:
            self.matched.setdefault((one.of.name, one.written), one.of.newer_than_s is None)
        if all(one.of.newer_than_s is None for one in seen.patterns):
            self._add(seen)
            return
        for thing in seen.things:
            if young := tuple(one for one in seen.patterns if self._is_young(one, thing[1])):
                self.matched.update({(one.of.name, one.written): True for one in young})
                self._add(Matched(seen.folder, [thing], young))

    def _is_young(self, one: Pattern, status: os.stat_result) -> bool:
        return one.of.newer_than_s is None or status.st_mtime >= self.now - one.of.newer_than_s

    def _fail(self, path: str, why: str, by: Sequence[Pattern]) -> None:
        self.failed.append(Failed(path, why, any(one.of.required for one in by)))
        self.matched.update({(one.of.name, one.written): True for one in by if one.matches(path)})

    def _add(self, seen: Matched) -> None:
        prefix = f"{seen.folder}/" if seen.folder else ""
        here = os.path.join(self.site.source(seen.folder), "")
        sets = tuple(dict.fromkeys(one.of.name for one in seen.patterns))
        already = self.count
        others = self._to_examine(prefix, seen.things)
        has_secrets = some_look_secret(seen.folder, [name for name, _ in others])
        for name, status in others:
            path, mode, size = prefix + name, status.st_mode, status.st_size
            if not stat.S_ISREG(mode):
                self._add_other(path, here + name, status, seen.patterns, sets)
                continue
            stamp = status.st_ino, status.st_ctime_ns
            flags = (SECRET,) if has_secrets and looks_secret(path) else ()
            thing = Found(path, here + name, FILE, size, status.st_mtime_ns, mode & BITS, stamp, "", flags, sets)
            self.found.append(thing)
            if not size % PAGE:
                self.paged.append(thing)
            if status.st_nlink > 1:
                self.linked.append((thing, (status.st_dev, stamp[0])))
        if self.count > already:
            self.folders.add(seen.folder)

    def _to_examine(self, prefix: str, things: Sequence[Thing]) -> list[Thing]:
        """All but unchanged plain files: new and changed ones, links, folders, possible databases."""
        others = []
        for thing in things:
            name, status = thing
            size, mode, stamp = status.st_size, status.st_mode, (status.st_ino, status.st_ctime_ns)
            plain = size % PAGE and status.st_nlink == 1 and not name.endswith(ITS_OWN) and stat.S_ISREG(mode)
            if not plain or not self.base.has(prefix + name, size, status.st_mtime_ns, mode & BITS, stamp):
                others.append(thing)
        return others

    def _add_other(
        self, path: str, source: str, status: os.stat_result, by: Sequence[Pattern], sets: tuple[str, ...]
    ) -> None:
        try:
            thing = _other(self.site, path, source, status, sets, self.retries)
        except OSError as error:
            self._fail(path, reason(error), by)
            return
        if thing:
            self.found.append(thing)
            self.others.add(path)
        else:
            self.skipped.append(Skipped(path, SPECIAL.get(stat.S_IFMT(status.st_mode), "a device")))

    def add_parents(self) -> None:
        """Add the folders above all that was found, for their modes and times."""
        parents: set[str] = set()
        for above in self.folders:
            while above and above not in parents:
                parents.add(above)
                above = above.rpartition("/")[0]
        for path in parents - self.others:
            source = self.site.source(path)
            try:
                thing = _other(self.site, path, source, os.lstat(source), (), self.retries)
            except OSError:
                continue  # vanished; its files are reported when they are read
            if thing:
                self.found.append(thing)

    def all_found(self, copies: Mapping[str, Found], more: Iterable[Found]) -> list[Found]:
        """All that was found, databases replaced by their copies (without their journals), and `more`."""
        gone = {f"{path}{side}" for path in copies for side in ITS_OWN}
        instead, first = dict(copies), dict[tuple[int, int], str]()
        for one, inode in sorted(self.linked):
            if one.path not in gone and (target := first.setdefault(inode, one.path)) != one.path:
                instead[one.path] = instead.get(one.path, one)._replace(kind=HARDLINK, link=target)
        instead.update((one.path, one) for one in more)
        other = gone | instead.keys()
        return [*(one for one in self.found if one.path not in other), *instead.values()] if other else self.found

    def unmatched(self) -> list[Failed]:
        """A failure for each pattern that matches nothing."""
        rows = []
        for one in self.wanted:
            key = one.of.name, one.written
            if key in self.matched:
                continue
            why = f"`{one.of.name}` asks for it, and nothing matches"
            if near := self.left_out.get(key):
                why += f"; not looked at: `{near.path}` ({near.why})"
            rows.append(Failed(one.written, why, one.of.required, unmatched=True))
        return rows

    def too_old(self) -> list[str]:
        """A note for each pattern that only matches things older than `newer_than`."""
        return [
            f"`{one.written}` of `{one.of.name}`: nothing of it changed within {span(one.of.newer_than_s or 0)}"
            for one in self.wanted
            if self.matched.get((one.of.name, one.written)) is False
        ]


def _other(
    site: Site, path: str, source: str, status: os.stat_result, sets: tuple[str, ...], retries: RetryBudget
) -> Found | None:
    """A link or a folder; None for sockets, pipes and devices. Raises OSError."""
    mtime_ns, mode, stamp = status.st_mtime_ns, status.st_mode & BITS, (status.st_ino, status.st_ctime_ns)
    if is_link(status):
        link = retries.twice(lambda: os.readlink(source))
        text = link.replace(os.sep, "/")
        within = link_stays(path, text, Rules(windows=IS_WINDOWS)) and _leads_within(site, path, link)
        flags = () if within else (LEADS_OUT,)
        return Found(path, source, LINK, 0, mtime_ns, mode, link=text, flags=flags, sets=sets)
    if stat.S_ISDIR(status.st_mode):
        return Found(path, source, FOLDER, 0, mtime_ns, mode, stamp, sets=sets)
    return None


def _leads_within(site: Site, path: str, link: str) -> bool:
    """Whether a link ends in the workspace (it may dangle there)."""
    end = os.path.realpath(os.path.join(site.root, os.path.dirname(path), link))
    root = os.path.realpath(site.root)
    return end == root or end.startswith(os.path.join(root, ""))

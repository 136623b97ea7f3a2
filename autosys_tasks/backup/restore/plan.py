"""Decides what a restore does to each path: written, replaced, linked, left as it is, or refused. Pure.

Folders come first, then files, then links; nothing is ever removed, and no folder is replaced.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple
from unicodedata import normalize

from autosys_tasks.backup.restore.names_text import Rules, TargetNames, link_stays
from autosys_tasks.backup.values import FILE, FOLDER, HARDLINK, LINK, OWN, Backup, Entry
from autosys_tasks.core.errors import UsageError, nearest
from autosys_tasks.core.globs import matches
from autosys_tasks.core.plan import Plan, Step

NEVER, CHANGED, ALWAYS = "never", "changed", "always"
OVERWRITE = (NEVER, CHANGED, ALWAYS)
MAKE, WRITE, REPLACE, LINK_TO, KEEP, REFUSE = "make", "write", "replace", "link", "keep", "refuse"
ORDER = (MAKE, WRITE, REPLACE, LINK_TO, KEEP, REFUSE)
NEW = {FOLDER: MAKE, LINK: LINK_TO}  # what is done where nothing is: all else is written
OTHER = "other"  # what is neither a file, nor a folder, nor a link
NOT_THERE = "not there"
NOT_MADE = "not made, as it may lead out of the folder"  # of a link
SAME = "there already, the same"  # of a folder: it has the time that it had, so nothing has come into it since
WILD = frozenset("*?[")
MOST = 20  # names of one kind in the notes of a plan
CANDIDATES = 5000  # paths that a wrong one is compared with


class Wanted(NamedTuple):
    """An entry of the backup's state, the backup whose archive holds it, and where it goes."""

    entry: Entry
    backup: Backup
    target: str  # below the folder that is restored to; "" when refused
    why: str = ""  # another name than its own, or refused


class Existing(NamedTuple):
    """What is at a target now. `sha256` only where the plan asks for it."""

    kind: str  # file | folder | link | other
    sha256: str = ""
    link: str = ""
    why: str = ""  # it could not be looked at
    mtime_ns: int = 0  # of a folder

    @property
    def said(self) -> str:
        """What is there, for a person."""
        return "something else" if self.kind == OTHER else f"a {self.kind}"


class Item(NamedTuple):
    """What is done about one wanted entry, and why."""

    kind: str
    wanted: Wanted
    reason: str

    @property
    def is_new(self) -> bool:
        """Whether nothing was at its target."""
        return self.reason == NOT_THERE

    @property
    def is_not_made(self) -> bool:
        """Whether it is a link that is made only for who names it."""
        return self.reason.startswith(NOT_MADE)

    @property
    def step(self) -> Step:
        """As every room's steps are."""
        entry, target = self.wanted.entry, self.wanted.target or self.wanted.entry.path
        return Step(self.kind, target, self.reason, {"path": entry.path, "bytes": entry.size})


def select(
    state: Iterable[tuple[Entry, Backup]], paths: Sequence[str], *, own: bool = False, of: str = "latest"
) -> list[tuple[Entry, Backup]]:
    """Those of a state that `paths` name: a file, a folder with all in it, or a glob; all when none is named.

    Where nothing has a path's very name, what looks the same has it: macOS may write `é` as two code points, and Hangul
    letter by letter. What is ours (the state of git) comes along only when it is named, or with `own`. Raises
    UsageError for a path that names nothing, with the nearest; `of`: the id that its hint names.
    """
    if not paths:
        return [each for each in state if own or not each[0].path.startswith(f"{OWN}/")]
    names = [_plain(path) for path in paths]
    found: list[tuple[Entry, Backup]] = []
    alike: dict[str, list[tuple[Entry, Backup]]] = {}
    unmet, seen = set(names), []
    for entry, backup in state:
        named = [name for name in names if is_named(name, entry.path)]
        unmet.difference_update(named)
        if named:
            found.append((entry, backup))
        if unmet:
            seen.append(entry.path)
            for name in unmet if not entry.path.isascii() else ():
                if is_named(normalize("NFC", name), normalize("NFC", entry.path)):
                    alike.setdefault(name, []).append((entry, backup))
    if lacking := unmet - alike.keys():
        raise _unknown(min(lacking, key=names.index), seen, of)
    more = {each[0].path: each for name in unmet for each in alike[name]}
    return sorted({**{each[0].path: each for each in found}, **more}.values(), key=_path_of) if more else found


def _path_of(each: tuple[Entry, Backup]) -> str:
    return each[0].path


def shared(found: Iterable[tuple[Entry, Backup]]) -> set[str]:
    """The paths that hard links among these take their bytes from."""
    return {entry.link for entry, _ in found if entry.kind == HARDLINK}


def with_bytes(
    found: Iterable[tuple[Entry, Backup]], firsts: Mapping[str, tuple[Entry, Backup]]
) -> list[tuple[Entry, Backup]]:
    """The same entries; each hard link gets hash and member of its first file, which need not be restored with it."""
    return [_with_bytes(*each, firsts) for each in found] if firsts else list(found)


def _with_bytes(entry: Entry, backup: Backup, firsts: Mapping[str, tuple[Entry, Backup]]) -> tuple[Entry, Backup]:
    if entry.kind != HARDLINK or entry.link not in firsts:
        return entry, backup
    first, holder = firsts[entry.link]
    member = first.member or first.path
    return entry._replace(size=first.size, sha256=first.sha256, member=member, tail=first.tail), holder


def is_named(name: str, path: str) -> bool:
    """Whether `name` is this path, a folder above it, or a glob that it matches."""
    return name in ("", path) or path.startswith(f"{name}/") or (not WILD.isdisjoint(name) and matches([name], path))


def _plain(path: str) -> str:
    """A path as a person types it, as archives have it."""
    words = path.replace("\\", "/")
    while words.startswith("./"):
        words = words[2:]
    return "" if words == "." else words.rstrip("/")


def _unknown(name: str, paths: Sequence[str], of: str) -> UsageError:
    """The error for a path that is not in the backup."""
    folder = name.rpartition("/")[0]
    beside = [path for path in paths if path.rpartition("/")[0] == folder] or paths
    last = name.rpartition("/")[2].casefold()
    same = next((path for path in paths if path.rpartition("/")[2].casefold() == last), "")
    near = nearest(name, beside[:CANDIDATES])
    hint = f"did you mean `{same or near}`?" if same or near else f"what is in it: inv backup.show {of}"
    return UsageError(f"nothing in this backup is named `{name}`", where=name, hint=hint)


def with_targets(state: Iterable[tuple[Entry, Backup]], rules: Rules) -> list[Wanted]:
    """Where each entry goes on a disk with these rules."""
    places, found = TargetNames(rules), []
    for entry, backup in state:
        place = places.place(entry.path)
        found.append(Wanted(entry, backup, place.target, place.why))
    return found


def plan(
    wanted: Iterable[Wanted], there: Mapping[str, Existing], rules: Rules, *,
    overwrite: str = NEVER, named: Collection[str] = (),
) -> list[Item]:  # fmt: skip
    """What to do, in the order in which it is done. `there`: what is at the targets now, and at the folders above.

    `named`: paths that a person asked for one by one; a link that leads out is made for nobody else.
    """
    named = {_plain(path) for path in named}
    items = [_item(each, there, rules, overwrite, named) for each in wanted]
    return sorted(items, key=lambda item: ORDER.index(item.kind))


def _item(
    wanted: Wanted, there: Mapping[str, Existing], rules: Rules, overwrite: str, named: Collection[str]
) -> Item:
    entry, now = wanted.entry, there.get(wanted.target)
    if not wanted.target:
        return Item(REFUSE, wanted, wanted.why)
    if (above := _in_the_way(wanted.target, there)) is not None:
        return Item(REFUSE, wanted, above)
    may_lead_out = entry.kind == LINK and not link_stays(entry.path, entry.link, rules)
    if may_lead_out and entry.path not in named and not (now and _same(entry, now)):
        return Item(KEEP, wanted, f"{NOT_MADE}: it led to `{entry.link}`")
    if entry.kind == HARDLINK and not entry.sha256:
        return Item(REFUSE, wanted, f"the backup lacks `{entry.link}`, whose bytes it shares")
    if now is not None and now.why:
        return Item(REFUSE, wanted, now.why)
    if now is None:
        return Item(NEW.get(entry.kind, WRITE), wanted, NOT_THERE)
    if FOLDER in (entry.kind, now.kind):
        if entry.kind == now.kind:
            return Item(KEEP, wanted, SAME if now.mtime_ns == entry.mtime_ns else "there already")
        return Item(REFUSE, wanted, f"{now.said} is there, and no {entry.kind}")
    return _over(wanted, now, overwrite)


def _over(wanted: Wanted, now: Existing, overwrite: str) -> Item:
    """What to do where a file or link is there already."""
    entry = wanted.entry
    if overwrite == NEVER:
        return Item(KEEP, wanted, "there already, and stays (--overwrite changed or always)")
    if overwrite == CHANGED and _same(entry, now):
        return Item(KEEP, wanted, SAME)
    reason = "not the same as there" if overwrite == CHANGED else "asked for (--overwrite always)"
    return Item(LINK_TO if entry.kind == LINK else REPLACE, wanted, reason)


def _same(entry: Entry, now: Existing) -> bool:
    if entry.kind == LINK:
        return now.kind == LINK and now.link == entry.link
    return now.kind == FILE and now.sha256 == entry.sha256


def _in_the_way(target: str, there: Mapping[str, Existing]) -> str | None:
    """Why nothing can be put below the folders of `target`: one of them is a file, or a link that may lead anywhere."""
    for above in folders_of(target) if there else ():
        now = there.get(above)
        if now is not None and now.kind != FOLDER:
            return now.why or f"`{above}` is {now.said} there: nothing is written through it"
    return None


def folders_of(path: str) -> Iterator[str]:
    """Every folder above a path, the uppermost first."""
    parts = path.split("/")[:-1]
    yield from ("/".join(parts[: number + 1]) for number in range(len(parts)))


def dry_run_plan(task: str, items: Iterable[Item]) -> Plan:
    """The plan for a dry run: what would change as steps, what stays or is refused in the notes."""
    steps, stays, refused, renamed = [], [], [], []
    for item in items:
        path = item.wanted.entry.path
        if item.kind == KEEP:
            stays += [f"{path}: {item.reason}"] if item.wanted.entry.kind != FOLDER else []
        elif item.kind == REFUSE:
            refused.append(f"{path}: refused, {item.reason}")
        else:
            steps.append(item.step)
            renamed += [f"{path}: as `{item.wanted.target}`, {item.wanted.why}"] if item.wanted.why else []
    return Plan(task, tuple(steps), (*first_few(refused), *first_few(renamed), *first_few(stays)))


def first_few(lines: Sequence[str], most: int = MOST) -> list[str]:
    """The first of many lines, and how many more there are."""
    return [*lines[:most], *([f"... and {len(lines) - most} more"] if len(lines) > most else [])]

"""Decides between a full and a differential backup, and which of the found files it has to hold. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from autosys_tasks.backup.values import DIFFERENTIAL, FILE, FULL, OWN, SECRET, SQLITE, Backup, Entry, Found
from autosys_tasks.core.clock import counted, size

DAY_S = 86_400.0
WEEKLY_S = 6.5 * DAY_S  # a full a week: the seventh night may come some minutes early
GROWN, GROWN_BYTES = 0.3, 1_000_000  # a differential beyond this share of its full, and this size: a new full
RACY_S = 2.0  # a file changed so shortly before the scan may change again without its mtime changing
TAIL_FROM = 4 << 10  # bytes; of larger files that only grew, the tail is kept
NO_STAMP = (0, 0)
NOTHING: Mapping[str, str] = {}
One = TypeVar("One", Entry, Found)
Other = TypeVar("Other", Entry, Found)


class Choice(NamedTuple):
    """The kind of the next backup, and the full one that a differential builds upon."""

    kind: str  # full | differential
    base: Backup | None
    reason: str


class Changes(NamedTuple):
    """What differs from the base: unchanged things, things to read (with the base's entry), deleted paths."""

    same: tuple[Found, ...]
    read: tuple[tuple[Found, Entry | None], ...]  # things without bytes (folders, links) are there too when they differ
    deleted: tuple[str, ...]


def choose(
    backups: Iterable[Backup], sets: str, now: float, *, encrypted: bool = False, unusable: Mapping[str, str] = NOTHING
) -> Choice:
    """Full or differential. `sets`: the digest of what is asked for now; `unusable`: why one is no base, by id.

    A full is made every week, and whenever a differential against the newest one would be impossible or wasteful.
    """
    known = [one for one in backups if one.created <= now + DAY_S]  # a clock that was wrong: its backups are no base
    fulls = [one for one in known if one.kind == FULL and one.verified]
    if not fulls:
        return Choice(FULL, None, "there is no full backup yet")
    base = max(fulls, key=lambda one: (one.created, one.id))
    if reason := _why_no_base(base, known, sets, now, encrypted, unusable):
        return Choice(FULL, None, reason)
    return Choice(DIFFERENTIAL, base, f"the full backup {base.id} is of this week")


def _why_no_base(
    base: Backup, known: Sequence[Backup], sets: str, now: float, encrypted: bool, unusable: Mapping[str, str]
) -> str:
    """Why this full backup is no base for another differential, "" when it is one."""
    if base.id in unusable:
        return f"the full backup {base.id} cannot be built upon: {unusable[base.id]}"
    if base.sets != sets:
        return f"what is asked for has changed since the full backup {base.id}"
    if base.encrypted != encrypted:
        return f"the full backup {base.id} is {'encrypted' if base.encrypted else 'not encrypted'}, unlike this one"
    if now - base.created >= WEEKLY_S:
        return f"the full backup {base.id} is {counted(round((now - base.created) / DAY_S), 'day')} old"
    upon = [one for one in known if one.base == base.id]
    last = max(upon, key=lambda one: one.created, default=None)
    if last and last.archive_bytes > max(GROWN_BYTES, GROWN * base.archive_bytes):
        return f"{last.id} has grown to {size(last.archive_bytes)}, its full has {size(base.archive_bytes)}"
    return ""


def changed(found: Iterable[Found], before: Iterable[Entry], scanned: float, unread: Collection[str] = ()) -> Changes:
    """Compare what was found with the entries of the base; both in order of path.

    `scanned`: when the base's files were scanned (seconds since 1970); `unread`: folders that cannot be read now.
    """
    same: list[Found] = []
    read: list[tuple[Found, Entry | None]] = []
    deleted: list[str] = []
    for thing, entry in side_by_side(found, before):
        if thing is None:
            assert entry is not None
            if not _is_below(entry.path, unread):  # else it stays as the base has it
                deleted.append(entry.path)
        elif entry is not None and has_same_metadata(thing, entry, scanned):
            same.append(thing)
        else:
            read.append((thing, entry))
    return Changes(tuple(same), tuple(read), tuple(deleted))


def has_same_metadata(thing: Found, entry: Entry, scanned: float) -> bool:
    """Whether the metadata (size, times, inode, mode) is that of the entry, so that the bytes need no reading."""
    now = thing.kind, thing.mtime_ns, thing.mode, thing.link, {*thing.flags, SECRET}
    if now != (entry.kind, entry.mtime_ns, entry.mode, entry.link, {*entry.flags, SECRET}):  # SECRET: by its text
        return False
    if thing.kind != FILE:
        return True
    racy = thing.mtime_ns >= (scanned - RACY_S) * 1e9
    return not racy and thing.stamp == entry.stamp != NO_STAMP and thing.size == entry.size


def may_have_grown(found: Found, before: Entry) -> bool:
    """Whether a file may have grown at its end only; its bytes decide. False for staged copies (databases, git)."""
    if not found.kind == before.kind == FILE or found.path.startswith(f"{OWN}/"):
        return False
    if SQLITE in found.flags or SQLITE in before.flags or before.member:  # a tail needs its file's own path
        return False
    return TAIL_FROM < before.size < found.size


def bytes_to_store(things: Iterable[tuple[Found, Entry | None]]) -> int:
    """How many bytes the archive will hold, if every file that is longer now only grew at its end."""
    return sum(
        found.size - (before.size if before and may_have_grown(found, before) else 0) for found, before in things
    )


def side_by_side(ones: Iterable[One], others: Iterable[Other]) -> Iterator[tuple[One | None, Other | None]]:
    """Merge two streams in order of path; equal paths come as one pair."""
    first, second = iter(ones), iter(others)
    one, other = next(first, None), next(second, None)
    while one or other:
        if other is None or (one and one.path < other.path):
            yield one, None
            one = next(first, None)
        elif one is None or other.path < one.path:
            yield None, other
            other = next(second, None)
        else:
            yield one, other
            one, other = next(first, None), next(second, None)


def _is_below(path: str, folders: Collection[str]) -> bool:
    return any(one in (".", path) or path.startswith(f"{one}/") for one in folders)

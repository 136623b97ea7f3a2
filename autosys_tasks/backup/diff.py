"""What is not the same in two backups, or in one and on the disk now. Compares bytes by their hashes, never by time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from autosys_tasks.backup.plan import side_by_side
from autosys_tasks.backup.progress import TellBytes
from autosys_tasks.backup.read import sha256_of
from autosys_tasks.backup.sqlite_copy import is_copy
from autosys_tasks.backup.values import FILE, HARDLINK, LINK, SQLITE, Entry, Found
from autosys_tasks.core.clock import counted

ADDED, REMOVED, CHANGED = "added", "removed", "changed"


class Difference(NamedTuple):
    """One path that is not the same on both sides; `what` of it is not, for what changed."""

    path: str
    how: str  # added | removed | changed
    what: str = ""


def of_backups(old: Iterable[Entry], new: Iterable[Entry]) -> Iterator[Difference]:
    """From one state to another, both in order of path."""
    for one, other in side_by_side(old, new):
        if one is None or other is None:
            yield _alone(one, other)
        elif what := _changed(one, other):
            yield Difference(one.path, CHANGED, what)


def of_disk(
    old: Iterable[Entry], found: Iterable[Found], tell_bytes: TellBytes = lambda count: None
) -> Iterator[Difference]:
    """From a state to what a backup would find now, both in order of path. Files of one size are read."""
    for one, other in side_by_side(old, found):
        if one is None or other is None:
            yield _alone(one, other)
        elif what := _changed(one, _read(one, other, tell_bytes)):
            yield Difference(one.path, CHANGED, what)


def _read(old: Entry, found: Found, tell_bytes: TellBytes) -> Entry:
    """What was found as an entry; with its hash where only that can tell_bytes."""
    made = Entry(found.path, found.kind, found.size, found.mtime_ns, found.mode, old.sha256, "", found.link)
    if FILE not in (old.kind, found.kind) or old.kind != found.kind or old.size != found.size:
        return made
    try:
        there = sha256_of(found.source, tell_bytes)
        if there != old.sha256 and SQLITE in found.flags and is_copy(found.source, old.sha256):
            there = old.sha256
        return made._replace(sha256=there)
    except OSError:
        return made._replace(sha256="")


def _alone(one: Entry | None, other: Entry | Found | None) -> Difference:
    there = one or other
    assert there is not None, "a path that neither side has"
    return Difference(there.path, REMOVED if one else ADDED)


def _changed(one: Entry, other: Entry) -> str:
    """What of two entries of one path differs, "" when nothing that a person would call a change does."""
    if one.kind != other.kind and {one.kind, other.kind} != {FILE, HARDLINK}:
        return f"a {one.kind}, now a {other.kind}"
    if one.kind == LINK:
        return f"led to `{one.link}`, now to `{other.link}`" if one.link != other.link else ""
    if one.kind == other.kind == FILE and (one.size, one.sha256) != (other.size, other.sha256):
        return "content" if one.size == other.size else f"content: {counted(one.size, 'byte')}, now {other.size}"
    return f"mode: {one.mode:03o}, now {other.mode:03o}" if one.mode != other.mode else ""


def lines(found: Iterable[Difference]) -> list[str]:
    """Each difference for a person, and how many there are of each kind."""
    marks = {ADDED: "+", REMOVED: "-", CHANGED: "~"}
    rows = list(found)
    said = [f"{marks[one.how]} {one.path}" + (f" ({one.what})" if one.what else "") for one in rows]
    counts = [f"{sum(one.how == how for one in rows)} {how}" for how in (ADDED, REMOVED, CHANGED)]
    return [*said, ", ".join(counts) if rows else "no difference"]


def fields(found: Iterable[Difference]) -> dict[str, object]:
    """The differences as fields of a document."""
    rows = list(found)
    changed = [{"path": one.path, "what": one.what} for one in rows if one.how == CHANGED]
    return {how: [one.path for one in rows if one.how == how] for how in (ADDED, REMOVED)} | {CHANGED: changed}

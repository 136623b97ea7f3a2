"""Decides what is copied to a second place and what is removed there, and tells when a place is behind. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from autosys_tasks.backup.values import Backup, Kept, archive_of, manifest_of
from autosys_tasks.core.clock import span

LATE_S = 48 * 3600.0
Retain = Callable[[Sequence[Backup]], Sequence[Kept]]


class Held(NamedTuple):
    """A backup that this workspace has copied to a place, and the size of its manifest there."""

    backup: Backup
    manifest: int  # bytes


class PlaceState(NamedTuple):
    """What is known of one place from run to run."""

    place: str  # its address as it may be shown
    since: float  # when it was first tried
    held: Mapping[str, Held] = {}  # by stem: our copies; only these may be removed
    sending: str = ""  # stem of the copy that is under way
    good_at: float | None = None  # when the newest backup was last known to be there
    why: str = ""  # why it was not, the last time
    mount: str = ""  # where the disk of a folder was mounted
    damaged: frozenset[str] = frozenset()  # ids of copies that were read back and found damaged

    def late(self, now: float) -> str:
        """For a person: that the newest backup has not been there for two days, and why; "" when it has."""
        behind = now - (self.since if self.good_at is None else self.good_at)
        if behind <= LATE_S:
            return ""
        how_long = f"for {span(behind)}" if self.good_at else f"yet, after {span(behind)}"
        return f"no good copy at `{self.place}` {how_long}{': ' if self.why else ''}{self.why}"


class Decision(NamedTuple):
    """What to do at one place, in order."""

    send: tuple[Backup, ...]  # a base before what needs it
    remove: tuple[Kept, ...]  # ids that retention lets go, what needs another before that other
    rests: tuple[str, ...]  # stems of ours that are incomplete or gone there, after a killed run


def decide(local: Iterable[Backup], names: Mapping[str, int], known: PlaceState, retain: Retain) -> Decision:
    """What a place lacks of the local backups (those that may be copied), and what it keeps too long.

    What would be removed at once is not sent. What became damaged there counts for nothing, and is replaced or stays:
    something of it may be good. Planning again when all this is done gives nothing to do.
    """
    here = {one.stem: one for one in local}
    whole = {one.stem: one for one in sound(names, known)}
    everything = {**whole, **here}.values()
    going = {kept.id: kept for kept in let_go(everything, retain)}
    send = tuple(one for one in _in_order(everything) if one.stem not in whole and one.id not in going)
    ids = {one.id for one in whole.values()}
    remove = tuple(kept for kept in going.values() if kept.id in ids)
    gone = {stem for stem in known.held if not {archive_of(stem), manifest_of(stem)} & names.keys()}
    rests = sorted({*gone, known.sending} - {""} - whole.keys() - {one.stem for one in send})
    return Decision(send, remove, tuple(rests))


def sound(names: Mapping[str, int], known: PlaceState) -> list[Backup]:
    """Our copies that are there with the right sizes and not known to be damaged."""
    held = [one for one in known.held.values() if one.backup.id not in known.damaged]
    return [one.backup for one in held if is_whole(one, names)]


def let_go(backups: Iterable[Backup], retain: Retain) -> list[Kept]:
    """What retention removes of these; a differential before its base."""
    return [kept for kept in reversed(retain(_in_order(backups))) if not kept.keep]


def _in_order(backups: Iterable[Backup]) -> list[Backup]:
    return sorted(backups, key=lambda one: one.id)


def is_whole(held: Held, names: Mapping[str, int]) -> bool:
    """Whether both of its files are there, as long as they were when they were checked."""
    one = held.backup
    return (names.get(one.archive), names.get(one.manifest)) == (one.archive_bytes, held.manifest)


def may_leave(backups: Iterable[Backup]) -> tuple[list[Backup], dict[str, str]]:
    """The backups that may be copied elsewhere, oldest first; and of each other one, by stem, why not."""
    may: dict[str, Backup] = {}
    stays: dict[str, str] = {}
    for one in sorted(backups, key=lambda backup: backup.id):
        if one.local_only:
            stays[one.stem] = "it is in clear, and stays: set AUTOSYS_BACKUP_PASSPHRASE, and the next ones are copied"
        elif not one.verified:
            stays[one.stem] = "it was never verified: inv backup.verify"
        elif one.base and one.base not in may:
            stays[one.stem] = f"its base {one.base} stays here too"
        else:
            may[one.id] = one
    return list(may.values()), stays

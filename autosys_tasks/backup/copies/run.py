"""Copies every verified backup to the second places, with the same retention as in `backups/`.

A file is sent as NAME.<8 hex>.part, read back, compared, and renamed; the manifest comes last: no manifest, no backup.
What is there and right is not sent again, so a copy that failed or was killed goes on where it was. What this workspace
has not brought there is neither replaced nor removed; of two that send one name at once the first to finish has it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from autosys_tasks.backup.copies.place import PART, TIMEOUT_S, Full, Lost, Place, PlaceError, full, open_place
from autosys_tasks.backup.copies.place_folder import folder_of, mount_of
from autosys_tasks.backup.copies.plan import Held, PlaceState, Retain, decide, let_go, may_leave, sound
from autosys_tasks.backup.copies.send import OneError, TakenError, chunks_of, is_right, measured, send
from autosys_tasks.backup.copies.state import load, save, save_checked
from autosys_tasks.backup.owner import is_same_owner, owner_in
from autosys_tasks.backup.progress import Say
from autosys_tasks.backup.values import Backup, Kept, archive_of, manifest_of
from autosys_tasks.config import model
from autosys_tasks.config.addresses import parse
from autosys_tasks.core.clock import size
from autosys_tasks.core.faults import fault
from autosys_tasks.core.files import is_full
from autosys_tasks.core.plan import Outcome, Step

COPY, REMOVE = "copy", "remove-copy"


class Work(NamedTuple):
    """What to do at one place in one run, and what is known of it."""

    address: str
    folder: Path  # backups/
    local: Sequence[Backup]
    retain: Retain
    state: Path
    known: PlaceState
    say: Say
    timeout_s: float


def copy_all(
    declared: model.Backup, folder: Path, backups: Sequence[Backup], state: Path, now: float, retain: Retain, *,
    say: Say = lambda line: None, timeout_s: float = TIMEOUT_S,
) -> tuple[list[Outcome], list[str]]:  # fmt: skip
    """Bring the backups in `folder` to all declared places; one outcome for each thing done or failed, and notes.

    `state`: the backup room's state folder. `retain`: what retention says of a list of backups. A failure is an
    outcome, never an exception (but StateError when nothing can be remembered).
    """
    local, stays = may_leave(backups)
    newest = max((one for one in backups if one.verified), key=lambda one: one.id, default=None)
    notes = [f"{stem} is copied nowhere: {why}" for stem, why in stays.items() if newest and stem == newest.stem]
    outcomes: list[Outcome] = []
    for address, known in zip(declared.copies, load(state, declared, now), strict=True):
        work = Work(address, folder, local, retain, state, known, say, timeout_s)
        known, done = _brought(work)
        outcomes += done
        failed = next((one.detail for one in done if one.ok is False), "")
        why = failed or (stays.get(newest.stem, "") if newest else "")
        good = newest is not None and newest.stem in known.held and not failed
        save(state, address, known._replace(good_at=now if good else known.good_at, why=why))
    return (outcomes, notes if declared.copies else [])


def _brought(work: Work) -> tuple[PlaceState, list[Outcome]]:
    """Copy to one place, and again when the connection broke: what is known of it afterwards, and the outcomes."""
    outcomes: list[Outcome] = []
    for last in (False, True):
        visit, known = Visit(work, outcomes), work.known
        try:
            _must_be_elsewhere(work)
            part = next((one.part for one in (*work.local, *(each.backup for each in known.held.values()))), PART)
            place = open_place(work.address, known.place, make=not known.held, timeout_s=work.timeout_s, part=part)
            with closing(place), _named(work.known.place):
                visit.at(place)
            return visit.known, outcomes
        except PlaceError as error:
            work = work._replace(known=visit.known)
            if last or not isinstance(error, Lost):
                step = visit.step or Step(COPY, work.known.place, "what is not there yet")
                outcomes.append(Outcome(step, False, _said(error), visit.ms()))
                break
            outcomes[:] = [one for one in outcomes if one.ok]
    return work.known, outcomes


@contextmanager
def _named(shown: str) -> Iterator[None]:
    """An error for lack of room that names no file names the place instead."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or not is_full(error):
            raise
        raise full(shown, error.strerror or str(error)) from error


def _must_be_elsewhere(work: Work) -> None:
    """Raises PlaceError when the place is the folder of the backups itself: what is there already was never copied."""
    where = parse(work.address)
    if where.scheme == "file" and folder_of(where).is_dir() and folder_of(where).samefile(work.folder):
        shown = work.known.place
        raise PlaceError(f"`{shown}` is the folder of the backups itself", where=shown, hint="name another place")


def _said(error: PlaceError) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message


class Visit:
    """One connection to one place; what is known of it is saved after each change."""

    def __init__(self, work: Work, outcomes: list[Outcome]) -> None:
        self.work, self.known, self.outcomes = work, work.known, outcomes
        self.step: Step | None = None
        self.began = time.monotonic()

    def at(self, place: Place) -> None:
        """Send what is missing; then, or when there is no room for it, remove what is kept too long."""
        try:
            self._bring(place)
        except Full:
            there = {one.id: one for one in sound(place.names(), self.known)}
            going = let_go(there.values(), self.work.retain)
            if not going:
                raise
            self._remove(place, going)
            self._bring(place)

    def _bring(self, place: Place) -> None:
        names = place.names()
        self._must_be_the_disk(names)
        decision = decide(self.work.local, names, self.known, self.work.retain)
        for stem in decision.rests:
            self._take_away(place, stem)
        failed: set[str] = set()
        refused = 0
        for one in decision.send:
            seen = "whole" if one.stem in self.known.held else "there yet"
            self._begin(COPY, one.stem, f"it is not {seen}")
            try:
                if one.base in failed:
                    raise OneError(f"its base {one.base} could not be copied")
                self._end(self._sent(place, names, one))
            except PlaceError as error:
                refused += not isinstance(error, OneError)
                if isinstance(error, Full | Lost) or refused > 1:  # one alone may have a name that is not to be had
                    raise
                if isinstance(error, TakenError):
                    self._keep(self.known._replace(sending=""))
                failed.add(one.id)
                self._end(_said(error), ok=False)
        self._remove(place, decision.remove if not failed else ())

    def _must_be_the_disk(self, names: Mapping[str, int]) -> None:
        """Raises PlaceError when the place was a disk of its own, and is an empty folder where that was mounted."""
        mount, before = mount_of(parse(self.work.address)), self.known.mount
        here = any(one.backup.archive in names for one in self.known.held.values())
        if before and not here and before != mount and Path(before).is_relative_to(mount):
            shown = self.known.place
            message = f"`{shown}` holds none of the {len(self.known.held)} backups that were brought there"
            hint = f"mount its disk at `{before}` again; to begin anew, name another folder in `copies` of [backup]"
            raise PlaceError(message, where=shown, hint=hint)
        self.known = self.known._replace(mount=mount)

    def _remove(self, place: Place, going: Iterable[Kept]) -> None:
        held = {one.backup.id: stem for stem, one in self.known.held.items()}
        for kept in going:
            fault("copies.before-remove")
            self._begin(REMOVE, held[kept.id], kept.reason)
            was_ours = self._take_away(place, held[kept.id])
            self._end("removed" if was_ours else "left there: it is another's, who sent one of this name too")

    def ms(self) -> int:
        """How long the step has taken."""
        return int((time.monotonic() - self.began) * 1000)

    def _begin(self, kind: str, stem: str, reason: str) -> None:
        self.step, self.began = Step(kind, f"{stem} at {self.known.place}", reason), time.monotonic()

    def _end(self, detail: str, *, ok: bool = True) -> None:
        assert self.step is not None
        self.outcomes.append(Outcome(self.step, ok, detail, self.ms()))
        self.step = None

    def _keep(self, known: PlaceState) -> None:
        self.known = known
        save(self.work.state, self.work.address, known)

    def _take_away(self, place: Place, stem: str) -> bool:
        """Remove a copy, its manifest first; saved before, so that an interrupted removal is finished later.

        False when the copy is another owner's by now: it stays.
        """
        held = {each: one for each, one in self.known.held.items() if each != stem}
        if self._is_anothers(place, stem):
            self._keep(self.known._replace(held=held, sending=""))
            return False
        sending = self.known.sending if self.known.sending != stem else ""
        self._keep(self.known._replace(sending=stem))
        place.remove(manifest_of(stem))
        fault("copies.during-remove")
        place.remove(archive_of(stem))
        self._keep(self.known._replace(held=held, sending=sending))
        return True

    def _is_anothers(self, place: Place, stem: str) -> bool:
        """Whether the manifest that lies there says so: two may send one name at once, and a bucket takes both."""
        ours = next((one.owner for one in (*self.work.local, *(each.backup for each in self.known.held.values()))), "")
        try:
            owner = owner_in(place.read(manifest_of(stem)))
        except Lost:
            raise
        except PlaceError:  # there is none
            return False
        return bool(owner and ours) and not is_same_owner(owner, ours)

    def _sent(self, place: Place, names: Mapping[str, int], one: Backup) -> str:
        here = self.work.folder / one.manifest
        length, digest = measured(chunks_of(here))
        sent = 0
        if not self._is_there(place, names, one, digest):
            self._keep(self.known._replace(sending=one.stem))
            if one.manifest in names:
                place.remove(one.manifest)
            if not is_right(place, names, one.archive, one.archive_bytes, one.archive_sha256):
                self.work.say(f"copying {one.stem} ({size(one.archive_bytes)}) to {self.known.place}")
                send(place, names, self.work.folder / one.archive, one.archive_bytes, one.archive_sha256)
                sent += one.archive_bytes
            fault("copies.after-archive")
            send(place, names, here, length, digest)
            sent += length
        held = {**self.known.held, one.stem: Held(one, length)}
        self._keep(self.known._replace(held=held, sending=""))
        save_checked(self.work.state, self.work.address, (), [one.id])
        return f"{size(sent)} sent and read back" if sent else "it was there already, and is right"

    def _is_there(self, place: Place, names: Mapping[str, int], one: Backup, digest: str) -> bool:
        """Whether both files lie there and read back right; raises OneError when another backup has the name."""
        ours = one.stem in self.known.held or one.stem == self.known.sending
        right = is_right(place, names, one.manifest, None, digest)
        if right and is_right(place, names, one.archive, one.archive_bytes, one.archive_sha256):
            return True
        strange = one.manifest in names and not right
        if not ours and not strange and not right and one.archive in names:
            strange = not is_right(place, names, one.archive, one.archive_bytes, one.archive_sha256)
        if strange and (not ours or self._is_anothers(place, one.stem)):
            raise TakenError
        return False

"""Fetches backups from a second place, checked, into a folder like `backups/`."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, TypeVar

from autosys_tasks.backup import manifest, store
from autosys_tasks.backup.copies.place import LATER, PART, Lost, Place, PlaceError, open_place
from autosys_tasks.backup.copies.remote_archive import must_open
from autosys_tasks.backup.errors import Damaged
from autosys_tasks.backup.owner import owned_by
from autosys_tasks.backup.progress import Say
from autosys_tasks.backup.values import FULL, MANIFEST_END, Backup, archive_of, manifest_of
from autosys_tasks.config import addresses
from autosys_tasks.core.clock import size
from autosys_tasks.core.errors import StateError, UsageError, unknown_name
from autosys_tasks.core.files import cannot_write

REFERENCE = "${env:"
AGAIN = "type the same command again"
T = TypeVar("T")


class Source(NamedTuple):
    """A place to fetch from: its address with the password, and the address to show."""

    address: str
    shown: str


def source(written: str, environ: Mapping[str, str]) -> Source:
    """The place that `--from` names, `${env:X}` replaced; raises UsageError."""
    shown = addresses.masked(written)

    def value(reference: str) -> str:
        name, _, default = reference.removeprefix(REFERENCE).removesuffix("}").partition(":-")
        if name not in environ and not default:
            raise UsageError(f"`{reference}` is not defined", where=shown, hint=f"set {name} before the command")
        return environ.get(name) or default

    address = addresses.filled(written, value)
    try:
        addresses.parse(address)
    except ValueError as error:
        hint = f"as in `copies` of [backup] (inv config shows them): addresses {error}"
        raise UsageError(f"`{shown}` is no place", where="--from", hint=hint) from None
    return Source(address, shown)


def listed(at: Source, into: Path) -> tuple[list[Backup], list[str]]:
    """The backups at a place, oldest first, and other files (see store.listed); manifests are fetched to `into`."""

    def look(place: Place) -> Mapping[str, int]:
        found = place.names()
        for name in found:
            if store.NAME.fullmatch(name) and name.endswith(MANIFEST_END) and not (into / name).exists():
                _bring(place, name, into)
        return found

    names = _visited(at, look)
    ours = {name for name in names if store.NAME.fullmatch(name)}
    for name in ours:  # a listing asks of an archive only that it is there
        (into / name).touch()
    backups, others = store.listed(into)
    return backups, sorted([*others, *(f"{name}: is not ours" for name in names.keys() - ours)])


def fetch(at: Source, wanted: Sequence[str], into: Path, say: Say = lambda line: None, *, owner: str = "",
          archives: bool = True, secret: str = "", damaged: set[str] | None = None,
) -> list[Backup]:  # fmt: skip
    """Bring backups (ids, or "latest": see store.find) and their bases to `into`; those that were asked for.

    Without `archives` only what tells of them: of an encrypted one the archive, if there is a `secret` for its names.
    `damaged` is given the ids of what is not as its manifest says. Raises UsageError for an unknown one; before one is
    brought that `secret` does not open NeedsPassphrase; and with `archives` Damaged for what is damaged, else `say` is
    told: what of it is good may be all that is left.
    """
    came: dict[str, str] = {}

    def take(place: Place) -> list[Backup]:
        shelf = _Shelf(place, at, into, say, damaged, came)
        chosen = [shelf.latest(owner) if word in ("", "latest") else shelf.named(word) for word in wanted]
        needed = {one.stem: one for one in [*map(shelf.base, chosen), *chosen]}
        wanted_here = [one for one in needed.values() if archives or (one.encrypted and secret)]
        for one in wanted_here:
            must_open(place, one, secret)
        shelf.bring(wanted_here, whatever=not archives)
        for one in needed.values():
            (into / one.archive).touch()
        return chosen

    return _visited(at, take)


def fetch_archives(at: Source, stems: Iterable[str], into: Path, say: Say = lambda line: None, *,
                   damaged: set[str] | None = None) -> None:  # fmt: skip
    """Bring the archives of backups whose manifests came before, where they are lacking; damaged ones as `fetch`."""
    backups = [manifest.read_backup(into / manifest_of(stem)) for stem in sorted(stems)]
    lacking = [one for one in backups if (into / one.archive).stat().st_size != one.archive_bytes]
    came: dict[str, str] = {}
    if lacking:

        def take(place: Place) -> None:
            _Shelf(place, at, into, say, damaged, came).bring(lacking, whatever=True)

        _visited(at, take)


def fetch_all(at: Source, into: Path, say: Say = lambda line: None, *, owner: str = "",
              damaged: set[str] | None = None) -> list[Backup]:  # fmt: skip
    """Fetch all backups of this owner, damaged ones, too, to verify them; where it has none, everybody's."""
    came: dict[str, str] = {}

    def take(place: Place) -> list[Backup]:
        shelf = _Shelf(place, at, into, say, damaged, came)
        found = [shelf.head(stem) for stem in shelf.whole if not shelf.damage(stem)]
        chosen = owned_by(found, owner) or found
        shelf.forget([one for one in found if one not in chosen])
        shelf.bring(chosen, whatever=True)
        return chosen

    return _visited(at, take)


def _visited(at: Source, visit: Callable[[Place], T]) -> T:
    """The result of `visit(place)`; tried once more when the connection breaks (what came already is kept)."""
    for last in (False, True):
        try:
            with closing(open_place(*at)) as place:
                return visit(place)
        except PlaceError as error:
            if last or not isinstance(error, Lost):
                error.hint = AGAIN if error.hint == LATER else error.hint
                raise
    raise AssertionError("the second visit is the last")


class _Shelf:
    """The backups at a place while they are fetched to `into`: manifests, once each, then archives."""

    def __init__(self, place: Place, at: Source, into: Path, say: Say, damaged: set[str] | None,
                 came: dict[str, str]) -> None:  # fmt: skip
        self.place, self.at, self.into, self.say, self.came = place, at, into, say, came
        self.damaged = set() if damaged is None else damaged
        self.whole = _whole(place.names())
        if not self.whole:
            raise UsageError(f"there is no backup at `{at.shown}`", where="--from", hint="ours: inv backup.list")

    def head(self, stem: str) -> Backup:
        """What its manifest, brought here, says; raises Damaged."""
        path = self.into / manifest_of(stem)
        if not path.exists():
            _bring(self.place, path.name, self.into)
        try:
            return manifest.read_backup(path)
        except Damaged:
            self.damaged.add(stem.rpartition("-")[0])
            raise

    def damage(self, stem: str) -> str:
        """Why its manifest tells nothing; it stays in `into`, where who verifies finds it."""
        try:
            self.head(stem)
        except Damaged as error:
            (self.into / archive_of(stem)).touch()  # it is there: only what tells of it is no good
            return error.message
        return ""

    def latest(self, owner: str) -> Backup:
        """The newest verified one, this owner's if any is (see store.latest); manifests are read no further back."""
        seen: list[Backup] = []
        for stem in reversed(self.whole):
            if why := self.damage(stem):
                self.say(f"{stem} is left out: {why}")
                continue
            seen.insert(0, self.head(stem))
            if store.newest(seen, owner):
                break
        chosen = store.latest(seen, owner, self.at.shown)
        self.forget([one for one in seen if one != chosen])
        return chosen

    def named(self, word: str) -> Backup:
        """The one of that id; raises UsageError with the nearest."""
        for stem in self.whole:
            if word in (stem, stem.rpartition("-")[0], archive_of(stem), manifest_of(stem)):
                return self.head(stem)
        raise unknown_name("backup", word, (stem.rpartition("-")[0] for stem in self.whole))

    def base(self, one: Backup) -> Backup:
        """The backup that this one needs; a full needs itself."""
        if one.kind == FULL:
            return one
        if f"{one.base}-{FULL}" in self.whole:
            self.head(f"{one.base}-{FULL}")
        return manifest.base_of(self.into, one)

    def forget(self, backups: Iterable[Backup]) -> None:
        """Manifests that were looked at, and are not wanted."""
        for one in backups:
            (self.into / one.manifest).unlink()

    def bring(self, backups: Sequence[Backup], *, whatever: bool = False) -> None:
        """Archives; raises Damaged for one that is not as its manifest says, `whatever` they are otherwise."""
        away = [one for one in backups if one.archive not in self.came]
        _room(self.into, sum(one.archive_bytes for one in away), self.at.shown)
        for one in away:
            self.say(f"fetching {one.stem} ({size(one.archive_bytes)}) from {self.at.shown}")
            self.came[one.archive] = _bring(self.place, one.archive, self.into)
            if self.came[one.archive] == one.archive_sha256:
                continue
            self.damaged.add(one.id)
            message = f"`{one.archive}` at `{self.at.shown}` is not what its manifest says"
            self.say(f"WARN {message}")
            if not whatever:
                raise Damaged(message, where=one.stem, hint="the next backup sends it again when it is here still")


def _whole(names: Mapping[str, int]) -> list[str]:
    """The stems whose manifest and archive are both there, oldest first."""
    found = (store.NAME.fullmatch(name) for name in names)
    stems = {match[1] for match in found if match and not match[3]}
    return sorted(stem for stem in stems if archive_of(stem) in names and manifest_of(stem) in names)


def _bring(place: Place, name: str, into: Path) -> str:
    """One file; its SHA-256."""
    seen, path = hashlib.sha256(), into / name
    part = into / (name + PART)
    try:
        with part.open("wb") as file:
            for chunk in place.read(name):
                seen.update(chunk)
                file.write(chunk)
        part.replace(path)
    except OSError as error:  # of this machine's: a place raises PlaceError
        raise cannot_write(path, error) from error
    return seen.hexdigest()


def _room(into: Path, needed: int, shown: str) -> None:
    free = shutil.disk_usage(into).free
    if free < needed:
        message = f"{size(needed)} from `{shown}` do not fit into `{into}`: {size(free)} are free"
        raise StateError(message, where=str(into), hint="make room, or name another disk with AUTOSYS_STATE")

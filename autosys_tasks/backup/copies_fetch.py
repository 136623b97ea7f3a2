"""Brings backups back from a second place, checked, into a folder where all that reads backups finds them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from autosys_tasks.backup import manifest, store
from autosys_tasks.backup.copies_plan import archive
from autosys_tasks.backup.copies_plan import manifest as manifest_of
from autosys_tasks.backup.damaged import Damaged
from autosys_tasks.backup.places import PART, TIMEOUT_S, Place, opened
from autosys_tasks.backup.values import FULL, Backup
from autosys_tasks.config import addresses
from autosys_tasks.core.clock import size
from autosys_tasks.core.errors import StateError, UsageError, unknown_name
from autosys_tasks.core.files import cannot_write

REFERENCE = "${env:"
Tell = Callable[[str], object]


class Source(NamedTuple):
    """A place to fetch from: its address, which is nobody's to see, and how it is shown."""

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
        hint = "as in `copies` of [backup]: inv config shows them"
        raise UsageError(f"`{shown}` is no place: addresses {error}", where="--from", hint=hint) from None
    return Source(address, shown)


def listed(at: Source, into: Path, timeout_s: float = TIMEOUT_S) -> tuple[list[Backup], list[str]]:
    """The backups that lie at a place, oldest first, and what is none (see store.listed); manifests come to `into`."""
    with closing(opened(*at, timeout_s=timeout_s)) as place:
        names = place.names()
        for name in names:
            if store.NAME.fullmatch(name) and name.endswith(store.MANIFEST):
                _bring(place, name, into)
    ours = {name for name in names if store.NAME.fullmatch(name)}
    for name in ours:  # a listing asks of an archive only that it is there
        (into / name).touch()
    backups, others = store.listed(into)
    return backups, sorted([*others, *(f"{name}: is not ours" for name in names.keys() - ours)])


def fetch(at: Source, wanted: str, into: Path, tell: Tell = lambda line: None, *, every: bool = False,
          timeout_s: float = TIMEOUT_S) -> list[Backup]:  # fmt: skip
    """Bring a backup (an id, or "latest") and its base to `into`; the backups that were asked for, oldest first.

    `every`: all that are there, as they are, for whoever verifies them. Raises UsageError for an unknown one, Damaged
    for what is not as its manifest says.
    """
    with closing(opened(*at, timeout_s=timeout_s)) as place:
        names = place.names()
        whole = _whole(names)
        if not whole:
            raise UsageError(f"there is no backup at `{at.shown}`", where="--from", hint="inv backup.list --from")
        if every:
            return _all(place, whole, into, at, tell)
        if wanted in ("", "latest"):
            chosen = [_newest(place, whole, into, tell)]
        else:
            chosen = [_named(place, wanted, whole, into)]
        needed = {one.stem: one for one in [*(_base(place, one, whole, into) for one in chosen), *chosen]}
        _room(into, sum(one.archive_bytes for one in needed.values()), at.shown)
        for one in needed.values():
            tell(f"fetching {one.stem} ({size(one.archive_bytes)}) from {at.shown}")
            if _bring(place, archive(one.stem), into) != one.archive_sha256:
                message = f"`{archive(one.stem)}` at `{at.shown}` is not what its manifest says"
                raise Damaged(message, where=one.stem, hint="the next backup sends it again when it is here still")
    return chosen


def _all(place: Place, whole: list[str], into: Path, at: Source, tell: Tell) -> list[Backup]:
    found = []
    for stem in whole:
        with suppress(Damaged):  # its manifest lies in `into`, where who verifies finds it
            found.append(_head(place, stem, into))
    _room(into, sum(one.archive_bytes for one in found), at.shown)
    for stem in whole:
        tell(f"fetching {stem} from {at.shown}")
        _bring(place, archive(stem), into)
    return found


def _whole(names: Mapping[str, int]) -> list[str]:
    """The stems whose manifest and archive are both there, oldest first."""
    found = (store.NAME.fullmatch(name) for name in names)
    stems = {match[1] for match in found if match and not match[3]}
    return sorted(stem for stem in stems if archive(stem) in names and manifest_of(stem) in names)


def _newest(place: Place, whole: list[str], into: Path, tell: Tell) -> Backup:
    for stem in reversed(whole):
        try:
            one = _head(place, stem, into)
        except Damaged as error:
            tell(f"{stem} is left out: {error.message}")
            continue
        if one.verified:
            return one
    raise UsageError("there is no verified backup", where="--from", hint="inv backup.list --from")


def _named(place: Place, wanted: str, whole: list[str], into: Path) -> Backup:
    for stem in whole:
        if wanted in (stem, stem.rpartition("-")[0], archive(stem), manifest_of(stem)):
            return _head(place, stem, into)
    raise unknown_name("backup", wanted, (stem.rpartition("-")[0] for stem in whole))


def _base(place: Place, one: Backup, whole: list[str], into: Path) -> Backup:
    """The backup that this one needs; a full needs itself."""
    if one.kind == FULL:
        return one
    if f"{one.base}-{FULL}" in whole:
        _head(place, f"{one.base}-{FULL}", into)
    return manifest.base_of(into, one)


def _head(place: Place, stem: str, into: Path) -> Backup:
    if not (into / manifest_of(stem)).exists():
        _bring(place, manifest_of(stem), into)
    return manifest.read_backup(into / manifest_of(stem))


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

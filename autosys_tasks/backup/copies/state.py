"""The state file of second places: which of our backups lie at each, and how the last copy went."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from autosys_tasks.backup.copies.plan import Held, PlaceState
from autosys_tasks.backup.values import Backup, Failed
from autosys_tasks.config import model
from autosys_tasks.config.addresses import parse
from autosys_tasks.core.files import make_folder, read_text, write_atomic

FILE, DAMAGED = "copies.json", "copies-damaged.json"


def load(state: Path, declared: model.Backup, now: float) -> list[PlaceState]:
    """What is known of each declared place, in their order; one that was never tried is `since` now."""
    known, damaged = _read(state), _damaged(state)
    pairs = zip(declared.copies, declared.copies_shown, strict=True)
    return [
        _state(known.get(key(address), {}), shown, now)._replace(damaged=frozenset(damaged.get(key(address), ())))
        for address, shown in pairs
    ]


def save(state: Path, address: str, known: PlaceState) -> None:
    """Write down what is known of one place; raises StateError."""
    places = _read(state) | {key(address): _plain(known)}
    make_folder(state)
    write_atomic(state / FILE, json.dumps({"v": 1, "places": places}, indent=1), durable=True, mode=0o600)


def save_checked(state: Path, address: str, damaged: Iterable[str], good: Iterable[str] = ()) -> None:
    """Write down which backups (by id) were read back from a place and are damaged, or good; raises StateError.

    Nothing is written of a place that has no state: the next copy reads all that lies there anyway.
    """
    known, place = _damaged(state), key(address)
    before = set(known.get(place, ()))
    if place in _read(state) and (now := (before | set(damaged)) - set(good)) != before:
        make_folder(state)
        write_atomic(state / DAMAGED, json.dumps({**known, place: sorted(now)}) + "\n", mode=0o600)


def _damaged(state: Path) -> dict[str, list[str]]:
    """The ids of damaged backups, by the keys of places."""
    try:
        known = json.loads(read_text(state / DAMAGED) or "{}")
    except ValueError:
        return {}
    plain = known.items() if isinstance(known, dict) else ()
    return {place: [str(one) for one in ids] for place, ids in plain if isinstance(ids, list)}


def key(address: str) -> str:
    """A hash of its address without the password: the key of a place in the state file."""
    return hashlib.sha256(repr(parse(address)._replace(password="")).encode("utf-8")).hexdigest()[:16]


def _read(state: Path) -> dict[str, Any]:
    """The places in the state file; none when it is not there or torn: what lies at each is then looked at anew."""
    try:
        found = json.loads(read_text(state / FILE) or "{}")
    except ValueError:
        return {}
    places = found.get("places") if isinstance(found, dict) else None
    return places if isinstance(places, dict) else {}


def _plain(known: PlaceState) -> dict[str, object]:
    held = {stem: {"backup": _without_paths(one.backup), "manifest": one.manifest} for stem, one in known.held.items()}
    plain = {name: value for name, value in known._asdict().items() if name != "damaged"}
    return {**plain, "held": held}


def _without_paths(backup: Backup) -> dict[str, object]:
    """That something failed matters to retention; what it was does not belong here."""
    failed = [Failed("", "", any(one.required for one in backup.failed))] if backup.failed else []
    return backup._replace(failed=tuple(failed))._asdict()


def _state(plain: Mapping[str, Any], shown: str, now: float) -> PlaceState:
    try:
        held = {stem: Held(_backup(one["backup"]), int(one["manifest"])) for stem, one in plain["held"].items()}
        good = plain["good_at"]
        good_at = None if good is None else float(good)
        since, why, mount = float(plain["since"]), str(plain["why"]), str(plain.get("mount", ""))
        return PlaceState(shown, since, held, str(plain["sending"]), good_at, why, mount)
    except (KeyError, TypeError, ValueError, AttributeError):
        return PlaceState(shown, now)


def _backup(plain: Mapping[str, Any]) -> Backup:
    known = {name: value for name, value in plain.items() if name in Backup._fields}
    return Backup(**{**known, "failed": tuple(Failed(*one) for one in plain.get("failed", ()))})

"""What is remembered of second places, in the state folder: what lies there of ours, and how it went the last time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from autosys_tasks.backup.copies.plan import Held, Memory
from autosys_tasks.backup.values import Backup, Failed
from autosys_tasks.config import model
from autosys_tasks.config.addresses import parse
from autosys_tasks.core.files import make_folder, read_text, write_atomic

FILE, DAMAGED = "copies.json", "copies-damaged.json"


def remembered(state: Path, declared: model.Backup, now: float) -> list[Memory]:
    """Of every place that is declared, what is known; one that was never tried is new now. `state`: the folder."""
    known, damaged = _read(state), _damaged(state)
    pairs = zip(declared.copies, declared.copies_shown, strict=True)
    return [
        _memory(known.get(key(address), {}), shown, now)._replace(damaged=frozenset(damaged.get(key(address), ())))
        for address, shown in pairs
    ]


def remember(state: Path, address: str, memory: Memory) -> None:
    """Write down what is known of one place; raises StateError."""
    known = _read(state)
    known[key(address)] = _plain(memory)
    make_folder(state)
    write_atomic(state / FILE, json.dumps({"v": 1, "places": known}, indent=1), durable=True, mode=0o600)


def remember_checked(state: Path, address: str, damaged: Iterable[str], good: Iterable[str] = ()) -> None:
    """Write down what was read back from a place, by id, for the next copy; raises StateError.

    Where nothing was ever sent there, or nobody knows any more, all that is there will be read anyway.
    """
    known, place = _damaged(state), key(address)
    before = set(known.get(place, ()))
    if place in _read(state) and (now := (before | set(damaged)) - set(good)) != before:
        make_folder(state)
        write_atomic(state / DAMAGED, json.dumps({**known, place: sorted(now)}) + "\n", mode=0o600)


def _damaged(state: Path) -> dict[str, list[str]]:
    """The ids that are no good, by the keys of places."""
    try:
        known = json.loads(read_text(state / DAMAGED) or "{}")
    except ValueError:
        return {}
    plain = known.items() if isinstance(known, dict) else ()
    return {place: [str(one) for one in ids] for place, ids in plain if isinstance(ids, list)}


def key(address: str) -> str:
    """What a place is known by: its address without the password, and nobody can read it back."""
    return hashlib.sha256(repr(parse(address)._replace(password="")).encode("utf-8")).hexdigest()[:16]


def _read(state: Path) -> dict[str, Any]:
    """What the file says; nothing when it is not there or torn: what lies at the place is then looked at anew."""
    try:
        found = json.loads(read_text(state / FILE) or "{}")
    except ValueError:
        return {}
    places = found.get("places") if isinstance(found, dict) else None
    return places if isinstance(places, dict) else {}


def _plain(memory: Memory) -> dict[str, object]:
    held = {stem: {"backup": _without_paths(one.backup), "manifest": one.manifest} for stem, one in memory.held.items()}
    plain = {name: value for name, value in memory._asdict().items() if name != "damaged"}
    return {**plain, "held": held}


def _without_paths(backup: Backup) -> dict[str, object]:
    """That something failed matters to retention; what it was does not belong here."""
    failed = [Failed("", "", any(one.required for one in backup.failed))] if backup.failed else []
    return backup._replace(failed=tuple(failed))._asdict()


def _memory(plain: Mapping[str, Any], shown: str, now: float) -> Memory:
    try:
        held = {stem: Held(_backup(one["backup"]), int(one["manifest"])) for stem, one in plain["held"].items()}
        good = plain["good_at"]
        good_at = None if good is None else float(good)
        since, why, mount = float(plain["since"]), str(plain["why"]), str(plain.get("mount", ""))
        return Memory(shown, since, held, str(plain["sending"]), good_at, why, mount)
    except (KeyError, TypeError, ValueError, AttributeError):
        return Memory(shown, now)


def _backup(plain: Mapping[str, Any]) -> Backup:
    known = {name: value for name, value in plain.items() if name in Backup._fields}
    return Backup(**{**known, "failed": tuple(Failed(*one) for one in plain.get("failed", ()))})

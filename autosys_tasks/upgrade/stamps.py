"""The records of upgrades in the state folder: what each environment was made from, and the state of files.

Only the holder of the upgrades' lock writes records; `done` only after success. Imports little: ticks import this.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autosys_tasks.core.files import make_folder, read_json, write_atomic
from autosys_tasks.supervise.state import Place
from autosys_tasks.upgrade.values import Done, Failed, Kept, Record, Snapshot

VERSION = 1
FILES, WORKSPACE, BASELINE = "@files.json", "@workspace.json", "@begun.json"  # no environment can be called that


def folder(place: Place) -> str:
    """Where all of it lies."""
    return f"{place.folder}/upgrade"


def read_record(place: Place, name: str) -> Record:
    """The record of one environment; an empty one when there is none that can be read."""
    try:
        found = read_json(f"{folder(place)}/{name}.json")
        return _record(found) if isinstance(found, dict) and found.get("v") == VERSION else Record()
    except (ValueError, TypeError, AttributeError, KeyError):
        return Record()


def _record(found: Mapping[str, Any]) -> Record:
    return Record(
        done=_done(found.get("done")),
        failed=_failed(found.get("failed")),
        refused=str(found.get("refused", "")),
        before=_snapshot(found.get("before")),
        pending=_snapshot(found.get("pending")),
        path=str(found.get("path", "")),
    )


def known_names(place: Place) -> list[str]:
    """The names of the environments that have a record."""
    try:
        names = os.listdir(folder(place))
    except FileNotFoundError:
        return []
    return sorted(name[:-5] for name in names if name.endswith(".json") and name[0] != "@")


def _done(found: Mapping[str, Any] | None) -> Done | None:
    if not found:
        return None
    doubts = tuple(str(each) for each in found.get("doubts", ()))
    return Done(dict(found["files"]), str(found["command"]), str(found["interpreter"]), float(found["at"]), doubts)


def _failed(found: Mapping[str, Any] | None) -> Failed | None:
    if not found:
        return None
    return Failed(str(found["wanted"]), str(found["why"]), float(found["at"]), int(found["tries"]))


def _snapshot(found: Mapping[str, Any] | None) -> Snapshot | None:
    return Snapshot(found["kind"], found["path"], _done(found.get("done"))) if found else None


def write_record(place: Place, name: str, record: Record) -> None:
    """Replace what is remembered of one environment, so that it survives a power cut."""
    make_folder(Path(folder(place)))
    text = json.dumps({"v": VERSION, **_plain(record)}, ensure_ascii=True)
    write_atomic(f"{folder(place)}/{name}.json", text, durable=True, mode=0o600)


def _plain(value: object) -> Any:
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {key: _plain(each) for key, each in value._asdict().items()}
    return value


def read_kept(place: Place) -> Kept | None:
    """The record of the workspace; None when no upgrade has succeeded here, or it cannot be read."""
    try:
        found = read_json(f"{folder(place)}/{WORKSPACE}")
        if not isinstance(found, dict) or found.get("v") != VERSION:
            return None
        scripts, faults, restarted = (dict(found[key]) for key in ("scripts", "faults", "restarted"))
        return Kept(str(found["commit"]), scripts, faults, restarted, dict(found.get("owed", {})))
    except (ValueError, TypeError, KeyError):
        return None


def write_kept(place: Place, kept: Kept) -> None:
    """Replace what is remembered of the workspace itself, unless it is the same."""
    if read_kept(place) != kept:
        make_folder(Path(folder(place)))
        text = json.dumps({"v": VERSION, **kept._asdict()}, ensure_ascii=True)
        write_atomic(f"{folder(place)}/{WORKSPACE}", text, durable=True, mode=0o600)


def read_baseline(place: Place) -> str | None:
    """The commit at the first bring-up ("": no commit); None before it."""
    try:
        found = read_json(f"{folder(place)}/{BASELINE}")
        return str(found["commit"]) if isinstance(found, dict) and found.get("v") == VERSION else None
    except (ValueError, KeyError):
        return None


def write_baseline(place: Place, commit: str) -> None:
    """Write the commit of the first bring-up."""
    make_folder(Path(folder(place)))
    write_atomic(f"{folder(place)}/{BASELINE}", json.dumps({"v": VERSION, "commit": commit}), mode=0o600)


def file_marks(path: str) -> tuple[int, ...]:
    """Size, mtime, ctime and inode of a file; () when there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def has_changed(place: Place, root: str) -> bool:
    """Whether any file has changed since the last look: one stat for each file, nothing is read."""
    known = files_of(place).get("files")
    if not isinstance(known, dict):
        return True
    try:
        paths = ((os.path.join(root, key.partition("\0")[0]), seen[0]) for key, seen in known.items())
        return any(list(file_marks(path)) != before for path, before in paths)
    except (TypeError, LookupError):
        return True  # nothing that we wrote: a look reads everything anew


def files_of(place: Place) -> dict[str, Any]:
    """What the last look kept of the files (memory.py); nothing when that cannot be read."""
    try:
        found = read_json(f"{folder(place)}/{FILES}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) and found.get("v") == VERSION else {}

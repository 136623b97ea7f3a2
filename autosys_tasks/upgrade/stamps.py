"""What is remembered between two upgrades, in the state folder: how each environment was made, and what files said.

A record is written by who holds the turn of upgrades; `done` only after everything has ended well. The cache
saves work and decides nothing: a file whose size, times or number changed is read again, and so is one that was
changed so shortly before it was read that the next change might bear the same time.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from autosys_tasks.core.files import make_folder, read_bytes, read_json, write_atomic
from autosys_tasks.supervise.state import Place
from autosys_tasks.upgrade import manifests
from autosys_tasks.upgrade.discover import matching
from autosys_tasks.upgrade.mapping import folder_of, join
from autosys_tasks.upgrade.values import ABSENT, Done, Failed, Record, Said, Way

YOUNG_S = 2.0  # coarser than the clock of any file system in use
VERSION = 1
FILES = "@files.json"  # no environment can be called that


def folder(place: Place) -> str:
    """Where all of it lies."""
    return f"{place.folder}/upgrade"


# --- records ----------------------------------------------------------------------------------------------


def read_record(place: Place, name: str) -> Record:
    """What is remembered of one environment; nothing that can be read is nothing remembered."""
    try:
        found = read_json(f"{folder(place)}/{name}.json")
        return _record(found) if isinstance(found, dict) and found.get("v") == VERSION else Record()
    except (ValueError, TypeError, AttributeError):
        return Record()


def _record(found: Mapping[str, Any]) -> Record:
    return Record(
        done=_done(found.get("done")),
        failed=Failed(**found["failed"]) if found.get("failed") else None,
        refused=str(found.get("refused", "")),
        before=_way(found.get("before")),
        pending=_way(found.get("pending")),
        path=str(found.get("path", "")),
    )


def known_names(place: Place) -> list[str]:
    """The environments of which anything is remembered."""
    try:
        names = os.listdir(folder(place))
    except FileNotFoundError:
        return []
    return sorted(name[:-5] for name in names if name.endswith(".json") and name != FILES)


def _done(found: Mapping[str, Any] | None) -> Done | None:
    return Done(**found) if found else None


def _way(found: Mapping[str, Any] | None) -> Way | None:
    return Way(found["kind"], found["path"], _done(found.get("done"))) if found else None


def write_record(place: Place, name: str, record: Record) -> None:
    """Replace what is remembered of one environment, so that it survives a power cut."""
    make_folder(Path(folder(place)))
    text = json.dumps({"v": VERSION, **_plain(record)}, ensure_ascii=True)
    write_atomic(f"{folder(place)}/{name}.json", text, durable=True, mode=0o600)


def _plain(value: object) -> Any:
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {key: _plain(each) for key, each in value._asdict().items()}
    return value


# --- what files said --------------------------------------------------------------------------------------


class Seen(NamedTuple):
    """A file as it was when it was read."""

    marks: tuple[int, ...]  # size, times, number; () = it was not there
    young: bool  # read so soon after its last change that it must be read again
    digest: str
    includes: tuple[str, ...] = ()  # seen from the workspace


class Memory:
    """What the files of one workspace said, read again only where something about them changed."""

    def __init__(self, place: Place, root: str) -> None:
        self.root = root
        self.path = f"{folder(place)}/{FILES}"
        self.before, self.notes = _read_memory(self.path)
        self.files: dict[str, Seen] = {}

    def said(self, path: str, *, whole: bool = False) -> Said:
        """What one file says; with globs among its includes resolved."""
        key = f"{path}\0whole" if whole else path
        if key not in self.files:
            self.files[key] = self._look(path, key, whole)
        return Said(self.files[key].digest, self.files[key].includes)

    def _look(self, path: str, key: str, whole: bool) -> Seen:
        marks, known = marks_of(os.path.join(self.root, path)), self.before.get(key)
        if known is not None and known.marks == marks and not known.young:
            return known
        raw = read_bytes(os.path.join(self.root, path)) if marks else None
        if raw is None:
            return Seen(marks, False, ABSENT)
        said = manifests.said(path, raw, whole=whole)
        young = time.time() - marks[1] / 1e9 < YOUNG_S
        return Seen(marks, young, said.digest, tuple(self._resolved(path, said.includes)))

    def _resolved(self, path: str, includes: Iterable[str]) -> list[str]:
        found: list[str] = []
        for each in includes:
            full = join(folder_of(path), each)
            found += matching(self.root, full) if any(char in full for char in "*?[") else [full]
        return found

    def with_includes(self, paths: Iterable[str], *, whole: bool = False) -> dict[str, str]:
        """These files and all that they name, with what each says."""
        found: dict[str, str] = {}
        todo = list(paths)
        while todo:
            path = todo.pop()
            if path not in found:
                said = self.said(path, whole=whole)
                found[path] = said.digest
                todo += said.includes
        return found

    def watch(self, path: str) -> None:
        """Remember how a file or a folder is, for who only looks whether anything stirred."""
        self.files[f"{path}\0watched"] = Seen(marks_of(os.path.join(self.root, path)), False, "")

    def save(self) -> None:
        """Write it down when anything in it is new."""
        if (self.files, self.notes) == (self.before, _read_memory(self.path)[1]):
            return
        make_folder(Path(self.path).parent)
        files = {
            key: [list(each.marks), each.young, each.digest, list(each.includes)] for key, each in self.files.items()
        }
        text = json.dumps({"v": VERSION, "files": files, "notes": self.notes}, ensure_ascii=True)
        write_atomic(self.path, text, mode=0o600)


def _read_memory(path: str) -> tuple[dict[str, Seen], dict[str, Any]]:
    try:
        found = read_json(path)
        if not isinstance(found, dict) or found.get("v") != VERSION:
            return {}, {}
        files = {
            key: Seen(tuple(marks), young, digest, tuple(includes))
            for key, (marks, young, digest, includes) in found["files"].items()
        }
        return files, dict(found["notes"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}, {}


def marks_of(path: str) -> tuple[int, ...]:
    """Size, times and number of a file; () when there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def stirred(place: Place, root: str) -> bool:
    """Whether anything that the last look saw is different now: one stat a file, nothing is read."""
    known, _notes = _read_memory(f"{folder(place)}/{FILES}")
    if not known:
        return True
    return any(marks_of(os.path.join(root, key.partition("\0")[0])) != seen.marks for key, seen in known.items())

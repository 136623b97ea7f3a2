"""The result of the last drill, in the state folder: for the health page, and to know when the next is due."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from autosys_tasks.backup.restore.plan import first_few
from autosys_tasks.core.clock import parse_utc
from autosys_tasks.core.files import make_folder, read_json, write_atomic

EVERY_S = 7 * 86_400.0
SHOWN = 5  # reasons that are kept


class Drill(NamedTuple):
    """How a drill ended. `files` whose bytes were compared; `why` it failed, each a sentence."""

    at: str
    id: str
    files: int
    why: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether the backup restores."""
        return not self.why


def reasons(found: Drill) -> str:
    """Why it failed, in one line."""
    return "; ".join(first_few(found.why, SHOWN))


def fields(found: Drill) -> dict[str, object]:
    """A drill's result as fields of a document; None: not known."""
    return {"id": found.id or None, "files": found.files, "ok": found.ok, "why": reasons(found) or None}


def save(state: Path, found: Drill) -> None:
    """Write the result to `backup/drill.json` below `state`."""
    path = make_folder(state / "backup") / "drill.json"
    write_atomic(path, json.dumps({"at": found.at, **fields(found)}) + "\n", mode=0o600)


def load(state: Path) -> Drill | None:
    """The last result, None when there is none."""
    try:
        said = read_json(state / "backup" / "drill.json")
        if not isinstance(said, dict):
            return None
        parse_utc(str(said["at"]))
        why = () if said.get("ok") is True else (str(said.get("why") or "it does not say why"),)
        return Drill(str(said["at"]), str(said.get("id") or ""), int(said.get("files") or 0), why)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_due(last: Drill | None, now: float) -> bool:
    """Whether it is time for another: there was none, it failed, or a week has passed."""
    if last is None or not last.ok:
        return True
    return not 0 <= now - parse_utc(last.at) < EVERY_S

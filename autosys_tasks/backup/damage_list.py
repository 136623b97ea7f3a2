"""The list of backups that were found damaged, in the state folder: none is a base, and none counts for retention.

`backup.verify` and failed drills add to it; a backup that reads back again is taken off.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from autosys_tasks.core.files import make_folder, read_json, write_atomic


def load(state: Path) -> dict[str, str]:
    """Why each is damaged, by id; empty when the file is not there or cannot be read."""
    try:
        said = read_json(_file(state))
    except (OSError, ValueError):
        return {}
    return {str(one): str(why) for one, why in said.items()} if isinstance(said, dict) else {}


def update(state: Path, found: Mapping[str, str]) -> None:
    """Write down results of reading back: why each is damaged, by id, "" for a good one."""
    known = load(state)
    now = {one: why for one, why in {**known, **found}.items() if why}
    if now != known:
        make_folder(_file(state).parent)
        write_atomic(_file(state), json.dumps(now) + "\n", mode=0o600)


def _file(state: Path) -> Path:
    return state / "backup" / "damaged.json"

"""Which backups were found damaged, in the state folder: nothing is built upon them, and none of them counts as kept.

`backup.verify` and a drill that failed write it down, and forget what reads back again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from autosys_tasks.core.files import make_folder, read_json, write_atomic


def load(state: Path) -> dict[str, str]:
    """Why each is damaged, by id."""
    try:
        said = read_json(_file(state))
    except (OSError, ValueError):
        return {}
    return {str(one): str(why) for one, why in said.items()} if isinstance(said, dict) else {}


def update(state: Path, found: Mapping[str, str]) -> None:
    """Write down what reading backups back has found, by id; "" for a good one."""
    known = load(state)
    now = {one: why for one, why in {**known, **found}.items() if why}
    if now != known:
        make_folder(_file(state).parent)
        write_atomic(_file(state), json.dumps(now) + "\n", mode=0o600)


def _file(state: Path) -> Path:
    return state / "backup" / "damaged.json"

"""Tells whether the last night has its backup, by the names in `backups/`; starts a missed one in the background.

A night's backup is started once per boot, however it ends: the health page reports the result. The modules that make
backups are not imported here: a tick with nothing to do must stay quick.
"""

from __future__ import annotations

import contextlib
import json
import os
from functools import partial
from pathlib import Path

from autosys_tasks import host
from autosys_tasks.backup.owner import is_same_owner, owner_in, owner_of
from autosys_tasks.backup.values import ID_LENGTH, MANIFEST_END, time_of
from autosys_tasks.config.model import Config
from autosys_tasks.core.clock import span, utc_text, wall
from autosys_tasks.core.daily import previous_and_next
from autosys_tasks.core.errors import Busy
from autosys_tasks.core.files import make_folder, read_json, write_atomic
from autosys_tasks.supervise import commands, run_lock
from autosys_tasks.supervise.house import House

EARLY_S = 300.0  # a backup made up to so long before its time is that night's: timers are not exact
LATE_S = 120.0  # for so long a tick leaves it to the scheduler
DAY_S = 86_400.0
PIECE = 1 << 12  # bytes; the first line of a manifest is shorter
LOG = "backup.log"


def newest(folder: Path, now: float, config: Config | None = None) -> float | None:
    """When the newest backup of this workspace was made, in seconds since 1970 (None: of whichever workspace).

    One of the day after tomorrow proves nothing.
    """
    for name in sorted(_names(folder), reverse=True):
        at = _time_in(name)
        if at is not None and at < now + DAY_S and (config is None or _is_own(folder / name, config)):
            return at
    return None


def _is_own(path: Path, config: Config) -> bool:
    """Whether this workspace made it, by the first line of its manifest; one that names no owner counts as its own."""
    try:
        with path.open("rb") as file:
            owner = owner_in(iter(partial(file.read, PIECE), b""))
    except OSError:
        return True
    return not owner or is_same_owner(owner, owner_of(config))


def _names(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.endswith(MANIFEST_END)]
    except OSError:
        if os.path.isdir(folder):
            raise
        return []  # not there, or no folder


def _time_in(name: str) -> float | None:
    """The time in a name as `2026-11-29T033000Z-full.manifest.json`."""
    with contextlib.suppress(ValueError):
        return time_of(name[:ID_LENGTH])
    return None


def why_due(house: House, slack_s: float = EARLY_S) -> str:
    """Why a backup is due now, "" when this night has one. `slack_s`: how long before its time it counts as due."""
    now = wall()
    slot, _next = previous_and_next(house.config.backup.at, now + slack_s)
    made = newest(Path(house.config.path, "backups"), now, house.config)
    if made is not None and made >= slot - EARLY_S:
        return ""
    last = "there is none yet" if made is None else f"the last one is {span(now - made)} old"
    return f"due since {utc_text(slot)[:16]}Z, {last}"


def why_missed(house: House, *, registered: bool) -> str:
    """Why a missed backup is to be started, "" when there is none.

    Nights are kept where a person declared sets, had the nightly entry registered, or has made a backup before.
    """
    now, folder = wall(), Path(house.config.path, "backups")
    if not (registered or house.config.backup.sets or newest(folder, now, house.config) is not None):
        return ""
    why = why_due(house, -LATE_S)
    return why if why and not _was_started(house, _slot(house)) else ""


def _slot(house: House) -> float:
    return previous_and_next(house.config.backup.at, wall() - LATE_S)[0]


def _note_file(house: House) -> str:
    return f"{house.place.folder}/backup/night.json"


def _was_started(house: House, slot: float) -> bool:
    try:
        said = read_json(_note_file(house))
    except (OSError, ValueError):
        return False
    return said == {"night": utc_text(slot), "boot": host.boot_id()}


def start(house: House, *, registered: bool) -> str:
    """Start a missed backup in the background; returns a line that says so, "" when there is none."""
    if not why_missed(house, registered=registered):
        return ""
    try:
        with run_lock.held(house.place, "a tick", wait_s=0.0, lock=run_lock.BACKUPS):
            why = why_missed(house, registered=registered)
            if not why:
                return ""
            make_folder(Path(_note_file(house)).parent)
            begun = {"night": utc_text(_slot(house)), "boot": host.boot_id()}
            write_atomic(_note_file(house), json.dumps(begun), durable=True, mode=0o600)
    except Busy:
        return ""  # one is being made
    return f"backup: begun as pid {_start_process(house)} ({why}); what it says: outputs/logs/{LOG}"


def _start_process(house: House) -> int:
    same_night = {key: value for key, value in os.environ.items() if key == "AUTOSYS_NOW"}
    return commands.start_detached(house, LOG, "backup", "--due", priority="low", more=same_night)

"""Whether the last night has its backup, by the names in `backups/` alone; a missed one is begun in the background.

Once: a night whose backup was begun is not begun again before the machine is started anew, however that one ended. The
health page says what came of it. What a backup needs is not imported here: a quiet tick must stay quick.
"""

from __future__ import annotations

import contextlib
import json
import os
from functools import partial
from pathlib import Path

from autosys_tasks import host
from autosys_tasks.backup.owner import is_same, owner_in, owner_of
from autosys_tasks.backup.values import ID_LENGTH, MANIFEST_END, time_of
from autosys_tasks.config.model import Config
from autosys_tasks.core.clock import span, utc_text, wall
from autosys_tasks.core.errors import Busy
from autosys_tasks.core.files import make_folder, read_json, write_atomic
from autosys_tasks.core.nights import around
from autosys_tasks.supervise import commands, turnstile
from autosys_tasks.supervise.house import House

EARLY_S = 300.0  # a backup made so shortly before its time is that night's: timers are not exact
LATE_S = 120.0  # so long a tick leaves the night to whoever is to start it
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
    return not owner or is_same(owner, owner_of(config))


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


def lacking(house: House, slack_s: float = EARLY_S) -> str:
    """Why this night still needs its backup, "" when it has one. `slack_s`: how far its time may lie ahead of now."""
    now = wall()
    slot, _next = around(house.config.backup.at, now + slack_s)
    made = newest(Path(house.config.path, "backups"), now, house.config)
    if made is not None and made >= slot - EARLY_S:
        return ""
    last = "there is none yet" if made is None else f"the last one is {span(now - made)} old"
    return f"due since {utc_text(slot)[:16]}Z, {last}"


def missed(house: House, *, registered: bool) -> str:
    """Why a backup is to be begun for a night that has none, "" when there is nothing to begin.

    Nights are kept where a person declared sets, had the nightly entry registered, or has made a backup before.
    """
    now, folder = wall(), Path(house.config.path, "backups")
    if not (registered or house.config.backup.sets or newest(folder, now, house.config) is not None):
        return ""
    why = lacking(house, -LATE_S)
    return why if why and not _was_begun(house, _slot(house)) else ""


def _slot(house: House) -> float:
    return around(house.config.backup.at, wall() - LATE_S)[0]


def _note(house: House) -> str:
    return f"{house.place.folder}/backup/night.json"


def _was_begun(house: House, slot: float) -> bool:
    try:
        said = read_json(_note(house))
    except (OSError, ValueError):
        return False
    return said == {"night": utc_text(slot), "boot": host.boot_id()}


def start(house: House, *, registered: bool) -> str:
    """Begin the backup of a missed night in the background; a line that says so, "" when there is nothing to begin."""
    if not missed(house, registered=registered):
        return ""
    try:
        with turnstile.acting(house.place, "a tick", wait_s=0.0, turn=turnstile.BACKUPS):
            why = missed(house, registered=registered)
            if not why:
                return ""
            make_folder(Path(_note(house)).parent)
            begun = {"night": utc_text(_slot(house)), "boot": host.boot_id()}
            write_atomic(_note(house), json.dumps(begun), durable=True, mode=0o600)
    except Busy:
        return ""  # one is being made
    return f"backup: begun as pid {_begun(house)} ({why}); what it says: outputs/logs/{LOG}"


def _begun(house: House) -> int:
    same_night = {key: value for key, value in os.environ.items() if key == "AUTOSYS_NOW"}
    return commands.begin(house, LOG, "backup", "--due", priority="low", more=same_night)

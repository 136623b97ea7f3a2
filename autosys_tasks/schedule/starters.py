"""Everything that this system starts by itself for this user: looked at, and taken away where it is a rival."""

from __future__ import annotations

import importlib
import os
import re
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from autosys_tasks import host
from autosys_tasks.core.errors import AutosysError
from autosys_tasks.core.files import is_gone, make_folder, write_atomic
from autosys_tasks.schedule import registered_ids
from autosys_tasks.schedule.command_text import is_inside
from autosys_tasks.schedule.look import mechanisms
from autosys_tasks.schedule.rivals import let_be, rivals
from autosys_tasks.schedule.values import Entry, Listing, Rival, RivalsSeen, Site, Starter

PLACES = {
    "windows": ("run_values", "startup_folder", "task_scheduler"),
    "linux": ("user_units", "autostart_folder", "cron"),
    "macos": ("launchd",),
}
SESSIONS = {"windows": "startup_folder", "linux": "autostart_folder", "macos": "launchd"}
SECOND_BEST = ("run_values", "cron")
KEPT = "rivals"  # the folder of what was taken away, in the state folder
List = Callable[[Site], Sequence[Listing]]


class Place(Protocol):
    """One kind of place from which a system starts something by itself."""

    def listings(self, site: Site) -> list[Listing]:
        """What stands there, or why it cannot be read."""

    def take_away(self, site: Site, starter: Starter) -> None:
        """Take one of these away; AutosysError or OSError when that cannot be done."""


def _place(name: str) -> Place:
    return importlib.import_module(f"autosys_tasks.schedule.{name}")


def listings(site: Site) -> list[Listing]:
    """All places of this system."""
    return [listing for name in PLACES[host.PLATFORM] for listing in _place(name).listings(site)]


def in_folder(folder: Path) -> Listing:
    """A folder that is read as that of this user's session is."""
    found: Listing = importlib.import_module(f"autosys_tasks.schedule.{SESSIONS[host.PLATFORM]}").listing(folder)
    return found


def see(site: Site, entries: Sequence[Entry], beside: Sequence[str] = (), listed: List = listings) -> RivalsSeen:
    """Who starts this workspace beside our own entries, and what was looked at to know.

    `beside`: names, or patterns, of what a person wants to have beside them.
    """
    found = listed(site)
    everybody = [starter for listing in found for starter in listing.starters]
    starters = [starter for starter in everybody if not let_be(starter, beside)]
    troubles = tuple(listing.trouble for listing in found if listing.trouble)
    own = [starter for starter in starters if starter.ours == site.id and starter.on]
    is_ours: Callable[[str], bool] = partial(_leads_in, site.folder)
    if is_inside(str(Path.home()), site.folder):
        troubles += (f"`{site.folder}` holds your home folder: whatever starts for you starts in it",)
        is_ours = _nothing
    names = registered_ids.read(site.folder)
    judged = rivals(site, starters, is_ours, is_gone, _doubled(site, entries, own), names)
    spared = len(everybody) - len(starters)
    looked = (*(listing.what for listing in found if listing.what), *([f"{spared} of them let be"] if spared else ()))
    return RivalsSeen(looked, troubles, judged, bool(own or troubles))


def _leads_in(folder: str, path: str) -> bool:
    """Whether a path as it was written leads into the folder: by itself, by a variable, or through a link."""
    if is_inside(path, folder):
        return True
    path = os.path.expanduser(os.path.expandvars(path))
    drives = {os.path.splitdrive(each)[0].lower() for each in (path, folder)}
    if not os.path.isabs(path) or len(drives) > 1:  # another drive may be another machine, and slow to answer
        return False
    try:
        return is_inside(os.path.realpath(path), folder)
    except (OSError, ValueError):
        return False


def _nothing(path: str) -> bool:
    return False


def _doubled(site: Site, entries: Sequence[Entry], own: Iterable[Starter]) -> set[tuple[str, str]]:
    """Which of our own entries the best mechanism has as well; it is asked only when another one has any."""
    spare = {(starter.place, starter.entry) for starter in own if starter.place in SECOND_BEST}
    asked = [entry for entry in entries if entry.name in {name for _place, name in spare}]
    seen = mechanisms()[0].look(site, asked) if asked else {}
    return {(place, name) for place, name in spare if name in seen and seen[name].state == "registered"}


def take_away(site: Site, found: Iterable[Rival], state: str) -> list[tuple[bool, str]]:
    """(done, what was done) of each rival: kept first, taken away then; what an administrator must do is told."""
    folder = Path(state, KEPT, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
    starters = [rival.starter for rival in found]
    ended = [_taken(site, starter, folder / str(number)) for number, starter in enumerate(starters, 1)]
    stay = {site.id, *(starter.ours for starter, (done, _said) in zip(starters, ended, strict=True) if not done)}
    registered_ids.forget(site.folder, {starter.ours for starter in starters} - stay)
    return ended


def _taken(site: Site, starter: Starter, folder: Path) -> tuple[bool, str]:
    if starter.by_hand:
        return False, f"{starter.where} needs an administrator: {starter.by_hand}"
    try:
        kept = [_kept(folder, name, data) for name, data in starter.kept]
        _place(starter.place).take_away(site, starter)
    except (AutosysError, OSError) as error:
        return False, f"{starter.where} stays: {getattr(error, 'message', '') or error}"
    return True, f"removed {starter.where} (to have it back: {starter.back.replace('{}', str(kept[0]))})"


def _kept(folder: Path, name: str, data: bytes) -> Path:
    """Keep a copy of what is about to go."""
    path = make_folder(folder) / re.sub(r'[\\/:*?"<>|\x00-\x1f]', "-", name)
    write_atomic(path, data, durable=True, mode=0o600)
    return path

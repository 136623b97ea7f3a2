"""The desktop entries that a session starts at logon, in this user's own folder (freedesktop.org)."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from autosys_tasks.core.clock import counted
from autosys_tasks.core.files import decode, read_bytes
from autosys_tasks.schedule.values import Listing, Site, Starter

ESCAPES = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\"}


def listings(site: Site) -> list[Listing]:
    """The entries of this user; a hidden one starts nothing."""
    return [listing(folder())]


def folder() -> Path:
    """Where they are."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config", "autostart")


def listing(place: Path) -> Listing:
    """The entries of one folder."""
    try:
        starters = tuple(_starter(path) for path in sorted(place.glob("*.desktop")) if path.is_file())
    except OSError as error:
        return Listing.unread(place, error)
    return Listing(counted(len(starters), "desktop entry", "desktop entries"), starters)


def _starter(path: Path) -> Starter:
    data = read_bytes(path) or b""
    said = _keys(decode(data))
    off = said.get("Hidden") == "true" or said.get("X-GNOME-Autostart-enabled") == "false"
    return Starter(
        "autostart_folder", path.name, str(path), (_words(said.get("Exec", "")),), said.get("Path", ""),
        on=not off, kept=((path.name, data),), back=f"move {{}} to {path}",
    )  # fmt: skip


def _keys(text: str) -> dict[str, str]:
    """The keys of the entry itself, without those of its further actions."""
    _before, _, group = f"\n{text}".partition("\n[Desktop Entry]")
    pairs = (line.partition("=") for line in group.partition("\n[")[0].splitlines())
    return {key.strip(): _plain(value.strip()) for key, is_pair, value in pairs if is_pair}


def _plain(value: str) -> str:
    return re.sub(r"\\(.)", lambda found: ESCAPES.get(found[1], found[0]), value)


def _words(line: str) -> tuple[str, ...]:
    try:
        found = shlex.split(line)
    except ValueError:  # no session runs it either
        return ()
    return tuple(word.replace("%%", "%") for word in found if not re.fullmatch("%[a-zA-Z]", word))


def take_away(site: Site, starter: Starter) -> None:
    """Take one entry away."""
    Path(starter.where).unlink(missing_ok=True)

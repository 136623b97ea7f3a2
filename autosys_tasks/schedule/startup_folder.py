"""The Startup folders of Windows: what this user's and everybody's logon opens. Scripts and shortcuts are read."""

from __future__ import annotations

import locale
import ntpath
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from autosys_tasks.core.clock import counted
from autosys_tasks.core.files import decode, read_bytes, retry_while_held
from autosys_tasks.schedule import lnk_text
from autosys_tasks.schedule.command_text import words
from autosys_tasks.schedule.run_values import Key, is_switched_off, values
from autosys_tasks.schedule.values import Listing, Site, Starter

FOLDERS = "Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\User Shell Folders"
PROGRAMS = "Microsoft\\Windows\\Start Menu\\Programs\\Startup"
SCRIPTS = (".bat", ".cmd", ".vbs", ".js", ".ps1", ".py", ".pyw")
LARGEST = 1 << 16  # of a script; more than that is no starter
REMARKS = ("rem ", "@rem ", "::", "'", "#", "//")
MINE = Key("HKCU", FOLDERS, "StartupFolder")
EVERYBODYS = Key("HKLM", FOLDERS, "StartupFolder")


def listings(site: Site) -> list[Listing]:
    """What lies in this user's folder and in everybody's, where only an administrator may remove it."""
    mine, everybodys = _folder(MINE, "Startup", "APPDATA"), _folder(EVERYBODYS, "Common Startup", "ProgramData")
    return [
        listing(mine, "Startup file", partial(is_switched_off, MINE)),
        listing(everybodys, "Startup file of everybody", partial(is_switched_off, EVERYBODYS), admin=True),
    ]


def _folder(key: Key, name: str, variable: str) -> Path:
    """Where Windows has the folder, which may have been moved."""
    said = next((value.text for value in values(key) if value.name.lower() == name.lower()), "")
    return Path(os.path.expandvars(said) if said else os.path.join(os.environ.get(variable, ""), PROGRAMS))


def listing(
    folder: Path,
    what: str = "Startup file",
    is_off: Callable[[str], bool] = lambda name: False,
    *,
    admin: bool = False,
) -> Listing:
    """The files of one folder."""
    try:
        files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.name.lower() != "desktop.ini"]
        starters = tuple(_starter(path, admin)._replace(on=not is_off(path.name)) for path in files)
    except FileNotFoundError:
        starters = ()
    except OSError as error:
        return Listing.unread(folder, error)
    return Listing(counted(len(starters), what, what.replace("file", "files")), starters)


def _starter(path: Path, admin: bool) -> Starter:
    data = read_bytes(path) or b""
    lines, folder = _said(path, data)
    return Starter(
        "startup_folder", path.name, str(path), lines, folder, by_hand=f'del "{path}"' if admin else "",
        kept=((path.name, data),), back=f'move "{{}}" "{path}"',
    )  # fmt: skip


def _said(path: Path, data: bytes) -> tuple[tuple[tuple[str, ...], ...], str]:
    """(command lines, working folder) of a file that is opened at logon."""
    kind = path.suffix.lower()
    if kind == ".lnk":
        try:
            return _of_shortcut(path, lnk_text.parsed(data, locale.getencoding()))
        except ValueError:  # Windows opens no such thing either
            return (), ""
    if kind in SCRIPTS and len(data) <= LARGEST:
        lines = (line.strip() for line in decode(data).splitlines())
        return tuple(words(line, windows=True) for line in lines if not line.lower().startswith(REMARKS)), ""
    return ((str(path),),), ""


def _of_shortcut(path: Path, said: lnk_text.Shortcut) -> tuple[tuple[tuple[str, ...], ...], str]:
    target = said.target
    if said.relative and (not target or "\ufffd" in target or "?" in target):  # the code page had no such letters
        target = ntpath.join(str(path.parent), said.relative)
    return ((target, *words(said.arguments, windows=True)),), said.folder


def take_away(site: Site, starter: Starter) -> None:
    """Take one file of this user away."""
    retry_while_held(lambda: Path(starter.where).unlink(missing_ok=True))

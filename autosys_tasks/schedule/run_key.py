"""The Run key, where the Task Scheduler refuses: one value that starts the keeper of the times at logon."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from autosys_tasks import host
from autosys_tasks.core.errors import AutosysError
from autosys_tasks.core.files import make_folder, read_text, retry_while_held, write_atomic
from autosys_tasks.schedule import resident_files, start_text
from autosys_tasks.schedule.due import NEVER, wait_s
from autosys_tasks.schedule.resident_files import Place
from autosys_tasks.schedule.values import Entry, File, Seen, Site
from autosys_tasks.supervise.environ import base_environ

NAME = "run key"
APPROVED = f"{start_text.APPROVED}\\Run"
POLICY = "Software\\Microsoft\\Windows\\CurrentVersion\\Policies\\Explorer"


def show(site: Site, entry: Entry) -> tuple[File, ...]:
    """The value in regedit's form, and the file that it runs."""
    starter = start_text.starter_of(site)._replace(entry=entry.name)
    return (start_text.registry_file(site, entry, _starter(resident_files.place_of(site))), starter)


def runs(site: Site, entry: Entry) -> tuple[str, ...]:
    """The program that the keeper runs for an entry, and its words."""
    return site.argv(entry)


def why_not() -> str:
    """Why nothing can be started at logon this way; empty when it can."""
    if host.PLATFORM != "windows":
        return "only Windows has a Run key"
    off = _read(POLICY, "DisableCurrentUserRun")
    return "a policy of this machine ignores it (DisableCurrentUserRun)" if off else ""


def way_out() -> str:
    """What a person does so that something can be started at logon this way."""
    return "ask who looks after this machine for the policy DisableCurrentUserRun to be lifted"


def look(site: Site, entries: Iterable[Entry]) -> dict[str, Seen]:
    """What the registry says of the value, and the keeper of its runs."""
    place, wanted = resident_files.place_of(site), list(entries)
    try:
        state, why = _compared(site, place)
    except (OSError, AutosysError) as error:
        return {entry.name: Seen(entry.name, "unknown", f"the Run key: {error}", NAME) for entry in wanted}
    names = resident_files.read_names(place, set()) or set()
    return {
        entry.name: _seen(entry, place, state, why)
        if entry.name in names
        else Seen(entry.name, "missing", "not registered", NAME)
        for entry in wanted
    }


def _compared(site: Site, place: Place) -> tuple[str, str]:
    there = _read(start_text.RUN, start_text.value_name(site))
    if there is None:
        return "missing", "no such value"
    if there != start_text.value_of(site, _starter(place)):
        return "differs", f"the value is `{there}`"
    if read_text(_starter(place)) != start_text.starter_of(site).text:
        return "differs", f"`{_starter(place)}` is not as this version writes it"
    if is_off(_read(APPROVED, start_text.value_name(site))):
        return "differs", "switched off among the startup apps"
    return "registered", ""


def is_off(said: object) -> bool:
    """Whether what Task Manager notes of a startup app says that a person switched it off."""
    return isinstance(said, bytes) and bool(said) and bool(said[0] & 1)


def _seen(entry: Entry, place: Place, state: str, why: str) -> Seen:
    began, runs = resident_files.read_runs(place)
    run, now = runs.get(entry.name), resident_files.now()
    next_run = None
    if resident_files.is_kept(place) and began is not None:
        wait = wait_s(entry, began, run.at if run else None, now)
        next_run = None if wait == NEVER else now.wall + wait
    elif state == "registered":
        why = "its keeper does not run: it starts at the next logon"
    return Seen(entry.name, state, why, NAME, run.at.wall if run else None, run.code if run else None, next_run)


def install(site: Site, entry: Entry) -> str:
    """Have the keeper start at logon, keep this entry too, and live from now on; says what was done.

    Raises PermissionError when the registry refuses, UsageError when the paths are too long for a Run value.
    """
    place = resident_files.place_of(site)
    value = start_text.value_of(site, _starter(place))
    make_folder(Path(place.folder))
    write_atomic(_starter(place), start_text.starter_of(site).text)
    resident_files.write_names(place, (resident_files.read_names(place, set()) or set()) | {entry.name})
    delete(APPROVED, start_text.value_name(site))
    _write(start_text.value_name(site), value)
    return f"{start_text.value_name(site)} in the Run key; {_kept_from_now_on(site, place)}"


def _kept_from_now_on(site: Site, place: Place) -> str:
    """Start the keeper as the value will; one that lives has been woken."""
    if resident_files.is_kept(place):
        return "its keeper runs"
    argv = (*site.command[: site.command.index("-m")], _starter(place))
    env = {**base_environ(os.environ), **dict(site.env)}
    pid = host.spawn(host.Launch(argv, env, site.folder, site.log), None)
    return f"its keeper was started (pid {pid})"


def remove(site: Site, name: str) -> str:
    """Take an entry out of what is kept, and the value with the last one; nothing there is fine."""
    place = resident_files.place_of(site)
    names = resident_files.read_names(place, set()) or set()
    left = names - {name}
    gone = name in names
    if not left:
        gone |= delete(start_text.RUN, start_text.value_name(site))
        delete(APPROVED, start_text.value_name(site))
        retry_while_held(lambda: Path(_starter(place)).unlink(missing_ok=True))  # a keeper may be reading it just now
    resident_files.write_names(place, left)
    if not gone:
        return "nothing to remove"
    return f"{start_text.value_name(site)} removed" if not left else f"{name} is kept no more"


def _starter(place: Place) -> str:
    return os.path.join(os.path.normpath(place.folder), "logon.pyw")


def registry() -> Any:
    """Python's own module for it, which Windows alone has."""
    return importlib.import_module("winreg")


def _read(path: str, name: str) -> object:
    """A value of this user's; None = there is none."""
    winreg = registry()
    try:
        with winreg.OpenKey(winreg.HKEY_CURRENT_USER, path) as key:
            value: object = winreg.QueryValueEx(key, name)[0]
            return value
    except FileNotFoundError:
        return None


def _write(name: str, value: str) -> None:
    winreg = registry()
    with winreg.CreateKey(winreg.HKEY_CURRENT_USER, start_text.RUN) as key:
        winreg.SetValueEx(key, name, 0, winreg.REG_SZ, value)


def delete(path: str, name: str) -> bool:
    """Delete a value of this user's; False when there is none."""
    winreg = registry()
    try:
        with winreg.OpenKey(winreg.HKEY_CURRENT_USER, path, 0, winreg.KEY_SET_VALUE) as key:
            winreg.DeleteValue(key, name)
    except FileNotFoundError:
        return False
    return True

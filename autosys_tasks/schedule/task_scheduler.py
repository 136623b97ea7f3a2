"""Windows' Task Scheduler: one task for each entry, in a folder of the workspace's own."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any

from autosys_tasks import host
from autosys_tasks.core.clock import counted
from autosys_tasks.core.errors import UsageError
from autosys_tasks.schedule import task_text
from autosys_tasks.schedule.start_text import argv_of
from autosys_tasks.schedule.values import Entry, File, Listing, Seen, Site, Starter

NAME = "task scheduler"
WINDOWS_OWN = ("\\Microsoft",)


def show(site: Site, entry: Entry) -> tuple[File, ...]:
    """The task of one entry as it is registered."""
    return (task_text.file_of(site, entry),)


def runs(site: Site, entry: Entry) -> tuple[str, ...]:
    """The program that an entry's task runs, and its words."""
    return argv_of(site, entry)


def why_not() -> str:
    """Why no task can be registered here; empty when one can."""
    if host.PLATFORM != "windows":
        return "only Windows has a Task Scheduler"
    try:
        with _scheduler().connect():
            return ""
    except OSError as error:
        return error.strerror or str(error)


def way_out() -> str:
    """What a person does so that tasks can be registered."""
    return "have the service `Task Scheduler` run (services.msc)"


def look(site: Site, entries: Iterable[Entry]) -> dict[str, Seen]:
    """What the Task Scheduler says of each entry; unknown when it says nothing."""
    wanted = list(entries)
    try:
        with _scheduler().connect() as scheduler:
            return {entry.name: seen(site, entry, scheduler) for entry in wanted}
    except OSError as error:
        why = error.strerror or str(error)
        return {entry.name: Seen(entry.name, "unknown", why, NAME) for entry in wanted}


def seen(site: Site, entry: Entry, scheduler: Any) -> Seen:
    """What a connected scheduler says of one entry; registered only when it shows our very task, enabled."""
    try:
        wanted = task_text.file_of(site, entry).text
        task = scheduler.read(task_text.path_of(site, entry.name))
    except UsageError as error:
        return Seen(entry.name, "missing", error.message, NAME)
    except OSError as error:
        return Seen(entry.name, "unknown", error.strerror or str(error), NAME)
    if task is None:
        return Seen(entry.name, "missing", "no such task", NAME)
    state, why = task_text.compared(task.xml, wanted)
    if state == "registered" and task.enabled is not True:
        state, why = ("unknown", "not told whether it is enabled") if task.enabled is None else ("differs", "disabled")
    return Seen(entry.name, state, why, NAME, task.last_run, task.last_result, task.next_run)


def install(site: Site, entry: Entry) -> str:
    """Register an entry's task, or replace it; says what was done. Raises PermissionError, OSError, UsageError."""
    path, file = task_text.path_of(site, entry.name), task_text.file_of(site, entry)
    with _scheduler().connect() as scheduler:
        scheduler.register(path, task_text.spoken(file.text))
    return f"{path} registered"


def remove(site: Site, name: str) -> str:
    """Take an entry's task away, and its folders when they are empty then; nothing there is fine."""
    path = task_text.path_of(site, name)
    with _scheduler().connect() as scheduler:
        done = f"{path} removed" if scheduler.delete(path) else "nothing to remove"
        try:
            if scheduler.delete_folder(task_text.folder_of(site)):
                scheduler.delete_folder(task_text.TOP)
        except PermissionError:  # made by an administrator; an empty folder starts nothing
            done += f", and a folder of {task_text.folder_of(site)} stays: no right to remove it"
    return done


def listings(site: Site) -> list[Listing]:
    """The tasks that this user may see, less those of Windows itself."""
    try:
        with _scheduler().connect() as scheduler:
            found = tuple(starter(site, path, task) for path, task in scheduler.walk(without=WINDOWS_OWN))
    except OSError as error:
        return [Listing("", trouble=error.strerror or str(error))]
    return [Listing(counted(len(found), "task"), found)]


def starter(site: Site, path: str, task: Any) -> Starter:
    """What the Task Scheduler tells of one task, as what it starts."""
    xml = task.xml or ""
    said, (ours, entry) = task_text.told(xml), task_text.ours(path)
    user, name = said.user.lower(), host.user_name().lower()
    mine = not said.is_elevated and (user in (site.user.lower(), name) or user.endswith(f"\\{name}"))
    return Starter(
        "task_scheduler", path, f"task {path}", said.lines, next(iter(said.folders), ""), ours, entry,
        on=said.is_triggered and task.enabled is not False, by_hand="" if mine else f'schtasks /delete /tn "{path}" /f',
        kept=((f"{path.strip(chr(92)).replace(chr(92), '-')}.xml", b"\xff\xfe" + xml.encode("utf-16-le")),),
        back=f'schtasks /create /tn "{path}" /xml "{{}}"',
    )  # fmt: skip


def take_away(site: Site, starter: Starter) -> None:
    """Take one task away; what it has started goes on."""
    if starter.ours:
        remove(site._replace(id=starter.ours), starter.entry)
        return
    with _scheduler().connect() as scheduler:
        scheduler.delete(starter.name)


def _scheduler() -> Any:
    return importlib.import_module("autosys_tasks.host.windows_scheduler")

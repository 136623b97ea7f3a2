"""A LaunchAgent as a property list. Pure; launchd.plist(5)."""

from __future__ import annotations

import plistlib
import posixpath
import re
from collections.abc import Container
from xml.parsers.expat import ExpatError

from autosys_tasks.schedule.run_notes_text import limited, note_of
from autosys_tasks.schedule.values import AtLogon, Entry, Every, File, Site, Starter

NAME = "launchd"
RUN = 'sleep "$1"; shift; "$@"; code=$?; echo "$code" >"$0"; exit "$code"'  # launchd knows no delay, and keeps no time
PATH = "/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"  # launchd's own has no brew in it

TIMED = ("StartInterval", "StartCalendarInterval")
SET_OFF = (*TIMED, "RunAtLoad", "KeepAlive", "StartOnMount", "WatchPaths", "QueueDirectories")
OURS = re.compile(r"dev\.autosys\.(.+-[0-9a-f]{8})\.(\w+)")


def label_of(site: Site, name: str) -> str:
    """The name of an agent, and of its file."""
    return f"dev.autosys.{site.id}.{name}"


def file_of(site: Site, entry: Entry) -> File:
    """The agent of one entry: a shell that waits, runs the command, and notes how it ended."""
    when, delay = entry.when, "0"
    if isinstance(when, AtLogon):
        delay = f"{when.delay_s:g}"
        times: dict[str, object] = {"RunAtLoad": True}
    elif isinstance(when, Every):
        times = {"StartInterval": max(1, round(when.every_s))}
    else:
        hour, minute, _second = when.at.split(":")
        times = {"StartCalendarInterval": {"Hour": int(hour), "Minute": int(minute)}}
    background = {"ProcessType": "Background", "LowPriorityIO": True, "Nice": 10} if entry.background else {}
    agent = {
        "Label": label_of(site, entry.name),
        "ProgramArguments": ["/bin/sh", "-c", RUN, note_of(site, NAME, entry.name), delay, *limited(site, entry)],
        "WorkingDirectory": site.folder,
        "EnvironmentVariables": {"PATH": PATH, **dict(site.env)},
        "AbandonProcessGroup": True,  # what a tick started is no part of the tick
        "StandardOutPath": site.log,
        "StandardErrorPath": site.log,
        **times,
        **background,
    }
    return File(entry.name, f"{label_of(site, entry.name)}.plist", plistlib.dumps(agent).decode("utf-8"))


def is_running(printed: str) -> bool:
    """Whether `launchctl print` says that an agent runs at this moment."""
    return re.search(r"^\s*state = running\s*$", printed, re.MULTILINE) is not None


def exit_code(printed: str) -> int | None:
    """How `launchctl print` says that an agent's last run ended; None when it does not say."""
    if found := re.search(r"last terminating signal = .*?(\d+)\s*$", printed, re.MULTILINE):
        return 128 + int(found[1])
    found = re.search(r"last exit code = (\d+)", printed)
    return int(found[1]) if found else None


def starter(path: str, data: bytes, disabled: Container[str]) -> Starter:
    """What an agent of anybody starts; nothing when launchd could not read it either."""
    said = _read(data)
    label, name = str(said.get("Label", "")), posixpath.basename(path)
    words = said.get("ProgramArguments") or [said.get("Program", "")]
    line = tuple(map(str, words)) if isinstance(words, list) else ()
    ours = OURS.fullmatch(label)
    on = any(said.get(key) for key in SET_OFF) and not said.get("Disabled") and label not in disabled
    return Starter(
        "launchd", label or name, path, (line,), str(said.get("WorkingDirectory", "")),
        ours[1] if ours else "", ours[2] if ours else "", on=on, kept=((name, data),),
        back=f"move {{}} to {path}",
    )  # fmt: skip


def is_timed(data: bytes) -> bool:
    """Whether an agent comes by the clock, and not only at logon."""
    return any(_read(data).get(key) for key in TIMED)


def _read(data: bytes) -> dict[str, object]:
    try:
        said = plistlib.loads(data)
    except (ValueError, ExpatError, plistlib.InvalidFileException):
        return {}
    return said if isinstance(said, dict) else {}

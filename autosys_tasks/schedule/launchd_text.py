"""A LaunchAgent as a property list. Pure; launchd.plist(5)."""

from __future__ import annotations

import plistlib

from autosys_tasks.schedule.values import AtLogon, Entry, Every, File, Site

PATH = "/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"  # launchd's own has no brew in it


def label_of(site: Site, name: str) -> str:
    """The name of an agent, and of its file."""
    return f"dev.autosys.{site.id}.{name}"


def file_of(site: Site, entry: Entry) -> File:
    """The agent of one entry. launchd knows no delay: `sleep` makes it, then becomes the command."""
    when, argv = entry.when, list(site.argv(entry))
    if isinstance(when, AtLogon):
        argv = ["/bin/sh", "-c", 'sleep "$0"; exec "$@"', f"{when.delay_s:g}", *argv]
        times: dict[str, object] = {"RunAtLoad": True}
    elif isinstance(when, Every):
        times = {"StartInterval": max(1, round(when.every_s))}
    else:
        hour, minute, _second = when.at.split(":")
        times = {"StartCalendarInterval": {"Hour": int(hour), "Minute": int(minute)}}
    background = {"ProcessType": "Background", "LowPriorityIO": True, "Nice": 10} if entry.background else {}
    agent = {
        "Label": label_of(site, entry.name),
        "ProgramArguments": argv,
        "WorkingDirectory": site.folder,
        "EnvironmentVariables": {"PATH": PATH, **dict(site.env)},
        "AbandonProcessGroup": True,  # what a tick started is no part of the tick
        "StandardOutPath": site.log,
        "StandardErrorPath": site.log,
        **times,
        **background,
    }
    return File(entry.name, f"{label_of(site, entry.name)}.plist", plistlib.dumps(agent).decode("utf-8"))

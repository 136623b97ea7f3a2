"""Our block in a user's crontab, for machines without a systemd user manager. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from autosys_tasks.schedule.values import AtLogon, Daily, Entry, Every, Site


def marks(site: Site) -> tuple[str, str]:
    """The lines that begin and end what is ours."""
    return f"# >>> autosys {site.id}", f"# <<< autosys {site.id}"


def line_of(site: Site, entry: Entry) -> str:
    """One entry as one line. `%` would end the command, so it is masked."""
    env = "".join(f"{key}={shlex.quote(value)} " for key, value in site.env)
    command = f"cd {shlex.quote(site.folder)} && {env}{shlex.join(site.argv(entry))} >>{shlex.quote(site.log)} 2>&1"
    if isinstance(entry.when, AtLogon):
        command = f"sleep {entry.when.delay_s:g}; {command}"
    if "\n" in command:
        raise ValueError(f"a crontab cannot hold a path with a line break: {command!r}")
    return f"{_times(entry.when)} {command.replace('%', chr(92) + '%')}"


def _times(when: AtLogon | Every | Daily) -> str:
    if isinstance(when, AtLogon):
        return "@reboot"  # cron knows no logon
    if isinstance(when, Every):
        minutes = max(1, round(when.every_s / 60))
        return f"*/{minutes} * * * *" if minutes < 60 else f"0 */{min(23, round(minutes / 60))} * * *"
    hour, minute, _second = when.at.split(":")
    return f"{int(minute)} {int(hour)} * * *"


def ours(crontab: str, site: Site) -> list[str]:
    """The lines of our block, marks left out; empty when there is none."""
    begin, end = marks(site)
    _before, found, rest = f"\n{crontab}".partition(f"\n{begin}\n")
    return rest.partition(f"\n{end}")[0].split("\n") if found else []


def with_block(crontab: str, site: Site, lines: Iterable[str]) -> str:
    """The crontab with our block as given; without lines, without it. All else stays, byte for byte."""
    begin, end = marks(site)
    before, found, rest = f"\n{crontab}".partition(f"\n{begin}\n")
    after = rest.partition(f"\n{end}\n")[2] if found else ""
    kept = list(lines)
    block = "\n".join([begin, *kept, end, ""]) if kept else ""
    head = f"{before}\n"[1:] if found else crontab
    if head and not head.endswith("\n"):
        head += "\n"
    return head + block + after

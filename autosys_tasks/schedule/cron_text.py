"""Our block in a user's crontab, for machines without a systemd user manager. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from autosys_tasks.core.errors import UsageError
from autosys_tasks.schedule.command_text import words
from autosys_tasks.schedule.run_notes_text import limited, note_of
from autosys_tasks.schedule.values import AtLogon, Daily, Entry, Every, Site, Starter

TIMED = re.compile(r"\s*(?:@\w+|(?:\S+\s+){4}\S+)\s+(?P<command>\S.*)")
NAME = "cron"
LONGEST = 998  # Vixie's cron, and those made of it
NO_JOB = re.compile(r"\s*(?:#|$|[A-Za-z_]\w*\s*=)")  # a comment, nothing, a variable


def marks(site: Site) -> tuple[str, str]:
    """The lines that begin and end what is ours."""
    return f"# >>> autosys {site.id}", f"# <<< autosys {site.id}"


def line_of(site: Site, entry: Entry) -> str:
    """One entry as one line, which notes how its run ended. `%` would end the command, so it is masked.

    Raises UsageError for a path that no crontab can hold.
    """
    env = "".join(f"{key}={shlex.quote(value)} " for key, value in site.env)
    run = f"cd {shlex.quote(site.folder)} && {env}{shlex.join(limited(site, entry))} >>{shlex.quote(site.log)} 2>&1"
    command = f"{run}; echo $? >{shlex.quote(note_of(site, NAME, entry.name))}"
    if isinstance(entry.when, AtLogon):
        command = f"sleep {entry.when.delay_s:g}; {command}"
    if "\n" in command:
        raise _refused(f"a crontab cannot hold a path with a line break: {ascii(command)[1:-1]}")
    command = command.replace("%", "\\%")
    if len(command.encode("utf-8", "surrogateescape")) > LONGEST:
        raise _refused(f"cron cuts a line off after {LONGEST} bytes, and this is longer: {command}")
    return f"{_times(entry.when)} {command}"


def _refused(why: str) -> UsageError:
    return UsageError(why, hint="move or rename the workspace, then register again")


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


def entry_of(line: str) -> str:
    """The entry that a line of ours runs: the last word of its command that is no option."""
    words_of_it = line.partition(">>")[0].split()
    return next((word for word in reversed(words_of_it) if not word.startswith("-")), "")


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


def starters(crontab: str) -> tuple[Starter, ...]:
    """Every line of a crontab that starts something; those between two marks are of the workspace that these name."""
    found, ours, lines = [], "", crontab.split("\n")
    for number, line in enumerate(lines, 1):
        if line.startswith("# >>> autosys ") and line.replace(">>>", "<<<") in lines[number:]:
            ours = line.removeprefix("# >>> autosys ")
        elif ours and line == f"# <<< autosys {ours}":
            ours = ""
        elif (timed := TIMED.match(line)) and not NO_JOB.match(line):
            found.append(_starter(number, line, timed["command"], ours))
    return tuple(found)


def _starter(number: int, line: str, command: str, ours: str) -> Starter:
    run = words(re.split(r"(?<!\\)%", command)[0].replace("\\%", "%"), windows=False)
    folder = run[run.index("cd") + 1] if ours and "cd" in run[:-1] else ""
    entry = entry_of(line) if ours else ""
    kept = ((f"crontab-line-{number}", line.encode("utf-8", "surrogateescape")),)
    return Starter(
        "cron", command, f"line {number} of the crontab", (run,), folder, ours, entry, kept=kept,
        back="crontab -e, and add the line that is in {}",
    )  # fmt: skip

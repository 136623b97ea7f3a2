"""cron, where no systemd user manager answers: one block in this user's crontab. It keeps no results: the lines do."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable

from autosys_tasks import host
from autosys_tasks.core.clock import counted
from autosys_tasks.core.errors import StateError, UsageError
from autosys_tasks.schedule import cron_text, run_notes
from autosys_tasks.schedule.run_notes_text import limited
from autosys_tasks.schedule.values import AtLogon, Daily, Entry, File, Listing, Seen, Site, Starter

NAME = cron_text.NAME
PATIENCE_S = 15.0
NO_PROGRAM = "no crontab command"
NOT_THERE = ("no crontab for", "no such file or directory")  # what is said of a user who has no table (cronie, busybox)
PACKAGES = {  # by ID and ID_LIKE of os-release(5)
    "debian": "`apt install cron`",
    "fedora": "`dnf install cronie`",
    "rhel": "`dnf install cronie`",
    "suse": "`zypper install cronie`",
    "arch": "`pacman -S cronie`, then `systemctl enable --now cronie`",
    "alpine": "`apk add cronie`, then `rc-service crond start`",
}
ANY_PACKAGE = "its package is called cron or cronie"
WEAK = {
    AtLogon: "cron knows no logon: it comes when the machine starts",
    Daily: "cron catches no missed one up: the next tick does",
}


def show(site: Site, entry: Entry) -> tuple[File, ...]:
    """The line of one entry."""
    return (File(entry.name, f"autosys-{site.id}-{entry.name}.cron", cron_text.line_of(site, entry) + "\n"),)


def runs(site: Site, entry: Entry) -> tuple[str, ...]:
    """The program that an entry's line runs, and its words."""
    return limited(site, entry)


def why_not() -> str:
    """Why there is no cron here; empty when there is."""
    return _table()[1]


def way_out() -> str:
    """What a person does so that there is a cron: its package by the name that it has in this distribution."""
    if _table()[1] != NO_PROGRAM:
        return "mend what `crontab -l` says"
    import platform

    try:
        said = platform.freedesktop_os_release()
    except OSError:
        said = {}
    kin = [said.get("ID", ""), *said.get("ID_LIKE", "").split()]
    return f"install cron ({next((PACKAGES[name] for name in kin if name in PACKAGES), ANY_PACKAGE)})"


def look(site: Site, entries: Iterable[Entry]) -> dict[str, Seen]:
    """What stands in the crontab of each entry, and what the very line noted of its last run."""
    wanted, (table, trouble) = list(entries), _table()
    if trouble:
        state = "missing" if trouble == NO_PROGRAM else "unknown"
        return {entry.name: Seen(entry.name, state, trouble, NAME) for entry in wanted}
    lines = cron_text.ours(table, site)
    return {entry.name: _seen(site, entry, lines) for entry in wanted}


def _seen(site: Site, entry: Entry, lines: list[str]) -> Seen:
    if not any(_is_for(line, entry.name) for line in lines):
        return Seen(entry.name, "missing", "no such line in the crontab", NAME)
    ran = run_notes.last(site, NAME, entry.name)
    try:
        if cron_text.line_of(site, entry) in lines:
            return Seen(entry.name, "registered", WEAK.get(type(entry.when), ""), NAME, ran.at, ran.code)
    except UsageError as error:  # what stands there is of another version, or for another folder
        return Seen(entry.name, "differs", str(error), NAME, ran.at, ran.code)
    return Seen(entry.name, "differs", "the line is not as this version writes it", NAME, ran.at, ran.code)


def _is_for(line: str, name: str) -> bool:
    return cron_text.entry_of(line) == name


def install(site: Site, entry: Entry) -> str:
    """Put an entry's line into our block."""
    run_notes.prepare(site, NAME, entry.name)
    _write(site, entry.name, [cron_text.line_of(site, entry)])
    return "a line in the crontab"


def remove(site: Site, name: str) -> str:
    """Take an entry's line away; nothing there is fine."""
    gone = _table()[1] != NO_PROGRAM and _write(site, name, [])
    run_notes.forget(site, NAME, name)
    return "removed from the crontab" if gone else "nothing to remove"


def _write(site: Site, name: str, new: list[str]) -> bool:
    old = _readable()
    kept = [line for line in cron_text.ours(old, site) if not _is_for(line, name)]
    text = cron_text.with_block(old, site, [*kept, *new])
    if text == old:
        return False
    _replace(text)
    return True


def _replace(text: str) -> None:
    answer = _crontab("-", given=text) if text else _crontab("-r")
    if answer.returncode:
        raise StateError(f"crontab: {answer.stderr.strip()}", hint="crontab -l shows what it holds")


def listings(site: Site) -> list[Listing]:
    """Everything that this user's crontab starts."""
    table, trouble = _table()
    if trouble:
        return [Listing("no cron") if trouble == NO_PROGRAM else Listing("", trouble=trouble)]
    found = cron_text.starters(table)
    return [Listing(counted(len(found), "crontab line"), found)]


def take_away(site: Site, starter: Starter) -> None:
    """Take one line away: of a workspace's block, or the line of somebody else with this very text."""
    if starter.ours:
        remove(site._replace(id=starter.ours), starter.entry)
        return
    lines, line = _readable().split("\n"), starter.kept[0][1].decode("utf-8", "surrogateescape")
    if line in lines:
        lines.remove(line)
        _replace("\n".join(lines))


def _table() -> tuple[str, str]:
    """What the crontab holds, and why that cannot be told."""
    if host.program("crontab", os.environ.get("PATH", ""), ".") is None:
        return "", NO_PROGRAM
    answer = _crontab("-l")
    said = answer.stderr.strip()
    if answer.returncode == 0 or (answer.returncode == 1 and any(text in said.lower() for text in NOT_THERE)):
        return answer.stdout, ""
    return "", f"crontab -l: {said or f'exit code {answer.returncode}'}"


def _readable() -> str:
    """What the crontab holds; raises StateError, since what cannot be read must not be written over."""
    table, trouble = _table()
    if trouble:
        raise StateError(trouble, hint="crontab -l")
    return table


def _crontab(*words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    argv = ["crontab", *words]
    try:
        return subprocess.run(
            argv, env={**os.environ, "LC_ALL": "C"}, input=given if given is not None else "", capture_output=True,
            timeout=PATIENCE_S, check=False, encoding="utf-8", errors="surrogateescape",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(argv, 127, "", str(error))

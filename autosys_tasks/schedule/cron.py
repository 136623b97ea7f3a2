"""cron, where no systemd user manager answers: one block in this user's crontab. It keeps no results."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from autosys_tasks import host
from autosys_tasks.core.errors import StateError
from autosys_tasks.core.files import make_folder
from autosys_tasks.schedule import cron_text
from autosys_tasks.schedule.values import Entry, File, Listing, Seen, Site, Starter, counted

NAME = "cron"
PATIENCE_S = 15.0
KEEPS = "cron keeps no results; `inv journal` shows the runs"


def show(site: Site, entry: Entry) -> tuple[File, ...]:
    """The line of one entry."""
    return (File(entry.name, f"autosys-{site.id}-{entry.name}.cron", cron_text.line_of(site, entry) + "\n"),)


def why_not() -> str:
    """Why there is no cron here; empty when there is."""
    if host.program("crontab", _path(), ".") is None:
        return "no crontab command"
    answer = _crontab("-l")
    return "" if answer.returncode == 0 or _is_empty(answer) else f"crontab -l: {answer.stderr.strip()}"


def look(site: Site, entries: Iterable[Entry]) -> dict[str, Seen]:
    """What stands in the crontab of each entry."""
    wanted, reason = list(entries), why_not()
    if reason:
        return {entry.name: Seen(entry.name, "unknown", reason, NAME) for entry in wanted}
    lines = cron_text.ours(_crontab("-l").stdout, site)
    return {entry.name: _seen(site, entry, lines) for entry in wanted}


def _seen(site: Site, entry: Entry, lines: list[str]) -> Seen:
    if cron_text.line_of(site, entry) in lines:
        return Seen(entry.name, "registered", KEEPS, NAME)
    if any(_is_for(line, entry.name) for line in lines):
        return Seen(entry.name, "differs", "the line is not as this version writes it", NAME)
    return Seen(entry.name, "missing", "no such line in the crontab", NAME)


def _is_for(line: str, name: str) -> bool:
    return cron_text.entry_of(line) == name


def install(site: Site, entry: Entry) -> str:
    """Put an entry's line into our block."""
    make_folder(Path(site.log).parent)  # a line whose output goes nowhere is not run
    _write(site, entry.name, [cron_text.line_of(site, entry)])
    return "a line in the crontab"


def remove(site: Site, name: str) -> str:
    """Take an entry's line away; nothing there is fine."""
    return "removed from the crontab" if _write(site, name, []) else "nothing to remove"


def _write(site: Site, name: str, new: list[str]) -> bool:
    old = _crontab("-l").stdout
    kept = [line for line in cron_text.ours(old, site) if not _is_for(line, name)]
    text = cron_text.with_block(old, site, [*kept, *new])
    if text == old:
        return False
    _replace(text)
    return True


def _replace(text: str) -> None:
    answer = _crontab("-", given=text)
    if answer.returncode:
        raise StateError(f"crontab -: {answer.stderr.strip()}", hint="crontab -l shows what it holds")


def listings(site: Site) -> list[Listing]:
    """Everything that this user's crontab starts."""
    if host.program("crontab", _path(), ".") is None:
        return [Listing("no cron")]
    answer = _crontab("-l")
    if answer.returncode and not _is_empty(answer):
        return [Listing("", trouble=f"crontab -l: {answer.stderr.strip() or f'exit code {answer.returncode}'}")]
    found = cron_text.starters(answer.stdout)
    return [Listing(counted(len(found), "crontab line"), found)]


def take_away(site: Site, starter: Starter) -> None:
    """Take one line away: of a workspace's block, or the line of somebody else with this very text."""
    if starter.ours:
        remove(site._replace(id=starter.ours), starter.entry)
        return
    lines, line = _crontab("-l").stdout.split("\n"), starter.kept[0][1].decode("utf-8", "surrogateescape")
    if line in lines:
        lines.remove(line)
        _replace("\n".join(lines))


def _is_empty(answer: subprocess.CompletedProcess[str]) -> bool:
    return answer.returncode == 1 and answer.stderr.lower().startswith("no crontab")


def _path() -> str:
    return os.environ.get("PATH", "")


def _crontab(*words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    argv = ["crontab", *words]
    try:
        return subprocess.run(
            argv, env={**os.environ, "LC_ALL": "C"}, input=given if given is not None else "", capture_output=True,
            timeout=PATIENCE_S, check=False, encoding="utf-8", errors="surrogateescape",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(argv, 127, "", str(error))

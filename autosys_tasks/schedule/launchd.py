"""launchd: agents in this user's own folder, and what launchctl says of them."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Container, Iterable
from pathlib import Path

from autosys_tasks import host
from autosys_tasks.core.clock import counted
from autosys_tasks.core.errors import StateError
from autosys_tasks.core.files import make_folder, read_bytes, remove_unfinished_of, write_atomic
from autosys_tasks.schedule import launchd_text, run_notes
from autosys_tasks.schedule.launchd_text import label_of
from autosys_tasks.schedule.run_notes_text import limited
from autosys_tasks.schedule.values import Entry, File, Listing, Seen, Site, Starter

NAME = launchd_text.NAME
PATIENCE_S, TRIES = 15.0, 5
NOT_RUN = 127  # launchctl itself is not there, or hangs


def show(site: Site, entry: Entry) -> tuple[File, ...]:
    """The file of one entry."""
    return (launchd_text.file_of(site, entry),)


def runs(site: Site, entry: Entry) -> tuple[str, ...]:
    """The program that an entry's agent runs, and its words, less the shell's."""
    return limited(site, entry)


def why_not() -> str:
    """Why no agent can be registered here; empty when one can."""
    answer = _ask("managername")
    return "" if answer.stdout.strip() == "Aqua" else "no launchd session of a logged-on user (launchctl managername)"


def way_out() -> str:
    """What a person does so that agents can be registered."""
    return "log on at the screen of this Mac, and not over ssh"


def look(site: Site, entries: Iterable[Entry]) -> dict[str, Seen]:
    """What launchd says of each entry, and what the agent noted of its last run."""
    off = _disabled(site)
    return {entry.name: _seen(site, entry, off) for entry in entries}


def _seen(site: Site, entry: Entry, off: Container[str]) -> Seen:
    file, label = launchd_text.file_of(site, entry), label_of(site, entry.name)
    there, answer = read_bytes(folder() / file.name), _ask("print", f"{_domain(site)}/{label}")
    if answer.returncode == NOT_RUN:
        return Seen(entry.name, "unknown", answer.stderr, NAME)
    if answer.returncode and there is None:
        return Seen(entry.name, "missing", "no such agent", NAME)
    state, why = "differs", ""
    if answer.returncode:
        why = "the agent is not loaded"
    elif there != file.data:
        why = f"{file.name} is not as this version writes it"
    elif label in off:
        why = "the agent is disabled"
    else:
        state = "registered"
    if launchd_text.is_running(answer.stdout):
        return Seen(entry.name, state, why or "it runs now", NAME, time.time())
    ran, told = run_notes.last(site, NAME, entry.name), launchd_text.exit_code(answer.stdout)
    return Seen(entry.name, state, why, NAME, ran.at, ran.code if told is None else told)


def install(site: Site, entry: Entry) -> str:
    """Write an entry's agent and load it."""
    file, service = launchd_text.file_of(site, entry), f"{_domain(site)}/{label_of(site, entry.name)}"
    run_notes.prepare(site, NAME, entry.name)
    make_folder(folder())
    remove_unfinished_of(folder() / file.name, host.identity)
    write_atomic(folder() / file.name, file.text)
    _ask("bootout", service)
    _ask("enable", service)  # launchd loads none that somebody has disabled, nor at the next logon
    for attempt in range(TRIES):
        answer = _ask("bootstrap", _domain(site), str(folder() / file.name))
        if answer.returncode == 0:
            return f"{file.name} loaded"
        time.sleep(0.2 * 2**attempt)  # 5 = the one before is still leaving
    raise StateError(f"launchctl bootstrap: {answer.stderr.strip()}", hint=f"launchctl print {service}")


def remove(site: Site, name: str) -> str:
    """Unload an entry's agent and delete its file; nothing there is fine."""
    path = folder() / f"{label_of(site, name)}.plist"
    gone = _ask("bootout", f"{_domain(site)}/{label_of(site, name)}").returncode
    run_notes.forget(site, NAME, name)
    if gone and not path.exists():
        return "nothing to remove"
    path.unlink(missing_ok=True)
    return f"{path.name} removed"


def _disabled(site: Site) -> frozenset[str]:
    """The labels that a person has disabled."""
    return frozenset(re.findall(r'"([^"]+)" => (?:disabled|true)', _ask("print-disabled", _domain(site)).stdout))


def listings(site: Site) -> list[Listing]:
    """The agents in this user's own folder; one that a person disabled starts nothing."""
    return [listing(folder(), _disabled(site))]


def listing(place: Path, disabled: frozenset[str] = frozenset()) -> Listing:
    """The agents of one folder."""
    try:
        files = [(path, read_bytes(path) or b"") for path in sorted(place.glob("*.plist")) if path.is_file()]
    except OSError as error:
        return Listing.unread(place, error)
    found = tuple(launchd_text.starter(str(path), data, disabled) for path, data in files)
    return Listing(counted(len(found), "agent"), found)


def take_away(site: Site, starter: Starter) -> None:
    """Take one agent away. What runs goes on; one that comes by the clock is unloaded."""
    if starter.ours:
        remove(site._replace(id=starter.ours), starter.entry)
        return
    Path(starter.where).unlink(missing_ok=True)
    if launchd_text.is_timed(starter.kept[0][1]):
        _ask("bootout", f"{_domain(site)}/{starter.name}")


def folder() -> Path:
    """Where a user's own agents are kept."""
    return Path.home() / "Library" / "LaunchAgents"


def _domain(site: Site) -> str:
    return f"gui/{site.user}"


def _ask(*words: str) -> subprocess.CompletedProcess[str]:
    argv = ["launchctl", *words]
    try:
        return subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False, encoding="utf-8",
            errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(argv, NOT_RUN, "", str(error))

"""Runs the commands of an install: output to a log, one deadline, retries when another program holds a file.

Each command holds the install lock, too: when we are killed, it goes on alone, and no other install begins meanwhile.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from autosys_tasks import host
from autosys_tasks.core.clock import span
from autosys_tasks.core.files import read_tail
from autosys_tasks.upgrade.commands import Command

FIRST_LINES, LAST_LINES = 4, 4  # of what is told: where an error is named first, and the end
SAID_BYTES = 65536
RETRIES = 3
PAUSE_S = 1.0
LIMIT_S = 1200.0  # of one install, all its commands together
HELD_FILE = re.compile(r"\[WinError (?:5|32)\]|os error (?:5|32)\b|\b(?:EPERM|EBUSY)\b")
_NAMED = re.compile(
    r"\bE[A-Z]{4,}\b|[A-Z]\w+(?:Error|Exception)\b|[×✖]|"
    r"(?i:\berror\b|\bfailed\b|refused|denied|not found|cannot|could not|couldn't|no such|unsatisfiable|conflict)"
)
_NOISE = re.compile(
    r"at \S.*:\d+:\d+\)?(?: \{)?|A complete log of this run.*|[{}]?"
    r"|warning: Failed to hardlink.*|If this is intentional, set.*"  # uv's cache lies on another disk
)
_PREFIX = re.compile(r"npm (?:error|ERR!|warn)")
_LOGIN = re.compile(r"(://)[^/\s@]+@")


class InstallError(Exception):
    """Why an environment could not be brought to what is wanted, for a person."""


class RunContext(NamedTuple):
    """What all commands of one install share."""

    log: str
    lock: host.Lock
    env: Mapping[str, str]
    ends: float  # by time.monotonic


def environ(base: Mapping[str, str]) -> dict[str, str]:
    """What an install is given: nothing that could ask, and lists with Hangul readable under any code page."""
    quiet = {"PYTHONUTF8": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "NO_COLOR": "1", "CI": "1"}
    return {**base, **quiet}


def run_checked(command: Command, bench: RunContext) -> None:
    """Run a command to its end; raises Trouble with what counts of what it said when that is not 0.

    Tried again where somebody holds a file for a moment: a virus scanner, an editor's language server.
    """
    for attempt in range(1, RETRIES + 1):
        code, said = run(command, bench)
        if code == 0:
            return
        if attempt == RETRIES or not HELD_FILE.search("\n".join(said)):
            told = f": {why}" if (why := reason(said)) else ", and said nothing"
            raise InstallError(f"`{shown(command)}` {_how(code)}{told} (all of it: {bench.log})")
        time.sleep(PAUSE_S * attempt)


def shown(command: Command) -> str:
    """A command for a person: its program by name."""
    return _masked(" ".join((os.path.basename(command.argv[0]), *command.argv[1:])))


def _how(code: int | None) -> str:
    return f"did not end within {span(LIMIT_S)}" if code is None else f"ended with {code}"


def reason(said: Sequence[str]) -> str:
    """Of what an installer said the lines that name the error, wherever they stand, and the last ones."""
    lines = [line for line in said if not _NOISE.fullmatch(_bare(line))]
    named = [number for number, line in enumerate(lines) if _NAMED.search(_bare(line))]
    chosen = {*named[:FIRST_LINES], *range(max(0, len(lines) - LAST_LINES), len(lines))}
    return " | ".join(lines[number].strip() for number in sorted(chosen))


def _bare(line: str) -> str:
    """A line without the name that its tool writes before each."""
    return _PREFIX.sub("", line, count=1).strip()


def run(command: Command, bench: RunContext) -> tuple[int | None, list[str]]:
    """(exit code, the lines that it said); None when it was ended at the deadline, with all it had started."""
    append_note(bench.log, f"$ {_masked(' '.join(command.argv))}")
    began = os.path.getsize(bench.log)
    order = host.Launch(command.argv, {**bench.env, **command.env}, command.cwd, bench.log)
    try:
        pid = host.spawn(order, bench.lock)
    except OSError as error:
        return 127, [f"cannot run `{command.argv[0]}`: {error.strerror}"]
    who = host.identity(pid) or host.Identity(pid, "", host.boot_id())  # "": it has ended already
    try:
        code = _wait(who, bench.ends)
    finally:
        _end(who)
    return code, _output_since(bench.log, began)


def append_note(log: str, line: str) -> None:
    """A line of our own in the log of an install."""
    fd = host.open_append(log)
    try:
        os.write(fd, f"{line}\n".encode("utf-8", "backslashreplace"))
    finally:
        os.close(fd)


def _wait(who: host.Identity, ends: float) -> int | None:
    waiter = host.Waiter()
    try:
        if not waiter.watch("install", who):
            return _code(host.exit_of(who))
        while (left := ends - time.monotonic()) > 0:
            if (gone := waiter.wait(left)) and "install" in gone:
                return _code(gone["install"])
        return None
    finally:
        waiter.close()


def _code(ended: host.Exit | None) -> int:
    """How it ended as one number; not known counts as failed: only a 0 that was seen is a success."""
    if ended is None or (ended.code is None and ended.signal is None):
        return 255
    return ended.code if ended.code is not None else 128 + (ended.signal or 0)


def _end(who: host.Identity) -> None:
    """Nothing of it goes on: after a deadline or Ctrl-C, and when it left somebody behind."""
    if host.alive(who) is not False or host.group_lives(who.pid):
        for member in host.family(who, ""):
            host.end(member)


def _output_since(log: str, began: int) -> list[str]:
    size = min(os.path.getsize(log) - began + 1, SAID_BYTES)  # with the line end before it: a tail begins behind one
    return [_masked(line.rstrip()) for line in read_tail(log, size).splitlines() if line.strip()]


def _masked(text: str) -> str:
    """No login of a package index reaches a journal."""
    return _LOGIN.sub(r"\1***@", text)

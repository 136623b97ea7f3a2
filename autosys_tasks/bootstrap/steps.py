"""Commands, each told to a person with its time, under a lock that one run holds."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .stamp import quiet_flags

SPIN_AFTER_S = 1.0
TAIL_LINES = 12
CTRL_C_PATIENCE_S = 5.0

_locks: list[int] = []


class Trouble(Exception):
    """Why there is no environment, and what to do about it: whole lines for a person."""


@contextmanager
def held_lock(path: Path) -> Iterator[None]:
    """Be alone inside, and say so when that takes waiting; the lock is on a file that is there anyway."""
    lock, told = os.open(path, os.O_RDONLY), False
    try:
        while not locked(lock):
            if not told:
                say("another `python tasks.py` is preparing .venv: waiting for it")
            told = True
            time.sleep(0.1)
        _locks.append(lock)
        yield
    finally:
        _locks.clear()
        os.close(lock)


def locked(lock: int) -> bool:
    """Whether the lock is ours now; a file system that has no locks gives it to everybody."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(lock, 1 << 30, os.SEEK_SET)  # past the end: a locked byte cannot be read by others
            msvcrt.locking(lock, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True


def run_step(here: str, what: str, argv: Sequence[str]) -> None:
    """Run one command in `here`, saying what it does and how long it took; Trouble holds its last lines."""
    started = time.monotonic()
    say(f"{what} ...", end="")
    with tempfile.TemporaryFile() as output:
        code = wait(started_child(here, argv, output.fileno()), what, started)
        say(f"{' failed after' if code else ''} {time.monotonic() - started:.1f} s", begin="")
        if code:
            output.seek(0)
            raise Trouble(failure_text(what, output.read().decode("utf-8", "replace")))


def started_child(here: str, argv: Sequence[str], output: int) -> subprocess.Popen[bytes]:
    """The command, with both of its outputs in one file, and the lock in its hand.

    Killed with -9, this process leaves an install that goes on alone; while it does, the lock stays held.
    """
    env = {"PYTHONUTF8": "1", **os.environ}  # pip reads files with Hangul also under code page 949
    kept = () if sys.platform == "win32" else tuple(_locks)
    nothing = subprocess.DEVNULL
    return subprocess.Popen(
        argv, cwd=here, env=env, stdin=nothing, stdout=output, stderr=subprocess.STDOUT, pass_fds=kept,
        creationflags=quiet_flags(),
    )  # fmt: skip


def wait(child: subprocess.Popen[bytes], what: str, started: float) -> int:
    """The child's exit code; on a terminal with a line that turns until then. Ctrl-C ends the child too."""
    try:
        while True:
            try:
                return child.wait(0.1 if sys.stderr.isatty() else None)
            except subprocess.TimeoutExpired:
                turn(what, time.monotonic() - started)
    except KeyboardInterrupt:
        say("", begin="")
        try:
            child.wait(CTRL_C_PATIENCE_S)  # a terminal sent it the same Ctrl-C
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        raise


def turn(what: str, took_s: float) -> None:
    """Show that it still goes on."""
    if took_s > SPIN_AFTER_S:
        say(f"{what} {'|/-'[int(took_s * 5) % 3]} {took_s:.0f} s ...", begin="\rautosys: ", end="")


def failure_text(what: str, output: str) -> str:
    """The end of what a command said, and what to do about it."""
    last = [f"    {line}" for line in output.splitlines() if line.strip()][-TAIL_LINES:]
    hint = (
        "is the package index reachable (network, proxy, settings of pip or uv)? then the same command again"
    )
    return "\n".join([f"{what}: failed, and said last", *last, f"  {hint}"])


def say(text: str, *, begin: str = "autosys: ", end: str = "\n") -> None:
    """A line, or a piece of one, to the person: on stderr, since stdout may be somebody's JSON."""
    if sys.stderr is not None:
        sys.stderr.write(f"{begin}{text}{end}")
        sys.stderr.flush()

"""A program that is run to its end, and ended as one tree when it takes too long or we are interrupted.

`subprocess.run` ends only the program itself at its deadline: what that had started (ssh, a helper, a shell's command)
would live on. And it waits for whoever still holds the program's output, however long ago the program itself has ended.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import selectors
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from autosys_tasks import host

LOOK_EVERY_S = 0.5  # whether it has ended, though somebody else still holds its output
ROUNDS = 50  # each ends all it sees; only what forks faster than it is seen needs another
REST_S = 5.0 if host.PLATFORM == "windows" else 0.2  # there a thread reads what it wrote last, and has to have its turn
PIPE_BYTES = 1 << 20  # no pipe of ours holds more
STARTS_S = 1.0  # for a start that a thread is amid when we end: milliseconds, but on a busy machine
starting: set[object] = set()  # one for each start that is under way: who is not among those that run yet
running: dict[subprocess.Popen[bytes], Callable[[int], None]] = {}  # by what each is ended when we end first


class Ended(NamedTuple):
    """How a program ended."""

    code: int
    out: bytes
    err: bytes


class Late(Exception):
    """It did not end in time, and was ended with all it had started."""


def run(
    argv: Sequence[str], folder: Path | str, env: Mapping[str, str], timeout_s: float, *, given: bytes = b"",
    into: Path | None = None, end: Callable[[int], None] | None = None,
) -> Ended:  # fmt: skip
    """Run `argv` in `folder` to its end and say how it ended, whatever its exit code.

    `given` is its input; its output goes to the file `into`, if one is named. Raises Late after `timeout_s`, OSError
    when it cannot be started. `end`: ends what takes too long, by its pid; without it the whole tree is.
    """
    sink: Any = subprocess.PIPE if into is None else into.open("wb")
    streams = {"stdin": subprocess.PIPE, "stdout": sink, "stderr": subprocess.PIPE}
    try:
        child = start(argv, end or end_tree, cwd=folder, env=env, **streams)
    finally:
        if into is not None:
            sink.close()
    try:
        _give(child, given)
        out, err = _said(child, timeout_s)
    finally:
        if child.poll() is None:  # too late, or Ctrl-C
            running[child](child.pid)
            _rest(child)
        del running[child]
    return Ended(child.returncode, out, err)


def start(argv: Sequence[str], end: Callable[[int], None], **more: Any) -> subprocess.Popen[bytes]:
    """Begin `argv` as a child that `end` ends, by its pid, when we end first; who waits takes it out of `running`."""
    flags: dict[str, Any] = host.spawn_flags()
    mark = object()
    starting.add(mark)
    try:
        child = subprocess.Popen(argv, **flags, **more)
        running[child] = end
    finally:
        starting.discard(mark)
    return child


def _said(child: subprocess.Popen[bytes], timeout_s: float) -> tuple[bytes, bytes]:
    """What it wrote until it ended; raises Late when it has not ended in time."""
    ends = time.monotonic() + timeout_s
    while (left := ends - time.monotonic()) > 0:
        try:
            out, err = child.communicate(timeout=min(left, LOOK_EVERY_S))
            return out or b"", err or b""
        except subprocess.TimeoutExpired:
            if child.poll() is not None:
                break
    if child.poll() is None:
        raise Late
    return _rest(child)


def _give(child: subprocess.Popen[bytes], given: bytes) -> None:
    """Its input, by a thread of its own: `communicate` forgets the rest of it when it is asked again."""
    pipe, child.stdin = child.stdin, None
    assert pipe is not None

    def write() -> None:
        left = memoryview(given)
        with contextlib.suppress(OSError), pipe:  # it may end without having read it all
            while left:
                left = left[os.write(pipe.fileno(), left) :]

    if given:
        threading.Thread(target=write, name="input", daemon=True).start()
    else:
        write()


def _rest(child: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """What it had written when it ended; what somebody else may still write there is not waited for."""
    try:
        out, err = child.communicate(timeout=REST_S)
    except subprocess.TimeoutExpired as late:
        out, err = late.output or b"", late.stderr or b""
        if host.PLATFORM != "windows":  # there a thread of the library reads each, and closes it
            out, err = out + _drained(child.stdout), err + _drained(child.stderr)
    return out or b"", err or b""


def _drained(pipe: IO[bytes] | None) -> bytes:
    """What lies in a pipe, which is closed then: all that its writer left there, however late we come to look."""
    if pipe is None or pipe.closed:
        return b""
    parts: list[bytes] = []
    with contextlib.suppress(OSError), pipe, selectors.DefaultSelector() as looking:
        looking.register(pipe, selectors.EVENT_READ)
        while sum(map(len, parts)) < PIPE_BYTES and looking.select(0) and (part := os.read(pipe.fileno(), PIPE_BYTES)):
            parts.append(part)
    return b"".join(parts)


def end_tree(pid: int) -> None:
    """End a child that was started with `spawn_flags`, its session, and those of its descendants who left it.

    Again until none is left: they may go on starting others.
    """
    leader = host.identity(pid)
    known = {leader} if leader else set()
    for _ in range(ROUNDS):  # seen before the leader dies: what left its session has no tie to it afterwards
        members = {member for who in known for member in host.family(who, "")}
        host.end_group(pid)
        for member in members:
            host.end(member)
        if not members:
            return
        known |= members


@atexit.register
def _end_all() -> None:
    """Nobody waits for these any more: we end while a thread that was left behind still runs, or starts, them."""
    until = time.monotonic() + STARTS_S
    while starting and time.monotonic() < until:
        time.sleep(0.001)
    for child, end in list(running.items()):
        if child.poll() is None:
            end(child.pid)

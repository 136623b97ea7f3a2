"""Probes by running a command: exit code 0 is OK. Processes that it leaves in its session are killed."""

from __future__ import annotations

import errno
import os
import subprocess
import threading
import time

from autosys_tasks import host
from autosys_tasks.core.files import decode
from autosys_tasks.core.probe import Probe
from autosys_tasks.core.verdict import NG, OK
from autosys_tasks.host.child import end_tree, running, start
from autosys_tasks.probes.values import Answer, Subject, quote

TAIL_BYTES = 4096
POLL_S = 0.05
DRAIN_S = 1.0  # for the thread that reads the output: it may run late on a busy machine


def ask_command(probe: Probe, subject: Subject) -> Answer:
    """Whether the command exits with 0 within `timeout_s`; at its end the whole tree is killed."""
    if not probe.argv:
        return Answer(NG, "not run", "the command is empty")
    try:
        child = _start(probe.argv, subject)
    except (FileNotFoundError, NotADirectoryError, PermissionError, ValueError) as error:
        absent = isinstance(error, FileNotFoundError | NotADirectoryError)
        return Answer(NG, "not run", _cannot_run(probe.argv[0], subject, error), absent=absent)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        return Answer(NG, "not run", f"cannot run `{quote(probe.argv[0], subject)}`: not a program")
    code, last_line = _wait_for_end(child, probe.timeout_s)
    said = f": {line}" if (line := quote(last_line, subject)) else ""
    if code is None:
        return Answer(NG, "killed", f"timed out after {probe.timeout_s:g} s{said}")
    if code:
        how = f"exit {code}" if code > 0 else f"ended by signal {-code}"
        return Answer(NG, how, f"{how}{said}")
    return Answer(OK, "exit 0")


def _environ(subject: Subject) -> dict[str, str]:
    env = os.environ if subject.env is None else subject.env
    return {key: value for key, value in env.items() if key != "AUTOSYS_FAULT"}


def _start(argv: tuple[str, ...], subject: Subject) -> subprocess.Popen[bytes]:
    env, cwd = _environ(subject), subject.cwd or os.getcwd()
    return start(
        [host.program(argv[0], env.get("PATH", ""), cwd) or argv[0], *argv[1:]],
        host.end_group,
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        close_fds=True,
    )


def _cannot_run(word: str, subject: Subject, error: Exception) -> str:
    if isinstance(error, PermissionError):
        reason = "no right to run it"
    elif isinstance(error, ValueError):
        reason = "its words hold a character that no command can"
    elif subject.cwd and not os.path.isdir(subject.cwd):
        reason = f"the folder `{subject.cwd}` is missing"
    elif host.program(word, _environ(subject).get("PATH", ""), subject.cwd):
        reason = "the interpreter that its first line names is missing"
    else:
        reason = "not found"
    return f"cannot run `{quote(word, subject)}`: {reason}"


class _OutputReader:
    """Reads a command's output in a thread and keeps its end: much output neither blocks it nor fills memory."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._tail = b""
        self._thread = threading.Thread(target=self._read_output, args=(child,), daemon=True)
        self._thread.start()

    def _read_output(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        with child.stdout as pipe:
            while part := os.read(pipe.fileno(), 65536):
                self._tail = (self._tail + part)[-TAIL_BYTES:]

    def has_ended(self, within_s: float) -> bool:
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def last_line(self) -> str:
        lines = decode(self._tail).split("\n")
        return next((line for line in reversed(lines) if line.strip()), "")


def _wait_for_end(child: subprocess.Popen[bytes], timeout_s: float) -> tuple[int | None, str]:
    """Its exit code (None: it was killed at the deadline) and its last line."""
    output = _OutputReader(child)
    try:
        code = _wait_for_exit(child, output, time.monotonic() + timeout_s)
        if code is not None and not output.has_ended(POLL_S):
            host.end_group(child.pid)  # it ended, and left a process that holds its output
            output.has_ended(DRAIN_S)
        elif code is None:
            _end_tree(child)
            output.has_ended(DRAIN_S)
    finally:
        if child.poll() is None:
            _end_tree(child)
        running.pop(child, None)
    return code, output.last_line()


def _wait_for_exit(child: subprocess.Popen[bytes], output: _OutputReader, deadline: float) -> int | None:
    """The exit code; None at the deadline. Nearly always its output closes when it ends, which wakes us at once."""
    while (seconds := deadline - time.monotonic()) > 0:
        if output.has_ended(min(POLL_S, seconds)):
            return _exit_code_by(child, deadline)
        if (code := child.poll()) is not None:
            return code
    return child.poll()


def _exit_code_by(child: subprocess.Popen[bytes], deadline: float) -> int | None:
    try:
        return child.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return None


def _end_tree(child: subprocess.Popen[bytes]) -> None:
    end_tree(child.pid)
    child.wait()

"""What Linux and macOS share: flock, sessions, signals, append-only logs, a FIFO to wake the guard."""

# ruff: noqa: E402
from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pwd
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

assert sys.platform != "win32"  # there the type checker reads no further

from autosys_tasks.host.types import Exit, Launch

NICE = {"idle": 19, "low": 10, "high": -5}
LOCK_WAIT_S, LOOKERS_S = 0.05, 2.0


class Lock:
    """A lock that can be handed to a child: who holds the descriptor, or a copy of it, holds the lock."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def release(self) -> None:
        """Let go of our copy. A child that was given the lock keeps it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def take_lock(path: str, *, wait_s: float = LOCK_WAIT_S) -> Lock | None:
    """The lock, or None when somebody holds it. A look at the lock lasts microseconds: it is waited out."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    began = time.monotonic()
    while True:
        if not _got(fd, fcntl.LOCK_EX):
            waited = time.monotonic() - began
            if waited > wait_s and (waited > wait_s + LOOKERS_S or not _only_looked_at(fd)):
                os.close(fd)
                return None
            time.sleep(0.001)
            continue
        if _still_at(fd, path):
            return Lock(fd)
        os.close(fd)  # the file was replaced while we waited: that lock protects nothing
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _got(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        os.close(fd)
        raise
    return True


def _only_looked_at(fd: int) -> bool:
    """Whether those in our way only look: they share the lock with us, a holder does not."""
    if not _got(fd, fcntl.LOCK_SH):
        return False
    fcntl.flock(fd, fcntl.LOCK_UN)
    return True


def _still_at(fd: int, path: str) -> bool:
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    here = os.fstat(fd)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def lock_held(path: str) -> bool:
    """Whether anybody holds the lock now; looking takes nothing away from its holder."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    held = not _got(fd, fcntl.LOCK_SH)
    os.close(fd)
    return held


def spawn(order: Launch, lock: Lock | None) -> int:
    """Start a process in its own session with its log as both outputs, holding `lock`; returns its pid.

    Raises FileNotFoundError or PermissionError for a program that cannot be run.
    """
    log = open_append(order.log)
    try:
        child = subprocess.Popen(
            order.argv,
            env=dict(order.env),
            cwd=order.cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=() if lock is None else (lock.fd,),
        )
    finally:
        os.close(log)
    child.returncode = 0  # we watch it by its identity; Popen must not reap it behind our back
    _be_nice(child.pid, order.priority)
    return child.pid


def _be_nice(pid: int, priority: str) -> None:
    if priority in NICE:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # "high" needs a right most users lack
            os.setpriority(os.PRIO_PGRP, pid, NICE[priority])


def open_append(path: str) -> int:
    """A descriptor that always appends, so that several writers and a rotation lose nothing."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o644)
    except FileNotFoundError:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, 0o644)


def open_read(path: str) -> int:
    """A descriptor that reads a file and keeps nobody from renaming or removing it; never a link's or a pipe's."""
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def program(name: str, path: str, cwd: str) -> str | None:
    """The file that `name` would run with this PATH from this folder, or None."""
    folders = [""] if os.sep in name else (path or os.defpath).split(os.pathsep)
    for folder in folders:
        found = os.path.join(cwd, folder, name)
        try:
            mode = os.stat(found).st_mode
        except (OSError, ValueError):
            continue
        if stat.S_ISREG(mode) and os.access(found, os.X_OK):
            return found
    return None


def python_in(venv: str) -> str:
    """The interpreter of a virtual environment."""
    return f"{venv}/bin/python"


def own_python() -> str:
    """The interpreter that runs this, as a console program."""
    return sys.executable


def background_python() -> str:
    """The interpreter that runs this, as what is started without a console is to be run."""
    return sys.executable


def bin_folder(environment: str) -> str:
    """Where an environment keeps its programs."""
    return f"{environment}/bin"


def point_to(link: str, folder: str) -> None:
    """Make `link` lead to `folder`, in one step when it is there already."""
    scratch = f"{link}.{os.getpid()}.tmp"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(scratch)
    os.symlink(os.path.relpath(folder, os.path.dirname(link)), scratch, target_is_directory=True)
    os.replace(scratch, link)


def pointed(link: str) -> str | None:
    """The folder that a link of ours leads to, there or not; None when it is no link."""
    if not os.path.islink(link):
        return None
    return os.path.normpath(os.path.join(os.path.dirname(link), os.readlink(link)))


def unpoint(link: str) -> None:
    """Take a link of ours away; what it leads to stays."""
    os.unlink(link)


def group_lives(pid: int) -> bool:
    """Whether the process group that `pid` led still has a member: one system call, no scan."""
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def exit_from_wait(status: int) -> Exit:
    """How a process ended, out of what `wait` says of it."""
    code = os.waitstatus_to_exitcode(status)
    return Exit(code=code) if code >= 0 else Exit(signal=-code)


def user_name(number: int | None = None) -> str:
    """The name this user, or the one with that number, logs in with."""
    number = os.getuid() if number is None else number
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def user_id() -> str:
    """What names this user for ever: the number; a name may change."""
    return str(os.getuid())


class Bell:
    """A FIFO beside the state: whoever changes what is wanted rings it, and the guard looks at once."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            os.mkfifo(path, 0o600)
        except FileExistsError:
            if not stat.S_ISFIFO(os.stat(path).st_mode):
                os.unlink(path)
                os.mkfifo(path, 0o600)
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def rung(self) -> bool:
        """Whether it has been rung since the last time it was asked."""
        with contextlib.suppress(BlockingIOError):
            return bool(os.read(self.fd, 65536))
        return False

    def close(self) -> None:
        """Stop listening."""
        os.close(self.fd)


def ring(path: str) -> None:
    """Wake whoever listens; nobody there is fine."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            with contextlib.suppress(OSError):
                os.write(fd, b"!")
    finally:
        os.close(fd)


def become(argv: tuple[str, ...], env: Mapping[str, str], lock: Lock | None = None) -> int:
    """Turn this very process into `argv`, lock and all; returns (its exit code) only where the OS cannot do that."""
    if lock is not None:
        os.set_inheritable(lock.fd, True)
    os.execve(argv[0], list(argv), dict(env))


def spawn_flags() -> dict[str, object]:
    """What a short-lived child needs so that it can be ended as one tree."""
    return {"start_new_session": True}


def wait_unreaped(pid: int) -> bool:
    """Wait until our child `pid` has ended, and leave it to be reaped: its number is nobody else's until then.

    False at once where the OS cannot do that.
    """
    if sys.platform != "darwin":
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return sys.platform != "darwin"


def end_group(pid: int) -> None:
    """Kill the whole group of a child that was started with `spawn_flags`."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def on_polite_stop(action: Callable[[], None], by_hand: Callable[[], None] | None = None) -> None:
    """Call `action` when this process is asked to end; for a Ctrl-C call `by_hand`, where that is given."""

    def stop(number: int, _frame: object) -> None:
        (by_hand if by_hand and number == signal.SIGINT else action)()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)

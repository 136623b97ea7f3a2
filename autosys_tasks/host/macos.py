"""macOS: identity from the kernel's process table, waiting on kqueue. psutil only where a scan needs it."""

# ruff: noqa: E402
from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

assert sys.platform == "darwin"  # elsewhere the type checker reads no further

from autosys_tasks.host.macos_kinfo import Kinfo, kinfo, kinfos
from autosys_tasks.host.posix import Bell, exit_from_wait
from autosys_tasks.host.types import Exit, Identity, Marked, Process, descendants

CTL_KERN, KERN_PROC, KERN_PROC_ALL, KERN_PROC_PID = 1, 14, 0, 1
NOTE_EXITSTATUS = 0x04000000  # <sys/event.h>: the wait status, for a child or whom we may signal
_libc = ctypes.CDLL(None, use_errno=True)


def state_home() -> Path:
    """Where programs keep what belongs to this machine and this user."""
    return Path.home() / "Library" / "Application Support"


def _sysctl(*name: int) -> bytes:
    mib = (ctypes.c_int * len(name))(*name)
    size = ctypes.c_size_t()
    while True:
        if _libc.sysctl(mib, len(name), None, ctypes.byref(size), None, 0) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        size.value += size.value // 8 + 1024  # the table may grow until the second call
        buffer = ctypes.create_string_buffer(size.value)
        if _libc.sysctl(mib, len(name), buffer, ctypes.byref(size), None, 0) == 0:
            return buffer.raw[: size.value]
        if ctypes.get_errno() != errno.ENOMEM:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def boot_id() -> str:
    """Which run of the kernel this is; pids of another one mean nothing."""
    size = ctypes.c_size_t(64)
    buffer = ctypes.create_string_buffer(64)
    if _libc.sysctlbyname(b"kern.bootsessionuuid", buffer, ctypes.byref(size), None, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return buffer.value.decode("ascii")


def boot_clock() -> float:
    """Seconds since the machine started, sleep included: no clock setting moves it.

    The raw clock is mach_continuous_time; CLOCK_MONOTONIC is adjusted, CLOCK_UPTIME_RAW stops in sleep.
    """
    return time.clock_gettime(time.CLOCK_MONOTONIC_RAW)


def _entry(pid: int) -> Kinfo | None:
    """The living process `pid`, or None."""
    if pid <= 0:
        return None
    found = kinfo(_sysctl(CTL_KERN, KERN_PROC, KERN_PROC_PID, pid))
    return None if found is None or found.pid != pid or found.zombie else found


def identity(pid: int) -> Identity | None:
    """Who `pid` is now; None when nobody, or dead and not yet reaped."""
    found = _entry(pid)
    return None if found is None else Identity(pid, found.token, boot_id())


def alive(who: Identity) -> bool | None:
    """Whether that very process lives; None when it cannot be known."""
    try:
        found = _entry(who.pid)
        return found is not None and found.token == who.token and who.boot == boot_id()
    except OSError:
        return None


def signal_to(who: Identity, number: int) -> bool:
    """Send a signal to that very process, looked at in the instant before (there is no pidfd here)."""
    if alive(who) is not True:
        return False
    try:
        os.kill(who.pid, number)
    except ProcessLookupError:
        return False
    return True


def ask_to_end(who: Identity) -> bool:
    """The OS's polite request to end; False when that process is gone."""
    return signal_to(who, signal.SIGTERM)


def end(who: Identity) -> bool:
    """End that very process at once; False when it is gone already."""
    return signal_to(who, signal.SIGKILL)


def _table() -> dict[int, Kinfo]:
    """The living processes, by pid."""
    table = kinfos(_sysctl(CTL_KERN, KERN_PROC, KERN_PROC_ALL, 0))
    return {entry.pid: entry for entry in table if entry.pid > 0 and not entry.zombie}


def _environ(pid: int) -> dict[str, str]:
    import psutil  # 20 ms that only a scan needs

    try:
        return psutil.Process(pid).environ()
    except (psutil.Error, OSError):
        return {}  # another's, or a system program whose environment the kernel hides


def marked(state: str = "") -> list[Marked]:
    """Every live process whose environment says that we started it (for one state folder, or for any)."""
    boot, found = boot_id(), []
    for entry in _mine():
        env = _environ(entry.pid)
        folder = env.get("AUTOSYS_STATE", "")
        if "AUTOSYS_INSTANCE" in env and state in ("", folder):
            who = Identity(entry.pid, entry.token, boot)
            found.append(Marked(who, env.get("AUTOSYS_SERVICE", ""), env["AUTOSYS_INSTANCE"], folder))
    return found


def _mine() -> Iterator[Kinfo]:
    user = os.getuid()
    return (entry for _pid, entry in sorted(_table().items()) if entry.user == user)


def family(leader: Identity, instance: str) -> list[Identity]:
    """The leader and all that it brought: descendants, its session and group, and whoever bears its instance.

    Works also when the leader is gone. A session number counts only in its own boot, and while no
    stranger bears that pid. A descendant that bears another instance is left out, with all below it: what the
    guard starts is no part of the guard.
    """
    boot, table = boot_id(), _table()
    at_pid = table.get(leader.pid)
    ours = leader.boot == boot and (at_pid is None or at_pid.token == leader.token)
    members = {
        pid
        for pid, entry in table.items()
        if (ours and leader.pid in (entry.group, _session(pid)))
        or (instance and entry.user == os.getuid() and _environ(pid).get("AUTOSYS_INSTANCE") == instance)
    }

    def children(of: set[int]) -> set[int]:
        return {pid for pid, entry in table.items() if entry.parent in of}

    def foreign(pid: int) -> bool:
        return bool(instance) and _environ(pid).get("AUTOSYS_INSTANCE", instance) != instance

    members = descendants(members, children, foreign) - {os.getpid()}
    return [Identity(pid, table[pid].token, boot) for pid in sorted(members)]


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return 0


def processes() -> list[Process]:
    """This user's processes, with what they were started as and where they stand."""
    import psutil

    boot, rows = boot_id(), []
    for entry in _mine():
        try:
            one = psutil.Process(entry.pid)
            argv, cwd = tuple(one.cmdline()), one.cwd()
        except (psutil.Error, OSError):
            continue
        rows.append(Process(Identity(entry.pid, entry.token, boot), entry.parent, argv, cwd))
    return rows


def memory_of(pids: list[int]) -> int:
    """Resident bytes of these processes together."""
    import psutil

    total = 0
    for pid in pids:
        with contextlib.suppress(psutil.Error, OSError):
            total += psutil.Process(pid).memory_info().rss
    return total


def started_wall(who: Identity) -> float:
    """When that process started, in seconds since 1970 by the clock of that moment."""
    return float(who.token)


def port_owner(port: int) -> tuple[int | None, str] | None:
    """(pid, name) of who listens on a TCP port of this machine; pid None = not ours to see; None = nobody."""
    import psutil

    for pid, ports in listeners().items():
        if port in ports:
            with contextlib.suppress(psutil.Error):
                return pid, psutil.Process(pid).name()
    return (None, "another user's process") if _answers(port) else None


def listeners() -> dict[int, set[int]]:
    """pid -> the TCP ports on which it listens, of this user's processes."""
    import psutil

    found: dict[int, set[int]] = {}
    for entry in _mine():
        with contextlib.suppress(psutil.Error, OSError):
            for connection in psutil.Process(entry.pid).net_connections(kind="tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    found.setdefault(entry.pid, set()).add(connection.laddr.port)
    return found


def _answers(port: int) -> bool:
    """Whether somebody accepts: the kernel shows sockets of other users to root alone."""
    import socket

    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5):
            return True
    except OSError:
        return False


def lock_holders(path: str) -> list[Identity]:
    """Who has the lock file open; asks every process of this user, which takes a while."""
    import psutil

    real, boot, found = os.path.realpath(path), boot_id(), []
    for entry in _mine():
        if entry.pid == os.getpid():
            continue
        with contextlib.suppress(psutil.Error, OSError):
            if any(os.path.realpath(file.path) == real for file in psutil.Process(entry.pid).open_files()):
                found.append(Identity(entry.pid, entry.token, boot))
    return found


def exit_of(who: Identity) -> Exit | None:
    """How it ended, asked of the kernel as its parent; None = not known."""
    found = kinfo(_sysctl(CTL_KERN, KERN_PROC, KERN_PROC_PID, who.pid)) if who.pid > 0 else None
    if found is not None and who.token != "" and found.token != who.token:
        return None  # a recycled pid may be a child of ours too: its exit is not for this question
    try:
        pid, status = os.waitpid(who.pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return exit_from_wait(status) if pid == who.pid else None


class Waiter:
    """Sleeps until a watched process dies, a bell rings, somebody calls `wake`, or the time is up."""

    def __init__(self) -> None:
        self._queue = select.kqueue()
        self._ear, self._mouth = os.pipe()
        self._lock = threading.RLock()  # a signal handler may come while it is held
        self._closed = False
        os.set_blocking(self._ear, False)
        os.set_blocking(self._mouth, False)
        self._watched: dict[str, Identity] = {}
        self._register(select.kevent(self._ear, select.KQ_FILTER_READ, select.KQ_EV_ADD))

    def _register(self, event: select.kevent) -> None:
        self._queue.control([event], 0, 0)

    def watch(self, key: str, who: Identity) -> bool:
        """Begin to watch; False when that process is dead already. Asking again does nothing."""
        if key in self._watched:
            if self._watched[key] == who:
                return True
            self.forget(key)
        if who.pid <= 0:
            return False
        flags = select.KQ_NOTE_EXIT | NOTE_EXITSTATUS
        try:  # one entry of the queue for each pid, however many keys: adding it again changes nothing
            self._register(select.kevent(who.pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD, flags))
        except ProcessLookupError:
            return False
        self._watched[key] = who
        if alive(who) is not True:
            self.forget(key)
            return False
        return True

    def forget(self, key: str) -> None:
        """Stop watching."""
        who = self._watched.pop(key, None)
        if who is None or any(other.pid == who.pid for other in self._watched.values()):
            return
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # its event has come in already
            self._register(select.kevent(who.pid, select.KQ_FILTER_PROC, select.KQ_EV_DELETE))

    def listen(self, bell: Bell) -> None:
        """Let a ring end the sleep too (until `bell.rung()` has been asked)."""
        self._register(select.kevent(bell.fd, select.KQ_FILTER_READ, select.KQ_EV_ADD))

    def wake(self) -> None:
        """End the sleep from another thread or a signal handler; later than `close` it does nothing."""
        with self._lock, contextlib.suppress(BlockingIOError):
            if not self._closed:
                os.write(self._mouth, b"!")

    def wait(self, timeout_s: float | None) -> dict[str, Exit | None]:
        """Those that died, by key, and how (None = nobody can know); empty when something else woke us."""
        try:
            events = self._queue.control(None, 64, None if timeout_s is None else max(0.0, timeout_s))
        except InterruptedError:
            return {}
        dead: dict[str, Exit | None] = {}
        for event in events:
            if event.filter == select.KQ_FILTER_PROC:
                dead.update(self._ended(event))
            elif event.ident == self._ear:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._ear, 65536)
        return dead

    def _ended(self, event: select.kevent) -> dict[str, Exit | None]:
        keys = {key: who for key, who in self._watched.items() if who.pid == event.ident}
        told = exit_from_wait(event.data & 0xFFFF) if event.fflags & NOTE_EXITSTATUS else None
        for who in keys.values():
            told = exit_of(who) or told  # as its parent we also reap it
            break
        for key in keys:
            del self._watched[key]
        return dict.fromkeys(keys, told)

    def close(self) -> None:
        """Let go of everything."""
        self._watched.clear()
        self._queue.close()
        os.close(self._ear)
        with self._lock:  # whatever gets this number next is not ours to write to
            self._closed = True
            os.close(self._mouth)


def fork(_work: Callable[[], object]) -> int | None:
    """A copy of this process that does `work`: no safe thing here, once a framework of the system's is in use."""
    return None


def keep_freed_memory() -> None:
    """Nothing: this OS's allocator does that unasked."""


def cut_head(fd: int, size: int) -> int:
    """0: this OS cannot take the head out of a file that is being written."""
    return 0

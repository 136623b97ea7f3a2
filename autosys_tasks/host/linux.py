"""Linux: processes, ports and identity from /proc. No psutil here: its import costs more than a whole look."""

# ruff: noqa: E402
from __future__ import annotations

import contextlib
import errno
import functools
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NoReturn

assert sys.platform == "linux"  # elsewhere the type checker reads no further

from autosys_tasks.core.files import read_file
from autosys_tasks.host import posix
from autosys_tasks.host.types import Identity, Marked, Process, descendants

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h; 32 MiB is the most that the second takes
COLLAPSE_RANGE = 0x08
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
POLITE = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def state_home() -> Path:
    """Where programs keep what belongs to this machine and this user."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")


@functools.cache
def boot_id() -> str:
    """Which run of the kernel this is; pids of another one mean nothing."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def boot_clock() -> float:
    """Seconds since the machine started, sleep included: no clock setting moves it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def stat_of(pid: int) -> list[bytes] | None:
    """Fields of /proc/PID/stat from `state` on (index 0 = field 3); None when there is no such process."""
    try:
        return read_file(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def group_lives(pid: int) -> bool:
    """Whether the process group that `pid` led still has a living member.

    The signal alone would count a dead leader that nobody has reaped yet: for 70 us more, each process is
    asked for its group, and only members are read.
    """
    if not posix.group_lives(pid):
        return False
    return any(_group(other) == pid and identity(other) is not None for other in _pids())


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return -1


def pidfd_of(pid: int) -> int | None:
    """A pidfd, or None when that is nobody, or the number of a thread (/proc shows those too)."""
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        if error.errno in (errno.ESRCH, errno.EINVAL, errno.ENOENT):
            return None
        raise


def identity(pid: int) -> Identity | None:
    """Who `pid` is now; None when nobody, or dead and not yet reaped."""
    fd = pidfd_of(pid)
    if fd is None:
        return None
    os.close(fd)
    fields = stat_of(pid)
    if fields is None or fields[0] in (b"Z", b"X"):
        return None
    return Identity(pid, fields[19].decode(), boot_id())


def alive(who: Identity) -> bool | None:
    """Whether that very process lives; None when it cannot be known."""
    try:
        fields = stat_of(who.pid)
        if fields is None or fields[0] in (b"Z", b"X"):
            return False
        return fields[19].decode() == who.token and who.boot == boot_id()
    except OSError:
        return None


def signal_to(who: Identity, number: int) -> bool:
    """Send a signal to that very process: the pidfd is opened first, then checked, so no stranger is hit."""
    fd = pidfd_of(who.pid)
    if fd is None:
        return False
    try:
        if alive(who) is not True:
            return False
        signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)
    return True


def ask_to_end(who: Identity) -> bool:
    """The OS's polite request to end; False when that process is gone."""
    return signal_to(who, signal.SIGTERM)


def end(who: Identity) -> bool:
    """End that very process at once; False when it is gone already."""
    return signal_to(who, signal.SIGKILL)


def _pids() -> Iterator[int]:
    for name in os.listdir("/proc"):
        if name.isdigit():
            yield int(name)


def _environ(pid: int) -> dict[bytes, bytes]:
    try:
        raw = read_file(f"/proc/{pid}/environ")
    except OSError:
        return {}
    if b"AUTOSYS_INSTANCE=" not in raw:
        return {}
    return dict(pair.partition(b"=")[::2] for pair in raw.split(b"\0") if b"=" in pair)


def marked(state: str = "") -> list[Marked]:
    """Every live process whose environment says that we started it (for one state folder, or for any)."""
    found = []
    for pid in _pids():
        env = _environ(pid)
        if not env or (state and os.fsdecode(env.get(b"AUTOSYS_STATE", b"")) != state):
            continue
        who = identity(pid)
        if who is not None:
            service, instance, folder = (
                os.fsdecode(env.get(key, b""))
                for key in (b"AUTOSYS_SERVICE", b"AUTOSYS_INSTANCE", b"AUTOSYS_STATE")
            )
            found.append(Marked(who, service, instance, folder))
    return found


def family(leader: Identity, instance: str) -> list[Identity]:
    """The leader and all that it brought: descendants, its session and group, and whoever bears its instance.

    Works also when the leader is gone. A session number counts only in its own boot, and while no
    stranger bears that pid. A descendant that bears another instance is left out, with all below it: what the
    guard starts is no part of the guard.
    """
    boot = boot_id()
    rows: dict[int, list[bytes]] = {}
    for pid in _pids():
        fields = stat_of(pid)
        if fields is not None and fields[0] not in (b"Z", b"X"):
            rows[pid] = fields
    at_pid = rows.get(leader.pid)
    session_is_ours = leader.boot == boot and (at_pid is None or at_pid[19].decode() == leader.token)
    wanted = str(leader.pid).encode()
    members = set()
    for pid, fields in rows.items():
        in_session = session_is_ours and wanted in (fields[2], fields[3])
        if in_session or (instance and _environ(pid).get(b"AUTOSYS_INSTANCE") == instance.encode()):
            members.add(pid)

    def children(of: set[int]) -> set[int]:
        return {pid for pid, fields in rows.items() if int(fields[1]) in of}

    def foreign(pid: int) -> bool:
        return bool(instance) and _environ(pid).get(b"AUTOSYS_INSTANCE", instance.encode()) != instance.encode()

    members = descendants(members, children, foreign) - {os.getpid()}
    return [Identity(pid, rows[pid][19].decode(), boot) for pid in sorted(members)]


def processes() -> list[Process]:
    """This user's processes, with what they were started as and where they stand."""
    boot, mine, table = boot_id(), os.getuid(), []
    for pid in _pids():
        fields = stat_of(pid)
        if fields is None or fields[0] in (b"Z", b"X"):
            continue
        try:
            if os.stat(f"/proc/{pid}").st_uid != mine:
                continue
            argv = tuple(os.fsdecode(part) for part in read_file(f"/proc/{pid}/cmdline").split(b"\0")[:-1])
            cwd = os.readlink(f"/proc/{pid}/cwd")
        except OSError:
            continue
        table.append(Process(Identity(pid, fields[19].decode(), boot), int(fields[1]), argv, cwd))
    return table


def memory_of(pids: list[int]) -> int:
    """Resident bytes of these processes together."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += int(read_file(f"/proc/{pid}/statm").split()[1]) * PAGE
    return total


def started_wall(who: Identity) -> float:
    """When that process started, in seconds since 1970 by today's clock."""
    return time.time() - boot_clock() + int(who.token) / TICKS


def port_owner(port: int) -> tuple[int | None, str] | None:
    """(pid, name) of who listens on a TCP port of this machine; pid None = not ours to see; None = nobody."""
    if (user := dict(_listening().values()).get(port)) is None:
        return None
    for pid, ports in listeners().items():
        if port in ports:
            with contextlib.suppress(OSError):
                return pid, read_file(f"/proc/{pid}/comm").decode("utf-8", "replace").strip()
    return None, f"a process of {posix.user_name(user)}"


def listeners() -> dict[int, set[int]]:
    """pid -> the TCP ports on which it listens, of the processes whose descriptors we may see."""
    sockets, found = _listening(), dict[int, set[int]]()
    for pid in _pids():
        for link in _links(pid):
            if link in sockets:
                found.setdefault(pid, set()).add(sockets[link][0])
    return found


def _links(pid: int) -> Iterator[str]:
    """What the descriptors of a process point at; one that closes meanwhile hides none of the others."""
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                yield os.readlink(f"/proc/{pid}/fd/{name}")


def _listening() -> dict[str, tuple[int, int]]:
    """The sockets that listen, as descriptors show them: the port of each, and the number of its user."""
    sockets = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in read_file(table).splitlines()[1:]:
                fields = line.split()
                if fields[3] == b"0A":
                    sockets[f"socket:[{fields[9].decode()}]"] = int(fields[1].rpartition(b":")[2], 16), int(fields[7])
    return sockets


def lock_holders(path: str) -> list[Identity]:
    """Who has the lock file open: found by descriptor, since the kernel's lock table names the starter."""
    real, found = os.path.realpath(path), []
    for pid in _pids():
        if pid == os.getpid():
            continue
        if real in _links(pid):
            who = identity(pid)
            if who is not None:
                found.append(who)
    return found


def fork(work: Callable[[], object]) -> int | None:
    """The pid of a copy of this process, which does `work`, takes no Ctrl-C and ends with 0, or 1 when that raised.

    None where that cannot be: there is no room for one, or another thread might hold what the copy would wait for.
    """
    if len(os.listdir("/proc/self/task")) > 1:
        return None
    before = signal.pthread_sigmask(signal.SIG_BLOCK, POLITE)
    try:
        pid = os.fork()
    except OSError:
        pid = None
    if pid == 0:
        _do_and_end(work, before)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def _do_and_end(work: Callable[[], object], mask: Iterable[int]) -> NoReturn:
    """What was begun before the copy was made is not its own to end: no `finally` of it runs."""
    code = 1
    try:
        for number in POLITE:
            signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        work()
        code = 0
    finally:
        os._exit(code)


def keep_freed_memory() -> None:
    """What this process frees is kept for what it needs next, and not given back to the kernel after each megabyte.

    For work that takes a gigabyte piece by piece: the kernel clears each page that it gives, which takes as long as
    inflating what is in it. Another C library than glibc is left as it is.
    """
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, 32 << 20)
        mallopt(M_TRIM_THRESHOLD, 1 << 30)


def cut_head(fd: int, size: int) -> int:
    """Take the first whole blocks out of an open file, at most `size` bytes, in one step; how many went, or 0.

    The kernel does this under the file's own lock, so a writer that appends at that moment loses nothing.
    """
    block = os.fstatvfs(fd).f_bsize
    size -= size % block
    if size <= 0:
        return 0
    import ctypes  # a megabyte and 2 ms that only a rotation needs

    libc = ctypes.CDLL(None, use_errno=True)
    offset = ctypes.c_int64
    if libc.fallocate(fd, COLLAPSE_RANGE, offset(0), offset(size)) == 0:
        return size
    if ctypes.get_errno() not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return 0

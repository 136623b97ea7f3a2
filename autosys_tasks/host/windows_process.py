"""Windows: who a process is, who belongs to it, and how it is ended. psutil only where a scan needs it."""

# ruff: noqa: E402
from __future__ import annotations

import contextlib
import os
import subprocess
import sys

assert sys.platform == "win32"  # elsewhere the type checker reads no further

from autosys_tasks.host import win32
from autosys_tasks.host.types import Identity, Marked, Process, descendants

ENDED_BY_US = 137  # the exit code of who was ended at once, as a shell elsewhere shows signal 9
EPOCH = 116444736000000000  # 1970 in 100 ns since 1601
BREAK = """
import ctypes, sys
kernel32 = ctypes.WinDLL("kernel32")
kernel32.FreeConsole()
there = kernel32.AttachConsole(int(sys.argv[1]))
sys.exit(0 if there and kernel32.GenerateConsoleCtrlEvent(1, int(sys.argv[1])) else 1)
"""


def boot_id() -> str:
    """Which run of the kernel this is; pids of another one mean nothing.

    Not the registry's BootId: a Windows without prefetching has none.
    """
    return str(win32.boot_time())


def boot_clock() -> float:
    """Seconds since the machine started, sleep and hibernation included: no clock setting moves it."""
    return win32.GetTickCount64() / 1000


def identity(pid: int) -> Identity | None:
    """Who `pid` is now; None when nobody, dead (though somebody holds a handle of it), or not ours to see."""
    try:
        with win32.process(pid) as handle:
            if handle is None or win32.ended(handle):
                return None
            return Identity(pid, win32.started(handle), boot_id())
    except PermissionError:
        return None


def is_it(handle: int, who: Identity) -> bool:
    """Whether this handle is that very process, alive; while it is open, the pid can be nobody else's."""
    return win32.started(handle) == who.token and who.boot == boot_id() and not win32.ended(handle)


def alive(who: Identity) -> bool | None:
    """Whether that very process lives; None when it cannot be known."""
    try:
        with win32.process(who.pid) as handle:
            return handle is not None and is_it(handle, who)
    except OSError:
        return None


def end(who: Identity) -> bool:
    """End that very process at once; False when it is gone already. May raise PermissionError."""
    with win32.process(who.pid, win32.PROCESS_TERMINATE) as handle:
        if handle is None or not is_it(handle, who):
            return False
        if not win32.TerminateProcess(handle, ENDED_BY_US):
            if win32.ended(handle):
                return False
            raise win32.error()
        return True


def stop_event(who: Identity) -> str:
    """The name of the event by which a process that called `on_polite_stop` is asked to end."""
    return f"Local\\autosys-stop-{who.pid}-{who.token}"


def ask_to_end(who: Identity) -> bool:
    """Ask by its own event, else by Ctrl-Break in its console; False when it is gone or has neither."""
    try:
        with win32.process(who.pid) as handle:  # held all the while: the pid cannot become another's
            if handle is None or not is_it(handle, who):
                return False
            event = win32.OpenEvent(win32.EVENT_MODIFY_STATE, False, stop_event(who))
            if event:
                done = win32.SetEvent(event)
                win32.CloseHandle(event)
                return bool(done)
            return _break(who.pid)
    except PermissionError:
        return False


def _break(pid: int) -> bool:
    """Ctrl-Break reaches only who shares the sender's console, so another process goes there to send it.

    Never os.kill: on Python 3.11 it ends the target when no console is shared.
    """
    python = getattr(sys, "_base_executable", sys.executable)
    try:
        sent = subprocess.run(
            [python, "-I", "-S", "-c", BREAK, str(pid)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            creationflags=subprocess.CREATE_NO_WINDOW,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return sent.returncode == 0


def job_name(instance: str) -> str:
    """The name of the job that one instance of a service lives in."""
    return f"Local\\autosys-job-{instance}"


def _environ(pid: int) -> dict[str, str]:
    import psutil  # 30 ms that only a scan needs

    try:
        return dict(psutil.Process(pid).environ())
    except (psutil.Error, OSError):
        return {}  # another user's, or just ended


def marked(state: str = "") -> list[Marked]:
    """Every live process whose environment says that we started it (for one state folder, or for any)."""
    boot, found = boot_id(), []
    for row in win32.table().values():
        env = _environ(row.pid)
        folder = env.get("AUTOSYS_STATE", "")
        if "AUTOSYS_INSTANCE" in env and state in ("", folder):
            who = Identity(row.pid, str(row.created), boot)
            found.append(Marked(who, env.get("AUTOSYS_SERVICE", ""), env["AUTOSYS_INSTANCE"], folder))
    return found


def family(leader: Identity, instance: str) -> list[Identity]:
    """The leader and all that it brought: descendants, its job, and whoever bears its instance.

    Works also when the leader is gone. A launcher and the interpreter it started are both in it; a descendant
    that bears another instance is not (what the guard starts is no part of the guard), nor is what that brought.
    """
    boot, table = boot_id(), win32.table()
    marked = {pid for pid in table if instance and _environ(pid).get("AUTOSYS_INSTANCE") == instance}
    roots = set(win32.job_members(job_name(instance))) & set(table) if instance else set()
    if leader.boot == boot and leader.token.isdigit():
        roots |= _started_by(leader.pid, int(leader.token), table)

    def children(of: set[int]) -> set[int]:
        younger = {r.pid for r in table.values() if r.parent in of and r.created >= table[r.parent].created}
        return roots | younger

    def foreign(pid: int) -> bool:
        return bool(instance) and _environ(pid).get("AUTOSYS_INSTANCE", instance) != instance

    members = descendants(marked, children, foreign) - {os.getpid()}
    return [Identity(pid, str(table[pid].created), boot) for pid in sorted(members)]


def _started_by(pid: int, created: int, table: dict[int, win32.Row]) -> set[int]:
    """That process if it lives, and its children: started after it, and before its pid became another's."""
    now = table.get(pid)
    until = now.created if now is not None and now.created != created else None
    children = {
        row.pid
        for row in table.values()
        if row.parent == pid and row.created >= created and (until is None or row.created < until)
    }
    return children | ({pid} if now is not None and until is None else set())


def group_lives(pid: int) -> bool:
    """Whether the process or a child of it lives; one call for the whole table, no process is opened."""
    return any(pid in (row.pid, row.parent) for row in win32.table().values())


def end_group(pid: int) -> None:
    """End a child that was started with `spawn_flags`, and all below it; its handle must still be held."""
    with contextlib.suppress(PermissionError), win32.process(pid) as handle:
        if handle is None:
            return
        root = Identity(pid, win32.started(handle), boot_id())
        tried: set[Identity] = set()
        while left := [who for who in family(root, "") if who not in tried]:
            for who in left:
                tried.add(who)
                with contextlib.suppress(PermissionError):
                    end(who)


def processes() -> list[Process]:
    """This session's processes, with what they were started as and where they stand."""
    import psutil

    boot, table, rows = boot_id(), win32.table(), []
    session = table[os.getpid()].session
    for row in table.values():
        if row.session != session:
            continue
        try:
            one = psutil.Process(row.pid)
            argv, cwd = tuple(one.cmdline()), one.cwd()
        except (psutil.Error, OSError):
            continue
        rows.append(Process(Identity(row.pid, str(row.created), boot), row.parent, argv, cwd))
    return rows


def memory_of(pids: list[int]) -> int:
    """Resident bytes of these processes together."""
    table = win32.table()
    return sum(table[pid].resident for pid in pids if pid in table)


def started_wall(who: Identity) -> float:
    """When that process started, in seconds since 1970 by the clock of that moment."""
    return (int(who.token) - EPOCH) / 1e7


def port_owner(port: int) -> tuple[int | None, str] | None:
    """(pid, name) of who listens on a TCP port of this machine; pid None = not told; None = nobody."""
    for taken, pid in win32.listening():
        if taken == port:
            return pid or None, _name(pid) if pid else "somebody who cannot be seen"
    return None


def listeners() -> dict[int, set[int]]:
    """pid -> the TCP ports on which it listens, of all that the system tells us about."""
    found: dict[int, set[int]] = {}
    for port, pid in win32.listening():
        found.setdefault(pid, set()).add(port)
    return found


def _name(pid: int) -> str:
    try:
        with win32.process(pid) as handle:
            if handle is not None:
                return win32.image_name(handle).rpartition("\\")[2]
    except OSError:
        pass
    return "another user's process"

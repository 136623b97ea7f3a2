"""Windows: the lock that a child can inherit, the bell, and logs that several append to."""

# ruff: noqa: E402
from __future__ import annotations

import contextlib
import hashlib
import msvcrt
import os
import sys
import time
from pathlib import Path

assert sys.platform == "win32"  # elsewhere the type checker reads no further

from autosys_tasks.host import win32
from autosys_tasks.host.types import Identity
from autosys_tasks.host.windows_process import alive, identity

LOCK_WAIT_S = 0.5  # a system that is busy closes the handles of the dead later than it tells of their death
LOOKERS_S = 2.0
GENERIC_READ, GENERIC_WRITE = 0x80000000, 0x40000000
FILE_APPEND_DATA = 0x0004
SHARE_READ, SHARE_ALL = 1, 7
OPEN_EXISTING, OPEN_ALWAYS = 3, 4
BUSY = (win32.ACCESS_DENIED, win32.SHARING_VIOLATION)


class Lock:
    """A file held open that lets nobody else write: who has the handle, or inherited it, holds the lock."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    @property
    def handle(self) -> int:
        """What a child inherits."""
        return msvcrt.get_osfhandle(self.fd)

    def names(self, who: Identity) -> None:
        """Write the holder into the file, for those who ask where the system does not say."""
        os.lseek(self.fd, 0, os.SEEK_SET)
        os.write(self.fd, f"{who.pid} {who.token} {who.boot}\n".ljust(80).encode("ascii"))

    def release(self) -> None:
        """Let go of our copy. A child that was given the lock keeps it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _open(path: str, access: int, share: int, disposition: int) -> int:
    return win32.checked(win32.CreateFile(path, access, share, None, disposition, 0x80, None))


def take_lock(path: str, *, wait_s: float = LOCK_WAIT_S) -> Lock | None:
    """The lock, or None when somebody holds it. A look at the lock lasts microseconds: it is waited out."""
    began = time.monotonic()
    while True:
        try:
            handle = _open(path, GENERIC_READ | GENERIC_WRITE, SHARE_READ, OPEN_ALWAYS)
            break
        except PermissionError as error:
            if error.winerror not in BUSY:
                raise
            waited, held = time.monotonic() - began, lock_held(path)
            if held and waited > wait_s:
                return None
            if waited > wait_s + LOOKERS_S:  # nobody holds it: those who look are many, or it is not ours
                raise
            time.sleep(0.001)
    lock = Lock(msvcrt.open_osfhandle(handle, os.O_RDWR))
    me = identity(os.getpid())
    if me is not None:
        lock.names(me)
    return lock


def lock_held(path: str) -> bool:
    """Whether anybody holds the lock now; looking takes nothing away from its holder."""
    try:
        win32.CloseHandle(_open(path, GENERIC_WRITE, SHARE_ALL, OPEN_EXISTING))
    except FileNotFoundError:
        return False
    except PermissionError as error:
        if error.winerror == win32.SHARING_VIOLATION:
            return True
        raise
    return False


def lock_holders(path: str) -> list[Identity]:
    """Who has the lock file open; where the system does not say, who wrote itself into it and still lives."""
    try:
        handle = _open(path, GENERIC_READ, SHARE_ALL, OPEN_EXISTING)
    except FileNotFoundError:
        return []
    fd = msvcrt.open_osfhandle(handle, os.O_RDONLY)
    try:
        pids = win32.users_of_file(handle)
        if pids is None:
            return _written(os.read(fd, 200)) if lock_held(path) else []
    finally:
        os.close(fd)
    return [who for pid in pids if pid != os.getpid() and (who := identity(pid)) is not None]


def _written(text: bytes) -> list[Identity]:
    words = text.decode("ascii", "replace").split()
    if len(words) != 3 or not words[0].isdigit():
        return []
    who = Identity(int(words[0]), words[1], words[2])
    return [who] if who.pid != os.getpid() and alive(who) else []


def open_append(path: str) -> int:
    """A descriptor that always appends, so that several writers and a rename lose nothing.

    Only append access was asked for, so it is the system that appends: Python's "a" does it in one process.
    """
    access = FILE_APPEND_DATA | win32.SYNCHRONIZE
    try:
        handle = _open(path, access, SHARE_ALL, OPEN_ALWAYS)
    except FileNotFoundError:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        handle = _open(path, access, SHARE_ALL, OPEN_ALWAYS)
    return msvcrt.open_osfhandle(handle, os.O_WRONLY | os.O_APPEND)


def open_read(path: str) -> int:
    """A descriptor that reads a file and keeps nobody from writing, renaming or removing it.

    Python's own `open` shares reading and writing alone: a log that it reads could not be rotated.
    """
    return msvcrt.open_osfhandle(_open(path, GENERIC_READ, SHARE_ALL, OPEN_EXISTING), os.O_RDONLY | os.O_BINARY)


def _event_name(path: str) -> str:
    folded = os.path.normcase(os.path.abspath(path))
    return "Local\\autosys-" + hashlib.sha256(folded.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class Bell:
    """A named event that stands for a path: who changes what is wanted sets it, and the guard looks."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.handle = win32.checked(win32.CreateEvent(None, True, False, _event_name(path)))

    def rung(self) -> bool:
        """Whether it has been rung since the last time it was asked."""
        rung = win32.WaitForSingleObject(self.handle, 0) == 0
        if rung:
            win32.ResetEvent(self.handle)
        return rung

    def close(self) -> None:
        """Stop listening."""
        win32.CloseHandle(self.handle)


def ring(path: str) -> None:
    """Wake whoever listens; nobody there is fine."""
    event = win32.OpenEvent(win32.EVENT_MODIFY_STATE, False, _event_name(path))
    if event:
        with contextlib.suppress(OSError):
            win32.SetEvent(event)
        win32.CloseHandle(event)

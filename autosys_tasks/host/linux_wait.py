"""Linux: sleeping on pidfds until a process dies, and how it died."""

# ruff: noqa: E402
from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import sys
import threading

assert sys.platform == "linux"  # elsewhere the type checker reads no further

from autosys_tasks.host.linux import alive, pidfd_of, stat_of
from autosys_tasks.host.posix import Bell, exit_from_wait
from autosys_tasks.host.types import Exit, Identity

PIDFD_GET_INFO = 0xC040FF0B  # _IOWR(0xFF, 11, struct pidfd_info of 64 bytes); Linux 6.13, exit codes from 6.15
PIDFD_INFO_EXIT = 1 << 3


def exit_of(who: Identity, pidfd: int | None = None) -> Exit | None:
    """How it ended: asked of the kernel as its parent, else of its zombie, else of its pidfd; None = not known."""
    fields = stat_of(who.pid)
    passed_on = fields is not None and who.token != "" and fields[19].decode() != who.token
    if not passed_on:  # a recycled pid may be a child of ours too: its exit is not for this question
        with contextlib.suppress(ChildProcessError):
            pid, status = os.waitpid(who.pid, os.WNOHANG)
            if pid == who.pid:
                return exit_from_wait(status)
        if fields is not None and fields[0] in (b"Z", b"X"):
            return exit_from_wait(int(fields[49]))
    return _exit_of_pidfd(pidfd) if pidfd is not None else None


def _exit_of_pidfd(pidfd: int) -> Exit | None:
    request = bytearray(struct.pack("=Q", PIDFD_INFO_EXIT) + bytes(56))
    try:
        fcntl.ioctl(pidfd, PIDFD_GET_INFO, request)
    except OSError:
        return None
    if not struct.unpack_from("=Q", request)[0] & PIDFD_INFO_EXIT:
        return None
    return exit_from_wait(struct.unpack_from("=i", request, 60)[0])


class Waiter:
    """Sleeps until a watched process dies, a bell rings, somebody calls `wake`, or the time is up."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.RLock()  # a signal handler may come while it is held
        self._closed = False
        self._poll.register(self._wake, select.POLLIN)
        self._watched: dict[str, tuple[Identity, int]] = {}
        self._keys: dict[int, str] = {}

    def watch(self, key: str, who: Identity) -> bool:
        """Begin to watch; False when that process is dead already. A second call for the same does nothing."""
        if key in self._watched:
            if self._watched[key][0] == who:
                return True
            self.forget(key)
        fd = pidfd_of(who.pid)
        if fd is None:
            return False
        if alive(who) is not True:
            os.close(fd)
            return False
        self._watched[key] = (who, fd)
        self._keys[fd] = key
        self._poll.register(fd, select.POLLIN)
        return True

    def forget(self, key: str) -> None:
        """Stop watching."""
        _who, fd = self._watched.pop(key, (None, -1))
        if fd >= 0:
            self._poll.unregister(fd)
            del self._keys[fd]
            os.close(fd)

    def listen(self, bell: Bell) -> None:
        """Let a ring end the sleep too (until `bell.rung()` has been asked)."""
        self._poll.register(bell.fd, select.POLLIN)

    def wake(self) -> None:
        """End the sleep from another thread or a signal handler; later than `close` it does nothing."""
        with self._lock:
            if not self._closed:
                os.eventfd_write(self._wake, 1)

    def wait(self, timeout_s: float | None) -> dict[str, Exit | None]:
        """Those that died, by key, and how (None = nobody can know); empty when something else woke us."""
        try:
            events = self._poll.poll(None if timeout_s is None else max(0.0, timeout_s * 1000))
        except InterruptedError:
            return {}
        dead: dict[str, Exit | None] = {}
        for fd, _event in events:
            if fd in self._keys:
                key = self._keys[fd]
                dead[key] = exit_of(self._watched[key][0], fd)
                self.forget(key)
            elif fd == self._wake:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self._wake)
        return dead

    def close(self) -> None:
        """Let go of everything."""
        for key in list(self._watched):
            self.forget(key)
        with self._lock:  # whatever gets this number next is not ours to write to
            self._closed = True
            os.close(self._wake)

"""Windows: sleeping until a process dies, and how it died."""

# ruff: noqa: E402
from __future__ import annotations

import _winapi
import ctypes
import sys
import threading
from ctypes import wintypes

assert sys.platform == "win32"  # elsewhere the type checker reads no further

from autosys_tasks.host import win32
from autosys_tasks.host.types import Exit, Identity
from autosys_tasks.host.windows_lock import Bell
from autosys_tasks.host.windows_process import is_it

ONCE, IN_WAIT_THREAD = 0x8, 0x4
held: dict[
    int, tuple[str, int]
] = {}  # our children, by pid: (token, handle), until somebody asked how they ended

if ctypes.sizeof(ctypes.c_void_p) == 8:
    # The system's waiting threads call SetEvent itself: no Python in a foreign thread. Its second argument
    # (a flag) lies in a register that SetEvent does not look at.
    ON_DEATH: object = ctypes.cast(win32.SetEvent, ctypes.c_void_p)  # type: ignore[arg-type]
else:
    ON_DEATH = ctypes.WINFUNCTYPE(None, ctypes.c_void_p, ctypes.c_ubyte)(
        lambda event, _late: win32.SetEvent(event)
    )


def exit_of(who: Identity, handle: int | None = None) -> Exit | None:
    """How it ended, asked of a handle: the given one, ours of a child, or that of whoever still holds one."""
    if handle is not None:
        return Exit(code=win32.exit_code(handle)) if win32.ended(handle) else None
    token, kept = held.get(who.pid, ("", 0))
    if kept and who.token in ("", token):
        if not win32.ended(kept):
            return None
        del held[who.pid]
        code = win32.exit_code(kept)
        win32.CloseHandle(kept)
        return Exit(code=code)
    try:
        with win32.process(who.pid) as found:
            if found is None or win32.started(found) != who.token or not win32.ended(found):
                return None
            return Exit(code=win32.exit_code(found))
    except PermissionError:
        return None


class Waiter:
    """Sleeps until a watched process dies, a bell rings, somebody calls `wake`, or the time is up.

    One call waits for at most 64 handles; so the system's own threads watch the processes, however many,
    and set one event.
    """

    def __init__(self) -> None:
        self._died = win32.checked(win32.CreateEvent(None, True, False, None))
        self._wake = win32.checked(win32.CreateEvent(None, True, False, None))
        self._lock = threading.RLock()  # a signal handler may come while it is held
        self._closed = False
        self._watched: dict[str, tuple[Identity, int, int]] = {}
        self._bells: list[Bell] = []

    def watch(self, key: str, who: Identity) -> bool:
        """Begin to watch; False when that process is dead already. Asking again does nothing."""
        if key in self._watched:
            if self._watched[key][0] == who:
                return True
            self.forget(key)
        try:
            handle = win32.open_process(who.pid)
        except PermissionError:
            return False
        if handle is None:
            return False
        wait = wintypes.HANDLE()
        flags = ONCE | IN_WAIT_THREAD
        if not is_it(handle, who) or not win32.RegisterWait(
            ctypes.byref(wait), handle, ON_DEATH, self._died, win32.INFINITE, flags
        ):
            win32.CloseHandle(handle)
            return False
        self._watched[key] = (who, handle, wait.value or 0)
        return True

    def forget(self, key: str) -> None:
        """Stop watching."""
        if key in self._watched:
            _who, handle, wait = self._watched.pop(key)
            win32.UnregisterWait(wait, win32.INVALID_HANDLE)  # waits for a call that is under way
            win32.CloseHandle(handle)

    def listen(self, bell: Bell) -> None:
        """Let a ring end the sleep too (until `bell.rung()` has been asked)."""
        self._bells.append(bell)

    def wake(self) -> None:
        """End the sleep from another thread or a console handler; later than `close` it does nothing."""
        with self._lock:
            if not self._closed:
                win32.SetEvent(self._wake)

    def wait(self, timeout_s: float | None) -> dict[str, Exit | None]:
        """Those that died, by key, and how (None = nobody can know); empty when something else woke us."""
        timeout = win32.INFINITE if timeout_s is None else int(max(0.0, timeout_s * 1000) + 0.999)
        handles = [self._died, self._wake, *(bell.handle for bell in self._bells)]
        try:  # this one ends at Ctrl-C too
            _winapi.WaitForMultipleObjects(handles, False, timeout)
        except InterruptedError:
            return {}
        win32.ResetEvent(self._wake)
        if win32.WaitForSingleObject(self._died, 0) != 0:
            return {}
        win32.ResetEvent(self._died)  # before the look: who dies after it sets it again
        dead: dict[str, Exit | None] = {}
        for key, (who, handle, _wait) in list(self._watched.items()):
            if win32.ended(handle):
                dead[key] = exit_of(who) or exit_of(who, handle)
                self.forget(key)
        return dead

    def close(self) -> None:
        """Let go of everything."""
        for key in list(self._watched):
            self.forget(key)
        win32.CloseHandle(self._died)
        with self._lock:  # whatever gets this number next is not ours to set
            self._closed = True
            win32.CloseHandle(self._wake)

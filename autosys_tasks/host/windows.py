"""Windows: whose process this is, how it is asked to end, and how it becomes another program."""

# ruff: noqa: E402
from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

assert sys.platform == "win32"  # elsewhere the type checker reads no further

from autosys_tasks.host import win32
from autosys_tasks.host.types import Identity
from autosys_tasks.host.windows_lock import Lock
from autosys_tasks.host.windows_process import ask_to_end, identity, stop_event
from autosys_tasks.host.windows_spawn import run_in_our_place

CLOSING = (2, 5, 6)  # the console closes, the user logs off, the machine goes down
GRACE_S = 4.0  # the system gives 5 s, and ends the process as soon as the handler returns
_polite: list[Callable[[], None]] = []  # what to call; the last one counts
_kept: list[object] = []  # must live as long as the process


def state_home() -> Path:
    """Where programs keep what belongs to this machine and this user."""
    return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")


def user_name() -> str:
    """The name this user logs in with."""
    return os.getlogin()


def user_id() -> str:
    """What names this user for ever: the security identifier; a name may change."""
    from autosys_tasks.host.windows_scheduler import user_sid

    return user_sid()


def fork(_work: Callable[[], object]) -> int | None:
    """A copy of this process that does `work`: there is no such thing here."""
    return None


def keep_freed_memory() -> None:
    """Nothing: this OS's allocator cannot be told."""


def cut_head(fd: int, size: int) -> int:
    """0: this OS cannot take the head out of a file that is being written."""
    return 0


def on_polite_stop(action: Callable[[], None], by_hand: Callable[[], None] | None = None) -> None:
    """Call `action` when this process is asked to end: Ctrl-C, Ctrl-Break, log-off, or our own event.

    `by_hand` is not called: who started us passes a Ctrl-C on as a request to end.
    It runs in another thread, at once: a signal handler of Python would wait for the main thread to wake.
    """
    _polite[:] = [action]
    if _kept:
        return
    me = identity(os.getpid())
    assert me is not None
    event = win32.checked(win32.CreateEvent(None, True, False, stop_event(me)))
    handler = ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint)(_on_console)
    _kept.extend([event, handler])
    win32.SetConsoleCtrlHandler(ctypes.cast(handler, ctypes.c_void_p), True)
    threading.Thread(target=_on_event, args=(event,), name="polite stop", daemon=True).start()


def become(argv: tuple[str, ...], env: Mapping[str, str], lock: Lock | None = None) -> int:
    """Run `argv` in our place, with our outputs and the lock; returns its exit code.

    A process cannot be replaced here: this one stays, is still the one that is known, passes on that it was
    asked to end, and takes the other with it when it is killed.
    """

    def started(pid: int) -> None:
        child = identity(pid)
        if child is not None:
            on_polite_stop(partial(_pass_on, child))

    return run_in_our_place(argv, env, lock, started)


def _pass_on(child: Identity) -> None:
    ask_to_end(child)


def _on_console(kind: int) -> int:
    _polite[0]()
    if kind in CLOSING:
        time.sleep(GRACE_S)
    return 1


def _on_event(event: int) -> None:
    while win32.WaitForSingleObject(event, win32.INFINITE) == 0:
        win32.ResetEvent(event)
        _polite[0]()

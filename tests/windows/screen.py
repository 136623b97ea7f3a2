"""What a person would see: every top-level window that shows up, and the text in a console."""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Iterator
from ctypes import wintypes as w
from typing import NamedTuple

user32 = ctypes.WinDLL("user32")  # type: ignore[attr-defined]
EVERY_S = 0.005
_Callback = ctypes.WINFUNCTYPE(w.BOOL, w.HWND, w.LPARAM)  # type: ignore[attr-defined]
user32.EnumWindows.argtypes = (_Callback, w.LPARAM)
user32.IsWindowVisible.argtypes = (w.HWND,)
user32.GetClassNameW.argtypes = (w.HWND, w.LPWSTR, ctypes.c_int)
user32.GetWindowThreadProcessId.argtypes = (w.HWND, ctypes.POINTER(w.DWORD))
user32.PostMessageW.argtypes = (w.HWND, w.UINT, w.WPARAM, w.LPARAM)
CLOSE = 0x0010


class Window(NamedTuple):
    """A visible top-level window."""

    handle: int
    pid: int
    kind: str


def visible() -> set[Window]:
    """Those that are on the screen now."""
    found = set()

    def take(handle: int, _more: int) -> bool:
        if user32.IsWindowVisible(handle):
            kind, pid = ctypes.create_unicode_buffer(200), w.DWORD()
            user32.GetClassNameW(handle, kind, 200)
            user32.GetWindowThreadProcessId(handle, ctypes.byref(pid))
            found.add(Window(handle, pid.value, kind.value))
        return True

    user32.EnumWindows(_Callback(take), 0)
    return found


def close(window: Window) -> None:
    """What a click on its X sends."""
    user32.PostMessageW(window.handle, CLOSE, 0, 0)


@contextlib.contextmanager
def watched() -> Iterator[set[Window]]:
    """The set fills with every window that shows up while the `with` lasts, for however short a time."""
    before, seen, over = visible(), set(), threading.Event()

    def look() -> None:
        while not over.wait(EVERY_S):
            seen.update(visible() - before)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()

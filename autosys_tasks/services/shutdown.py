"""The wish to end (SIGTERM, Ctrl-C, Windows' stop event), as something one can wait for. Ends nothing."""

from __future__ import annotations

import contextlib
import selectors
import socket

from autosys_tasks import host


class Ending:
    """Becomes `asked` when the process is asked to end, and wakes whoever waits; `nudge` only wakes.

    A socket pair, because it is what a wait on sockets can also wait for on every OS.
    """

    def __init__(self) -> None:
        self.asked = False
        self._ear, self._mouth = socket.socketpair()
        self._ear.setblocking(False)
        self._mouth.setblocking(False)

    def listen(self) -> None:
        """Take over the process's polite stop; main thread only."""
        host.on_polite_stop(self._ask)

    def _ask(self) -> None:
        self.asked = True
        self.nudge()

    def nudge(self) -> None:
        """Wake the one who waits; any thread may. A full pipe of nudges is nudge enough."""
        with contextlib.suppress(OSError):
            self._mouth.send(b"\0")

    def wait(self, seconds: float | None, other: socket.socket | None = None) -> bool:
        """Sleep until asked, nudged, `other` is readable, or `seconds` passed; True when `other` is.

        Look at `asked` before and after: a wish to end between the two looks is never slept over.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self._ear, selectors.EVENT_READ)
            if other is not None:
                selector.register(other, selectors.EVENT_READ)
            ready = [key.fileobj for key, _ in selector.select(seconds)]
        self._drain()
        return other is not None and other in ready

    def _drain(self) -> None:
        with contextlib.suppress(OSError):
            while self._ear.recv(512):
                pass

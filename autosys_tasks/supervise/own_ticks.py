"""Runs ticks from the guard when no scheduler does: none is registered, or the registered one does not come.

A tick does more than this room may: it starts the backup of a missed night, and an upgrade after a pull. So it is run
as the command that a scheduler would run, not as a function.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from autosys_tasks import host
from autosys_tasks.core.clock import wall
from autosys_tasks.core.journal import FILES, last_run
from autosys_tasks.core.parallel import try_start
from autosys_tasks.host import child
from autosys_tasks.supervise import commands
from autosys_tasks.supervise.house import House

BEATS = 2  # after so many times `[watchdog] every` without a tick, no scheduler is assumed
LIMIT_S = 600.0
THREAD = "a tick of our own"


def at_work() -> bool:
    """Whether this process waits for a tick: if it replaced itself (exec) now, the tick would stay unreaped."""
    return any(thread.name == THREAD for thread in threading.enumerate())


class Ticks:
    """Runs ticks for a workspace; `tell` gets what went wrong. `due`: when `turn` is due, by host.boot_clock."""

    def __init__(self, house: House, tell: Callable[[str], None]) -> None:
        self._house, self._tell = house, tell
        self._patience_s = BEATS * house.config.watchdog.every_s
        self._run: threading.Thread | None = None
        self.due = host.boot_clock() + self._patience_s

    def turn(self) -> None:
        """Start a tick in a thread when it is due and none has run lately."""
        moment = host.boot_clock()
        if moment < self.due:
            return
        last = last_run(self._house.outputs / FILES["watchdog"], "watchdog").get("ts")
        ago = wall() - last if isinstance(last, float) else self._patience_s
        came = 0.0 <= ago < self._patience_s
        self.due = moment + self._patience_s - (ago if came else 0.0)
        if not came and not (self._run and self._run.is_alive()):
            self._run = threading.Thread(target=self._tick, daemon=True, name=THREAD)
            if not try_start(self._run):
                self._tell("the system has no thread left for a tick of our own")

    def _tick(self) -> None:
        argv, env = commands.argv("watchdog"), commands.env(self._house)
        try:
            done = child.run(argv, self._house.config.path, env, LIMIT_S, end=commands.end)
        except OSError as error:
            return self._tell(f"a tick of our own cannot be run: {error}")
        except child.Late:
            return self._tell(f"a tick of our own was ended: it took longer than {LIMIT_S:g} s")
        said = done.err.decode("utf-8", "replace").strip().splitlines()
        if done.code not in (0, 3):  # 3 is in the journal
            self._tell(f"a tick of our own ended {done.code}: {said[-1] if said else 'without a word'}")

"""Has a tick run where nobody does: nothing is registered with the system, or what is registered does not come.

A tick does more than the guard may: it begins the backup of a missed night, and an upgrade after a pull, in rooms that
this one knows nothing of. So it is run as the command that a scheduler would run, and not as a function of ours.
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

BEATS = 2  # so many of [watchdog] every without a tick, and nobody is thought to run them
LIMIT_S = 600.0
THREAD = "a tick of our own"


def at_work() -> bool:
    """Whether this process waits for a tick: who became another program now would leave it unreaped."""
    return any(thread.name == THREAD for thread in threading.enumerate())


class Ticks:
    """Who runs them for a workspace; `tell` hears what went wrong. `due`: when to ask again, by host.boot_clock."""

    def __init__(self, house: House, tell: Callable[[str], None]) -> None:
        self._house, self._tell = house, tell
        self._patience_s = BEATS * house.config.watchdog.every_s
        self._run: threading.Thread | None = None
        self.due = host.boot_clock() + self._patience_s

    def turn(self) -> None:
        """Begin one when it is due and none came lately; nobody waits for it."""
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

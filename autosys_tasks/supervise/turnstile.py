"""One commander at a time: bring-up, down, restart and ticks take turns. It saves work; it is not what keeps order.

Correctness rests on the services' own locks; two commanders at once would only do the same things twice.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from autosys_tasks import host
from autosys_tasks.core.errors import Busy, StateError
from autosys_tasks.core.files import cannot_write, make_folder, read_text, write_atomic
from autosys_tasks.supervise.state import Place

POLL_S = 0.03
SERVICES, SCHEDULES, UPGRADES, BACKUPS = "acting", "scheduling", "upgrading", "backing-up"


@contextlib.contextmanager
def acting(
    place: Place,
    task: str,
    *,
    wait_s: float,
    waiting: Callable[[str], None] = lambda who: None,
    turn: str = SERVICES,
) -> Iterator[None]:
    """Hold the turn; waits up to `wait_s` for who has it, told once through `waiting`. Raises Busy.

    `turn`: what it is about; those who start services, register schedules, upgrade or back up need not wait for one
    another.
    """
    make_folder(Path(place.folder))
    deadline, told = time.monotonic() + wait_s, False
    path = f"{place.folder}/{turn}.lock"
    while (lock := _try(path)) is None:
        who = holder(place, turn)
        if time.monotonic() >= deadline:
            raise Busy(f"{who} is at work", hint="wait for it, or look with `inv ps`")
        if not told:
            waiting(who)
            told = True
        time.sleep(POLL_S)
    try:
        _sign(f"{place.folder}/{turn}.json", task)
        yield
    finally:
        lock.release()


def _sign(path: str, task: str) -> None:
    """Who has the turn, for those who wait; a full disk takes the name, and not the turn."""
    try:
        write_atomic(path, json.dumps({"task": task, "pid": os.getpid()}), mode=0o600)
    except StateError:
        with contextlib.suppress(OSError):
            os.unlink(path)  # better no name than the last one's


def _try(path: str) -> host.Lock | None:
    try:
        return host.take_lock(path, wait_s=0.0)
    except OSError as error:
        raise cannot_write(path, error, "lock") from error


def at_work(place: Place) -> bool:
    """Whether a commander has the turn now."""
    return host.lock_held(f"{place.folder}/{SERVICES}.lock")


def holder(place: Place, turn: str = SERVICES) -> str:
    """Who has the turn, for a message."""
    try:
        said = json.loads(read_text(f"{place.folder}/{turn}.json") or "{}")
        return f"`{said['task']}` (pid {said['pid']})"
    except (ValueError, KeyError, TypeError):
        return "another run"

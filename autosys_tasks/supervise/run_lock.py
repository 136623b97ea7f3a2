"""The locks of runs: one bring-up, down, restart or tick at a time; one upgrade; one backup.

They save work. Correctness rests on the services' own locks: two runs at once would only do the same things twice.
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
def held(
    place: Place,
    task: str,
    *,
    wait_s: float,
    waiting: Callable[[str], None] = lambda who: None,
    lock: str = SERVICES,
) -> Iterator[None]:
    """Hold a lock; waits up to `wait_s` for its holder, who is given to `waiting` once. Raises Busy.

    `lock`: SERVICES, SCHEDULES, UPGRADES or BACKUPS; runs of different kinds do not wait for one another.
    """
    make_folder(Path(place.folder))
    deadline, told = time.monotonic() + wait_s, False
    path = f"{place.folder}/{lock}.lock"
    while (taken := _try_lock(path)) is None:
        who = holder(place, lock)
        if time.monotonic() >= deadline:
            raise Busy(f"{who} is at work", hint="wait for it, or look with `inv ps`")
        if not told:
            waiting(who)
            told = True
        time.sleep(POLL_S)
    try:
        _write_holder(f"{place.folder}/{lock}.json", task)
        yield
    finally:
        taken.release()


def _write_holder(path: str, task: str) -> None:
    """Write who holds the lock, for those who wait; on a full disk nothing is written, and the lock is held."""
    try:
        write_atomic(path, json.dumps({"task": task, "pid": os.getpid()}), mode=0o600)
    except StateError:
        with contextlib.suppress(OSError):
            os.unlink(path)  # better no name than the last one's


def _try_lock(path: str) -> host.Lock | None:
    try:
        return host.take_lock(path, wait_s=0.0)
    except OSError as error:
        raise cannot_write(path, error, "lock") from error


def is_held(place: Place) -> bool:
    """Whether a run holds the lock of services now."""
    return host.lock_held(f"{place.folder}/{SERVICES}.lock")


def holder(place: Place, lock: str = SERVICES) -> str:
    """The task and pid that hold a lock, for a message."""
    try:
        said = json.loads(read_text(f"{place.folder}/{lock}.json") or "{}")
        return f"`{said['task']}` (pid {said['pid']})"
    except (ValueError, KeyError, TypeError):
        return "another run"

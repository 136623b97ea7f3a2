"""kill -9 of the supervisor itself: what lives on, and what its restart makes of that."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import procfs
from measure_kill import strike
from room import Room, independent, room

SERVICES = 8


def measure(peer: ModuleType, child: Path, *, settle_s: float) -> dict[str, object]:
    """Counts of services that were kept, doubled, changed or lost, and whether they are watched again."""
    with room(peer, child, independent(SERVICES)) as made:
        peer.start(made)
        made.marks.wait("s", made.names, within_s=60)
        time.sleep(2)
        if hasattr(peer, "save"):
            peer.save(made)
        before = {name: made.marks.newest(name) for name in made.names}
        _end(_itself(peer, made))
        time.sleep(1)
        kept = sum(procfs.alive(pid) for pid in before.values())
        began = time.monotonic_ns()
        error = _again(peer, made)
        time.sleep(settle_s)
        return {
            "kept": kept,
            **_after(made, before, began),
            "error": error,
            "watched_again_ms": _watched(made),
        }


def _itself(peer: ModuleType, made: Room) -> list[int]:
    word = getattr(peer, "SUPERVISOR", None)
    return [pid for pid in made.supervisors() if word is None or word in procfs.argv(pid)]


def _end(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    # Some containers reap late, and to some supervisors a zombie is one that runs.
    while any(procfs.exists(pid) for pid in pids) and time.monotonic() < deadline:
        for pid in pids:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.02)


def _again(peer: ModuleType, made: Room) -> str | None:
    try:
        peer.again(made)
    except RuntimeError as refusal:  # a supervisor that refuses to start again is a result, too
        return str(refusal)
    return None


def _after(made: Room, before: dict[str, int], began: int) -> dict[str, int]:
    while made.marks.read():
        pass
    running = Counter(procfs.argv(pid)[2] for pid in made.children())
    return {
        "services": len(before),
        "duplicates": sum(running.values()) - len(running),
        "missing": len(before) - len(running),
        "pids_changed": sum(not procfs.alive(pid) for pid in before.values()),
        "starts": sum(mark.kind == "s" and mark.ns > began for mark in made.marks.seen),
    }


def _watched(made: Room) -> float | None:
    """Milliseconds until a service that is killed now is there again; None when it is not within 30 s."""
    try:
        return round(strike(made, min(made.names), within_s=30), 2)
    except (TimeoutError, RuntimeError):
        return None

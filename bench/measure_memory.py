"""Resident memory of a supervisor with twenty services, and the CPU it uses while nothing happens."""

from __future__ import annotations

import time
from pathlib import Path
from types import ModuleType

import procfs
from room import independent, room

SERVICES = 20


def measure(peer: ModuleType, child: Path, *, seconds: float) -> dict[str, object]:
    """Memory, CPU seconds and wake-ups of all the supervisor's processes over `seconds` of quiet."""
    with room(peer, child, independent(SERVICES)) as made:
        peer.start(made)
        made.marks.wait("s", made.names, within_s=60)
        time.sleep(6)  # what a start leaves behind is not idling
        pids = made.supervisors()
        before = procfs.usage(pids)
        time.sleep(seconds)
        after = procfs.usage(pids)
    return {
        "processes": after.processes,
        "rss_mb": round(after.rss_bytes / 1e6, 1),
        "pss_mb": round(after.pss_bytes / 1e6, 1),
        "idle_cpu_s": round((after.cpu_ns - before.cpu_ns) / 1e9, 4),
        "wakeups": after.wakeups - before.wakeups,
        "seconds": seconds,
    }

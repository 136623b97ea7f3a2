"""Says what a run was measured on: cores, kernel, Python, load. Names no folder and no person."""

from __future__ import annotations

import os
import platform
import resource
import time
from pathlib import Path


def describe() -> dict[str, object]:
    """The machine, as far as a figure depends on it."""
    return {
        "cpus": os.cpu_count(),
        "cpu": _first("/proc/cpuinfo", "model name") or platform.machine(),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def cpu_seconds() -> tuple[float, float, float]:
    """The clock; what all programs of the machine have used of its CPUs, or somebody has kept from it; what we have."""
    names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
    row = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()[1:]
    ticks = dict(zip(names, map(int, row), strict=False))
    used = sum(ticks.values()) - ticks["idle"] - ticks["iowait"]
    ours = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return time.monotonic(), used / os.sysconf("SC_CLK_TCK"), sum(one.ru_utime + one.ru_stime for one in ours)


def share_of_others(began: tuple[float, float, float]) -> float:
    """The share of all CPUs that other programs have had since `began`."""
    clock, used, ours = (now - then for now, then in zip(cpu_seconds(), began, strict=True))
    return max(0.0, used - ours) / (clock * (os.cpu_count() or 1))


def _first(path: str, key: str) -> str:
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        if line.startswith(key):
            return line.partition(":")[2].strip()
    return ""

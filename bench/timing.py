"""Times commands in turn, and sums up numbers; starts nothing that stays."""

from __future__ import annotations

import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Command(NamedTuple):
    """A command to time, and where."""

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    codes: tuple[int, ...] = (0,)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least, greatest and 95th percentile of at least one number, and how many there were."""
    ordered = sorted(values)
    return {
        "median": round(statistics.median(ordered), 3),
        "min": round(ordered[0], 3),
        "max": round(ordered[-1], 3),
        "p95": round(ordered[max(0, -(-len(ordered) * 95 // 100) - 1)], 3),
        "n": len(ordered),
    }


def in_turn(commands: Mapping[str, Command], *, times: int) -> dict[str, dict[str, float]]:
    """Wall milliseconds of each command; one of each in turn, so that a busy machine hurts all alike."""
    walls: dict[str, list[float]] = {name: [] for name in commands}
    cpus: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(times + 1):
        for name, command in commands.items():
            wall, cpu = once(command)
            if turn:  # the first turn fills the disk's cache
                walls[name].append(wall)
                cpus[name].append(cpu)
    return {name: {**spread(walls[name]), "cpu": spread(cpus[name])["median"]} for name in commands}


def once(command: Command) -> tuple[float, float]:
    """Wall and CPU milliseconds of one run; raises RuntimeError when it ends with a code not expected."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as err:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begin = time.perf_counter()
        done = subprocess.run(
            command.argv, cwd=command.cwd, env=command.env, check=False, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=err,
        )  # fmt: skip
        wall = time.perf_counter() - begin
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode not in command.codes:
            err.seek(0)
            raise RuntimeError(f"`{' '.join(command.argv)}` ended {done.returncode}: {err.read()[-600:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall * 1000, cpu * 1000


def output(command: Command) -> str:
    """What one run prints; raises RuntimeError when it ends with a code not expected."""
    done = subprocess.run(
        command.argv,
        cwd=command.cwd,
        env=command.env,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode not in command.codes:
        raise RuntimeError(f"`{' '.join(command.argv)}` ended {done.returncode}: {done.stderr[-600:]}")
    return done.stdout

"""Commands and services killed at random, at once: what autosys breaks, beside the watchdog written first."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

TESTS = Path(__file__).resolve().parent.parent / "tests"
NAIVE = Path(__file__).with_name("naive.py")
NAMES = ("a", "b", "c")


def measure(*, rounds: int, seed: int = 20261125) -> dict[str, object]:
    """Both tallies; the same number of rounds, the same dice."""
    return {"rounds": rounds, "autosys": _ours(rounds, seed), "pid file": _naive(rounds, seed)}


def _ours(rounds: int, seed: int) -> dict[str, object]:
    sys.path.insert(0, str(TESTS))
    import rig
    from live import chaos

    folder = Path(tempfile.mkdtemp(prefix="bench-chaos-"))
    space = rig.Workspace(folder / "책상", rig.scratch_state())
    space.root.mkdir()
    try:
        return chaos.run(space, rounds, seed)._asdict()
    finally:
        space.end_all()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(space.state.parent, ignore_errors=True)


def _naive(rounds: int, seed: int) -> dict[str, object]:
    folder, dice = Path(tempfile.mkdtemp(prefix="bench-naive-")), random.Random(seed)
    commands = commands_killed = services_killed = 0
    try:
        for _ in range(rounds):
            ticks = [_tick(folder) for _ in range(dice.randint(1, 3))]
            commands += len(ticks)
            if dice.random() < 0.5:
                services_killed += _kill_one(folder, dice)
            for tick in ticks:
                commands_killed += _end(tick, dice)
        _tick(folder).wait()
        notes = [path.name for path in (folder / "oracle").iterdir()]
        living = len(_living(folder))
    finally:
        _end_all(folder)
        shutil.rmtree(folder, ignore_errors=True)
    return {
        "commands": commands,
        "commands_killed": commands_killed,
        "services_killed": services_killed,
        "starts": sum(note.startswith("start") for note in notes),
        "duplicates": sum(note.startswith("second") for note in notes),
        "strays": max(0, living - len(NAMES)),
    }


def _tick(folder: Path) -> subprocess.Popen[bytes]:
    env = {**os.environ, "BENCH_NAIVE": str(folder)}
    return subprocess.Popen([sys.executable, str(NAIVE), str(folder), *NAMES], env=env, stdin=subprocess.DEVNULL)


def _end(tick: subprocess.Popen[bytes], dice: random.Random) -> int:
    """Killed within the time that it needs, or left to end; whether it was killed."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        tick.wait(timeout=dice.random() * 0.15)
    tick.kill()
    return int(tick.wait() != 0)


def _living(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            marked = process.environ().get("BENCH_NAIVE") == str(folder)
            if marked and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _kill_one(folder: Path, dice: random.Random) -> int:
    living = [process for process in _living(folder) if str(NAIVE) not in process.cmdline()]
    if living:
        dice.choice(living).kill()
    return int(bool(living))


def _end_all(folder: Path) -> None:
    deadline = time.monotonic() + 10
    while (living := _living(folder)) and time.monotonic() < deadline:
        for process in living:
            process.kill()
        psutil.wait_procs(living, timeout=0.2)

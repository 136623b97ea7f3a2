"""kill -9 of a service until the first instruction of its replacement."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from types import ModuleType

import procfs
from room import Room, independent, room

SETTLED_S = 1.2  # supervisor and runit treat a service that lived for less than a second differently


def measure(peer: ModuleType, child: Path, *, services: int, kills: int, seed: int) -> list[float]:
    """Milliseconds of each of `kills` replacements, spread over `services` services."""
    chance = random.Random(seed)
    with room(peer, child, independent(services)) as made:
        peer.start(made)
        made.marks.wait("s", made.names, within_s=120)
        time.sleep(SETTLED_S)
        names = sorted(made.names)
        chance.shuffle(names)
        return [_one(made, names[turn % services], chance) for turn in range(kills)]


def strike(made: Room, name: str, *, within_s: float = 60) -> float:
    """Kill the newest process of `name`; milliseconds until another one runs, TimeoutError when none does."""
    pid = made.marks.newest(name)
    if procfs.program(pid) != str(made.child):
        raise RuntimeError(f"`{name}` should run as {pid}, and does not")
    struck = time.monotonic_ns()
    os.kill(pid, signal.SIGKILL)
    mark = made.marks.wait("s", {name}, after_ns=struck, within_s=within_s)[name]
    return (mark.ns - struck) / 1e6


def _one(made: Room, name: str, chance: random.Random) -> float:
    born = max(mark.ns for mark in made.marks.seen if mark.kind == "s" and mark.name == name) / 1e9
    # The pause is random, or every kill would meet a polling supervisor at the same point of its second.
    time.sleep(max(born + SETTLED_S - time.monotonic(), 0) + chance.uniform(0.1, 0.5))
    return strike(made, name)

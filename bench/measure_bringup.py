"""Bring-up from nothing until everything is ready, less the time that a perfect one would take."""

from __future__ import annotations

import time
from pathlib import Path
from types import ModuleType

from room import chain, independent, room
from timing import spread

DELAY_MS = 500  # each service is ready this long after its start
WIDE, LONG = 20, 5


def measure(peer: ModuleType, child: Path, *, times: int) -> dict[str, object]:
    """Both shapes: `independent` services, and a `chain` where the supervisor can make services wait."""
    wide = [_once(peer, child, independent(WIDE, delay_ms=DELAY_MS), DELAY_MS) for _ in range(times)]
    shapes: dict[str, object] = {"independent": _summary(wide)}
    if peer.CHAIN:
        long = [_once(peer, child, chain(LONG, delay_ms=DELAY_MS), DELAY_MS * LONG) for _ in range(times)]
        shapes["chain"] = _summary(long)
    return shapes


def _once(
    peer: ModuleType, child: Path, blueprints: list[tuple[str, int | None, str]], ideal_ms: int
) -> tuple[float, float | None, int]:
    """Milliseconds over the ideal until the last is ready, until the command said so, and broken orders."""
    with room(peer, child, blueprints) as made:
        begin = time.monotonic_ns()
        told = peer.start(made)
        end = time.monotonic_ns()
        ready = made.marks.wait("r", made.names, within_s=60)
        early = sum(mark.kind == "e" for mark in made.marks.seen)
    over = (max(mark.ns for mark in ready.values()) - begin) / 1e6 - ideal_ms
    return over, (end - begin) / 1e6 - ideal_ms if told else None, early


def _summary(runs: list[tuple[float, float | None, int]]) -> dict[str, object]:
    told = [run[1] for run in runs if run[1] is not None]
    return {
        "ready_over_ms": spread([run[0] for run in runs]),
        "told_over_ms": spread(told) if told else None,
        "too_early": sum(run[2] for run in runs),
    }

"""How long the state of eight services takes to be told, beside a bare `inv` task that does nothing."""

from __future__ import annotations

import time
from pathlib import Path
from types import ModuleType

from bare import bare, inv
from room import independent, room
from timing import Command, in_turn

SERVICES = 8


def measure(peer: ModuleType, child: Path, *, times: int) -> dict[str, object]:
    """Milliseconds of the peer's status command, and its ratio to the bare task timed in the same turns."""
    with room(peer, child, independent(SERVICES)) as made, bare() as nothing:
        peer.start(made)
        made.marks.wait("s", made.names, within_s=60)
        time.sleep(1.5)
        status = Command(peer.status(made), made.folder, made.env)
        timed = in_turn({"status": status, "bare": inv(nothing, "noop")}, times=times)
    return {**timed["status"], "ratio": round(timed["status"]["median"] / timed["bare"]["median"], 2)}

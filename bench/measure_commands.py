"""What tick, ps and health cost beside a bare `inv` task; with many services, and with a hung endpoint."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bare import bare, inv
from peers import autosys
from room import Room, independent, room
from timing import Command, in_turn, output

FEW, MANY = 8, 200
BARE = "bare inv noop"
HEALTH_CODES = (0, 3)  # a scratch workspace has no autostart and no backup: NG is right


def measure(child: Path, *, times: int) -> dict[str, object]:
    """Milliseconds of each command, and its ratio to the bare task timed in the same turns."""
    return {
        "services_8": _timed(child, FEW, times, _few),
        "hung_endpoint": _with_hung_endpoint(child, max(times // 3, 3)),
        "services_200": _timed(child, MANY, max(times // 3, 3), _many),
    }


def _few(made: Room) -> dict[str, Command]:
    return {
        "inv watchdog": _ours(made, "watchdog"),
        "inv ps": _ours(made, "ps"),
        "inv ps --json": _ours(made, "ps", "--json"),
        "inv health": _ours(made, "health", codes=HEALTH_CODES),
        "inv health --json": _ours(made, "health", "--json", codes=HEALTH_CODES),
    }


def _many(made: Room) -> dict[str, Command]:
    return {"inv watchdog": _ours(made, "watchdog"), "inv ps": _ours(made, "ps")}


def _timed(
    child: Path, services: int, times: int, commands: Callable[[Room], dict[str, Command]], extra: str = ""
) -> dict[str, object]:
    with room(autosys, child, independent(services)) as made, bare() as nothing:
        autosys.write(made, extra)
        autosys.start(made)
        made.marks.wait("s", made.names, within_s=120)
        time.sleep(2)
        return _ratios(in_turn({BARE: inv(nothing, "noop"), **_working(commands(made))}, times=times))


def _working(commands: dict[str, Command]) -> dict[str, Command]:
    """Those that end as they should; the others are named and left out."""
    works = {}
    for name, command in commands.items():
        try:
            said = output(command)
        except RuntimeError as error:
            print(error, file=sys.stderr)
        else:
            if said.strip():  # a command that says nothing has done nothing
                works[name] = command
    return works


def _with_hung_endpoint(child: Path, times: int) -> dict[str, object]:
    with hung_endpoint() as port:
        return _timed(child, FEW, times, _health, f'[probes.hung]\nhttp = "http://127.0.0.1:{port}/"\n')


def _health(made: Room) -> dict[str, Command]:
    return {"inv health": _ours(made, "health", codes=HEALTH_CODES)}


def _ratios(timed: dict[str, dict[str, float]]) -> dict[str, object]:
    base = timed[BARE]["median"]
    return {name: {**cost, "ratio": round(cost["median"] / base, 2)} for name, cost in timed.items()}


def _ours(made: Room, *arguments: str, codes: tuple[int, ...] = (0,)) -> Command:
    return Command([autosys.tool("inv"), *arguments], made.folder, made.env, codes)


@contextmanager
def hung_endpoint() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield listener.getsockname()[1]

"""Chaos: ticks, guards and bring-ups at once, killed at random; services killed at random; then: is all as promised?

The oracle is inside each service: it takes a lock of its own, and whoever finds it taken is a second copy.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import psutil
import rig

from autosys_tasks.core.faults import POINTS

NAMES = ("a", "b", "c", "d")
ORACLE = rig.PROGRAMS / "oracle.py"
SERVICES, COMMANDS = 5, 11  # fewer of them killed would have been no chaos


class Tally(NamedTuple):
    """What a run of chaos did, and what it broke."""

    rounds: int
    commands: int
    commands_killed: int
    services_killed: int
    starts: int
    duplicates: int
    strays: int
    lost_lines: int
    missing: int
    wanted_broken: int


def prepare(space: rig.Workspace) -> None:
    """Four services, one of which waits for another, and one that a person has stopped."""
    space.write("[watchdog]\nstable_after_s = 0\n")
    for name in NAMES:
        more = 'depends_on = ["a"]\n' if name == "b" else ""
        argv = [rig.PYTHON, "-I", "-S", str(ORACLE), name, str(space.state.parent / "oracle")]
        toml = space.root / "autosys.toml"
        text = f"\n[services.{name}]\ncommand = {json.dumps(argv)}\n{more}"
        space.write(toml.read_text(encoding="utf-8") + text)
    space.cli("bringup").rc(0)
    space.cli("down", "d").rc(0)


def run(space: rig.Workspace, rounds: int, seed: int) -> Tally:
    """So many rounds, and more (at most four times) until enough was killed; then a calm bring-up, and what is broken.

    How much is alive when something is killed depends on the machine: not so many rounds, but so many kills prove it.
    """
    dice = random.Random(seed)
    prepare(space)
    patience_s = 0.5
    commands = killed = services = done = 0
    while done < rounds or (done < 4 * rounds and (services < SERVICES or killed < COMMANDS)):
        done += 1
        running = [_command(space, dice) for _ in range(dice.randint(1, 3))]
        commands += len(running)
        services += _kill_some(space, dice)
        for one in running:
            was_killed = _end(one, dice.random() * patience_s)
            killed += was_killed
            patience_s *= 1.2 if was_killed else 0.8  # so that about half of them are, at work, on any machine
    return _count(space, done, commands, killed, services)


def _command(space: rig.Workspace, dice: random.Random) -> rig.Running:
    args = dice.choice([("watchdog",), ("watchdog",), ("bringup", "--wanted"), ("watchdog", "--follow")])
    env: dict[str, str | None] = {}
    if dice.random() < 0.4:
        points = [point for point in POINTS if not point.startswith("logs")]
        env["AUTOSYS_FAULT"] = f"{dice.choice(points)}:kill:{dice.randint(1, 4)}"
    return space.start(*args, env=env)


def _kill_some(space: rig.Workspace, dice: random.Random) -> int:
    if dice.random() < 0.5:
        return 0
    living = [p for p in space.alive() if _is_service(p)]
    guards = [p for p in space.alive() if _names(p) == "@guard"]
    victims = dice.sample(living, min(len(living), dice.randint(1, 2)))
    if guards and dice.random() < 0.2:
        victims += guards[:1]
    for victim in victims:
        with contextlib.suppress(psutil.Error):
            victim.kill()
    return len(victims)


def _names(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return process.environ().get("AUTOSYS_SERVICE", "")
    return ""


def _is_service(process: psutil.Process) -> bool:
    return _names(process) in NAMES


def _end(one: rig.Running, patience_s: float) -> int:
    """Let it be for a while, then kill it, unless it has ended; whether it was killed."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        one.process.wait(timeout=patience_s)
    if one.process.poll() is None:
        one.process.kill()
    one.rest()
    return int(one.process.returncode != 0)


def _count(space: rig.Workspace, rounds: int, commands: int, killed: int, services: int) -> Tally:
    space.cli("bringup", "a", "b", "c").rc(0)
    rows = {row["name"]: row for row in space.cli("ps", "--json").rc(0).json()["services"]}  # type: ignore[attr-defined]
    missing = sum(rows[name]["state"] != "ready" for name in "abc")
    known = {row["pid"] for row in rows.values()} | {space.cli("ps", "--json").json()["guard"]["pid"]}  # type: ignore[index]
    rig.wait_for(lambda: all(p.status() != psutil.STATUS_ZOMBIE for p in _living(space)))
    strays = [p.pid for p in _living(space) if p.pid not in known]
    notes = [path.name for path in (space.state.parent / "oracle").iterdir()]
    return Tally(
        rounds=rounds,
        commands=commands,
        commands_killed=killed,
        services_killed=services,
        starts=sum(note.startswith("start") for note in notes),
        duplicates=sum(note.startswith("second") for note in notes),
        strays=len(strays),
        lost_lines=_lost(space.outputs / "watchdog_log.jsonl"),
        missing=missing,
        wanted_broken=int(rows["d"]["state"] != "stopped"),
    )


def _living(space: rig.Workspace) -> list[psutil.Process]:
    found = []
    for process in space.alive():
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _lost(path: Path) -> int:
    """Lines that do not parse, and lines that a run's own summary counted but that are not there."""
    lost, lines, summaries = 0, {}, {}
    for part in (Path(f"{path}.1"), path):
        for raw in part.read_text(encoding="utf-8").splitlines() if part.exists() else []:
            try:
                line = json.loads(raw)
            except ValueError:
                lost += bool(raw)
                continue
            if line["step"] == "summary":
                summaries[line["run"]] = sum(line["counts"].values())
            else:
                lines[line["run"]] = lines.get(line["run"], 0) + 1
    return lost + sum(max(0, count - lines.get(run, 0)) for run, count in summaries.items())


if __name__ == "__main__":  # python tests/live/chaos.py ROUNDS [SEED]
    import tempfile

    root = Path(tempfile.mkdtemp()) / "책상"
    root.mkdir()
    space = rig.Workspace(root, rig.scratch_state())
    began = time.monotonic()
    try:
        print(run(space, int(sys.argv[1]), int((sys.argv[2:] or ["1"])[0])), f"{time.monotonic() - began:.0f} s")
    finally:
        print(space.end_all(), os.getpid())

"""What starting costs: the interpreter, `inv` bare, and `inv` with our tasks."""

from __future__ import annotations

import sys
from pathlib import Path

from bare import bare, inv
from peers import autosys
from room import independent, outside_environment, room
from timing import Command, in_turn

REPOSITORY = Path(__file__).resolve().parent.parent


def measure(child: Path, *, times: int) -> dict[str, object]:
    """Milliseconds of each; what does not exist yet is absent."""
    with bare() as nothing:
        commands = {
            "python -c pass": Command([sys.executable, "-c", "pass"], nothing, outside_environment()),
            "bare inv --version": inv(nothing, "--version"),
            "bare inv noop": inv(nothing, "noop"),
            "bare inv --list": inv(nothing, "--list"),
        }
        if autosys.version() is None:
            return dict(in_turn(commands, times=times))
        with room(autosys, child, independent(1)) as made:
            commands["inv --list"] = Command([autosys.tool("inv"), "--list"], made.folder, made.env)
            commands["autosys --list"] = Command([autosys.tool("autosys"), "--list"], made.folder, made.env)
            if (REPOSITORY / "tasks.py").exists():
                commands["python tasks.py --list"] = _through_tasks_py()
            return dict(in_turn(commands, times=times))


def _through_tasks_py() -> Command:
    return Command([sys.executable, "tasks.py", "--list"], REPOSITORY, outside_environment())

"""Reads a task as a job that this worker can do: ping, wait, command. Pure: starts nothing, asks nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from autosys_tasks.services.worker.commands import Command, Unfit, fill

WAIT_MAX_S = 86_400.0


class Job(NamedTuple):
    """What to do: let `pause_s` pass, or run `argv` in `cwd`; ended the hard way after `timeout_s`."""

    timeout_s: float
    pause_s: float = 0.0
    argv: tuple[str, ...] = ()
    cwd: str = "."


def kinds(commands: Mapping[str, Command]) -> dict[str, list[str] | None]:
    """What this worker serves, as the server wants to hear it."""
    known: dict[str, list[str] | None] = {"ping": None, "wait": None}
    return {**known, "command": sorted(commands)} if commands else known


def parse_job(task: Mapping[str, object], commands: Mapping[str, Command]) -> Job:
    """The job in a leased task; Unfit when its payload is not what its kind wants."""
    payload, timeout_s = task.get("payload"), float(str(task.get("timeout_seconds")))
    if not isinstance(payload, dict):
        raise Unfit("the payload is no object")
    match task.get("kind"):
        case "ping":
            _only(payload, set())
            return Job(timeout_s)
        case "wait":
            _only(payload, {"seconds"})
            return Job(timeout_s, pause_s=_seconds(payload.get("seconds", 1)))
        case "command":
            _only(payload, {"name", "arguments"})
            return _command_job(payload, timeout_s, commands)
        case other:
            raise Unfit(f"this worker does not know the kind `{other}`")


def _command_job(payload: Mapping[str, object], timeout_s: float, commands: Mapping[str, Command]) -> Job:
    command = commands.get(str(payload.get("name")))
    if command is None:
        raise Unfit(f"`name` must be one of the allowed commands: {', '.join(sorted(commands)) or 'none'}")
    argv = fill(command, payload.get("arguments"))
    return Job(min(timeout_s, command.timeout_s or timeout_s), argv=tuple(argv), cwd=command.cwd)


def _only(payload: Mapping[str, object], known: set[str]) -> None:
    unknown = sorted(set(payload) - known)
    if unknown:
        names = ", ".join(sorted(known)) or "none"
        raise Unfit(f"unknown field `{unknown[0][:64]}` in the payload; known: {names}")


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= WAIT_MAX_S:
        raise Unfit(f"`seconds` must be a number from 0 to {WAIT_MAX_S:g}")
    return float(value)

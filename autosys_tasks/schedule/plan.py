"""Decides what is to be registered and removed, from what the schedulers say. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from autosys_tasks.core.plan import Plan, Step
from autosys_tasks.schedule.values import Seen

REGISTER, UPDATE, REMOVE = "register", "update", "remove"
BEST = ("registered", "differs", "missing", "unknown")  # what counts of one entry in several mechanisms


def best(seen: Iterable[Seen]) -> Seen:
    """What holds of an entry that several mechanisms were asked about; unknown only when none could tell."""
    told = list(seen)
    chosen = min(told, key=lambda each: BEST.index(each.state))
    if chosen.state == "unknown":
        return chosen._replace(why="; ".join(each.why for each in told if each.why), mechanism="")
    return chosen


def to_register(seen: Mapping[str, Seen]) -> Plan:
    """Register what is missing, renew what differs; what cannot be asked about is registered, and asked again."""
    steps = [_step(each) for each in seen.values() if each.state != "registered"]
    return Plan("schedule.register", tuple(steps))


def _step(seen: Seen) -> Step:
    if seen.state == "differs":
        return Step(UPDATE, seen.name, seen.why)
    return Step(REGISTER, seen.name, "not registered" if seen.state == "missing" else f"not known: {seen.why}")


def to_remove(seen: Mapping[str, Seen]) -> Plan:
    """Remove whatever is there."""
    there = [each for each in seen.values() if each.state in ("registered", "differs")]
    steps = tuple(Step(REMOVE, each.name, f"registered with {each.mechanism}") for each in there)
    return Plan("schedule.unregister", steps)

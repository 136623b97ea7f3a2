"""Decides what is to be registered and removed, from what the schedulers say. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from autosys_tasks.core.clock import span
from autosys_tasks.core.plan import Plan, Step
from autosys_tasks.schedule.values import AtLogon, Entry, Every, Seen

REGISTER, UPDATE, REMOVE, START = "register", "update", "remove", "start"
BEST = ("registered", "differs", "unknown", "missing")  # what counts of one entry in several mechanisms


def best(seen: Iterable[Seen]) -> Seen:
    """What holds of an entry that several mechanisms were asked about; missing only when none of them may have it."""
    told = list(seen)
    chosen = min(told, key=lambda each: BEST.index(each.state))
    if chosen.state != "unknown":
        return chosen
    return chosen._replace(why="; ".join(each.why for each in told if each.state == "unknown"), mechanism="")


def to_register(seen: Mapping[str, Seen]) -> Plan:
    """Register what is missing, renew what differs; what cannot be asked about is registered, and asked again."""
    steps = [_step(each) for each in seen.values() if each.state != "registered"]
    return Plan("schedule.register", tuple(steps))


def _step(seen: Seen) -> Step:
    if seen.state == "differs":
        return Step(UPDATE, seen.name, seen.why)
    return Step(REGISTER, seen.name, "not registered" if seen.state == "missing" else f"not known: {seen.why}")


def to_remove(seen: Mapping[str, Seen]) -> Plan:
    """Remove whatever is there, or may be."""
    there = [each for each in seen.values() if each.state != "missing"]
    return Plan("schedule.unregister", tuple(Step(REMOVE, each.name, _why_removed(each)) for each in there))


def _why_removed(seen: Seen) -> str:
    return f"not known: {seen.why}" if seen.state == "unknown" else f"registered with {seen.mechanism}"


def to_keep(entries: Iterable[Entry], keeper: int | None) -> Plan:
    """What a keeper of the times would start, and when; nothing where one lives (`keeper`: its pid)."""
    if keeper is not None:
        return Plan("schedule.keep", (), (f"the times of this workspace are kept already (pid {keeper})",))
    return Plan("schedule.keep", tuple(Step(START, entry.name, _when(entry)) for entry in entries))


def _when(entry: Entry) -> str:
    when = entry.when
    if isinstance(when, AtLogon):
        return f"once, {span(when.delay_s)} after it began"
    return f"every {span(when.every_s)}" if isinstance(when, Every) else f"every day at {when.at}"

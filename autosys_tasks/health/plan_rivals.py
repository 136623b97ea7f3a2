"""Judges who else starts this workspace, and says what becomes of each. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from autosys_tasks.core.verdict import NG, OK, UNKNOWN, Fix
from autosys_tasks.health.values import Finding, Scene
from autosys_tasks.schedule.values import Rival, RivalsSeen

REMEDY = Fix(("inv", "health", "--fix", "--only", "rivals"))
ALONE = "nothing of ours starts it yet: inv schedule.register"


def of_rivals(scene: Scene, name: str, seen: RivalsSeen) -> Finding:
    """Nothing but our own entries starts this workspace; a place that cannot be read is not a place without rivals."""
    evidence = f"looked at {', '.join(seen.looked)}" if seen.looked else "no evidence"
    unread = "; ".join(seen.troubles)
    if seen.rivals:
        more = ([] if seen.registered else [ALONE]) + ([unread] if unread else [])
        return Finding(NG, evidence, "; ".join([*map(_line, seen.rivals), *more]), _fix(seen.rivals))
    if unread or not seen.looked:
        again = "when that can be read: inv health --only rivals"
        return Finding(UNKNOWN, evidence, unread or "no place was looked at", Fix(text=again))
    return Finding(OK, evidence)


def _line(rival: Rival) -> str:
    by_hand = f" (an administrator removes it: {rival.starter.by_hand})" if rival.starter.by_hand else ""
    return f"{rival.starter.where} starts this workspace too: {rival.why}{by_hand}"


def _fix(rivals: Iterable[Rival]) -> Fix:
    """The command when any of them is this user's to remove; else what an administrator types."""
    by_hand = [rival.starter.by_hand for rival in rivals]
    return Fix(text=f"as an administrator: {'; '.join(by_hand)}") if all(by_hand) else REMEDY

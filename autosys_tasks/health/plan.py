"""Judges what was seen, and plans the fixes of what is red. Pure: facts and the moment come as arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from autosys_tasks.config.model import Config
from autosys_tasks.core.plan import Outcome, Plan, Step
from autosys_tasks.core.verdict import NG, OK, SKIP, UNKNOWN, Check, Fix
from autosys_tasks.health import plan_autostart, plan_backup, plan_rivals, plan_service, plan_things
from autosys_tasks.health.values import Finding, Look, Scene, Seen, ServiceSeen
from autosys_tasks.supervise.plan import decide_all
from autosys_tasks.supervise.values import Now

Judge = Callable[[Scene, str, Any], Finding]
# rivals and copies first: they may start something, or hold a port
ORDER = (
    "rivals", "duplicates", "upgrade", "bringup", "down", "restart", "watchdog", "schedule.register", "vscode.sync",
    "backup",
    "backup.drill",
)  # fmt: skip


# --- the page ---------------------------------------------------------------------------------------------


def page(config: Config, looks: Sequence[Look], seen: Mapping[str, Seen], now: Now) -> list[Check]:
    """A check for every look: what was seen judged, what raised NG, what came too late UNKNOWN."""
    brought = {look.name: seen[look.id].facts for look in looks if look.kind == "service"}
    facts = {name: found.facts for name, found in brought.items() if isinstance(found, ServiceSeen)}
    scene = Scene(config, now, facts, decide_all(config.services, facts, now, config.watchdog))
    return [check(scene, look, seen[look.id]) for look in looks]


def check(scene: Scene, look: Look, seen: Seen) -> Check:
    """One look judged."""
    found = _found(scene, look, seen)
    return Check(look.id, look.title, found.verdict, found.evidence, found.why, found.fix, seen.ms)


def _found(scene: Scene, look: Look, seen: Seen) -> Finding:
    again = f"inv health --only {look.id}"
    if seen.late:
        why = f"`{look.id}` did not answer within {look.within_s:g} s"
        return Finding(UNKNOWN, "no answer", why, Fix(text=again))
    if seen.error:
        return _failed(seen.error, seen.hint or again)
    try:
        return JUDGES[look.kind](scene, look.name, seen.facts)
    except Exception as error:  # noqa: BLE001 (a judgement that fails is a red, never a default)
        return _failed(f"{type(error).__name__}: {error}", again)


def _failed(said: str, hint: str) -> Finding:
    return Finding(NG, "the check itself failed", f"check error: {said}", Fix(text=hint))


JUDGES: dict[str, Judge] = {
    "config": plan_things.of_config,
    "service": plan_service.judged,
    "watchdog": plan_things.of_watch,
    "environment": plan_things.of_environment,
    "upgrade": plan_things.of_upgrade,
    "outputs": plan_things.of_output,
    "probe": plan_things.of_probe,
    "disk": plan_things.of_disk,
    "duplicates": plan_things.of_copies,
    "vscode": plan_things.of_editor,
    "autostart": plan_autostart.of_autostart,
    "rivals": plan_rivals.of_rivals,
    "backup": plan_backup.of_backup,
}


# --- the fixes --------------------------------------------------------------------------------------------


def fixes(checks: Iterable[Check]) -> Plan:
    """The declared-safe fixes of what is NG, each remedy once; what only a person can mend becomes a note."""
    steps: dict[tuple[str, ...], Step] = {}
    notes = []
    for each in checks:
        if each.verdict != NG or each.fix is None:
            continue
        if each.fix.command:
            step = Step("fix", each.id, each.why, {"command": list(each.fix.command)})
            steps.setdefault(each.fix.command, step)
        else:
            notes.append(f"{each.id}: {each.why} -> {each.fix.text}")
    ordered = sorted(steps.values(), key=lambda step: ORDER.index(remedy_of(step)))
    return Plan("health", tuple(ordered), tuple(notes))


def command_of(step: Step) -> tuple[str, ...]:
    """The command that a fix runs."""
    command = step.detail["command"]
    assert isinstance(command, list)
    return tuple(command)


def remedy_of(step: Step) -> str:
    """What a fix runs, by the word that tells it apart: a task of ours, or the check that is its own remedy."""
    command = command_of(step)
    return command[-1] if command[1] == "health" else command[1]


def looked_again(first: Iterable[Check], second: Iterable[Check], outcomes: Iterable[Outcome]) -> list[Check]:
    """The second page, each check that was NG marked with what became of it."""
    was = {each.id: each for each in first if each.verdict == NG}
    ended = {command_of(outcome.step): outcome.ok for outcome in outcomes}
    return [
        each._replace(fixed=_fixed(was[each.id], each, ended)) if each.id in was else each for each in second
    ]


def _fixed(before: Check, after: Check, ended: Mapping[tuple[str, ...], bool | None]) -> str:
    """Only a look proves a fix: a command that ended well and changed nothing is `unverified`."""
    if after.verdict in (OK, SKIP):
        return "verified"
    ok = ended.get(before.fix.command) if before.fix and before.fix.command else None
    return {None: "not_applied", False: "failed", True: "unverified"}[ok]

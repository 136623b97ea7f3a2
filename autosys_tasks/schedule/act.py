"""Registers and removes entries, with the first mechanism that this user may use, and proves it by asking again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from autosys_tasks.core.errors import AutosysError
from autosys_tasks.core.plan import Outcome, Plan, Step
from autosys_tasks.schedule import registered_entries, registered_ids
from autosys_tasks.schedule.look import Mechanism, mechanisms, see
from autosys_tasks.schedule.plan import REMOVE
from autosys_tasks.schedule.values import Entry, Site
from autosys_tasks.supervise.state import Place


def carry_out(
    site: Site, entries: Iterable[Entry], plan: Plan, tell: Callable[[Outcome], None] = lambda outcome: None
) -> list[Outcome]:
    """Each step to its end; an outcome is good only when the scheduler itself says so afterwards."""
    by_name, outcomes = {entry.name: entry for entry in entries}, []
    for step in plan.steps:
        began = time.monotonic()
        ok, detail = _try(site, by_name[step.target], step)
        outcomes.append(Outcome(step, ok, detail, round((time.monotonic() - began) * 1000)))
        tell(outcomes[-1])
    return outcomes


def remember(
    place: Place, site: Site, entries: Iterable[Entry], outcomes: Iterable[Outcome], *, registered: bool
) -> None:
    """Note what a person wants from now on. What is wanted and could not be registered is missed, not forgotten."""
    names, failed = {entry.name for entry in entries}, {each.step.target for each in outcomes if each.ok is False}
    registered_entries.note(place, names if registered else names - failed, registered=registered)
    if registered and names - failed:
        registered_ids.add(site.folder, site.id)
    elif not (registered or failed or registered_entries.read(place)):
        registered_ids.forget(site.folder, [site.id])


def _try(site: Site, entry: Entry, step: Step) -> tuple[bool, str]:
    try:
        detail = _remove(site, entry.name, mechanisms()) if step.kind == REMOVE else _install(site, entry)
    except AutosysError as error:
        return False, "; ".join(filter(None, (error.message, error.hint)))
    except (OSError, ValueError) as error:
        return False, str(error)
    now = see(site, [entry])[entry.name]
    wanted = "missing" if step.kind == REMOVE else "registered"
    if now.state == wanted:
        return True, detail
    kept = f" (left as it is, since a person made it: {now.by_hand})" if now.by_hand else ""
    return False, f"{detail}; yet it {now.state if now.by_hand else f'is {now.state}'}: {now.why}{kept}"


def _install(site: Site, entry: Entry) -> str:
    reasons: list[str] = []
    known = mechanisms()
    for number, mechanism in enumerate(known):
        reason = mechanism.why_not()
        if not reason:
            try:
                said = mechanism.install(site, entry)
            except PermissionError as error:
                reason = f"refused: {error.strerror or error}"
            else:
                _remove(site, entry.name, known[number + 1 :])  # a fallback of an earlier day would start it twice
                return "; ".join([*reasons, f"{mechanism.NAME}: {said}"])
        reasons.append(f"{mechanism.NAME}: {reason}")
    raise OSError("; ".join(reasons))


def _remove(site: Site, name: str, known: list[Mechanism]) -> str:
    """Remove the entry from each of these mechanisms; an error of one does not stop the others."""
    return "; ".join(f"{mechanism.NAME}: {_removed(mechanism, site, name)}" for mechanism in known)


def _removed(mechanism: Mechanism, site: Site, name: str) -> str:
    try:
        return mechanism.remove(site, name)
    except (AutosysError, OSError) as error:
        return str(error)

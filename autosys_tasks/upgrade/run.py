"""An upgrade from beginning to end: one at a time, planned under its turn, carried out, and looked at again.

What only an install needs is imported when there is one: nearly always there is nothing to do.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autosys_tasks import host
from autosys_tasks.core.errors import Busy, unknown_name
from autosys_tasks.core.files import make_folder
from autosys_tasks.core.journal import Journal
from autosys_tasks.core.plan import Outcome, Plan, Step
from autosys_tasks.supervise import turnstile
from autosys_tasks.supervise.house import House
from autosys_tasks.upgrade import look, plan, stamps
from autosys_tasks.upgrade.memory import Memory
from autosys_tasks.upgrade.values import Facts

if TYPE_CHECKING:
    from autosys_tasks.upgrade.commands import Tools

RESTART_S = 120.0
Tell = Callable[[Outcome], None]


class Report(NamedTuple):
    """How an upgrade ended: what was done, what is still stale, and what a person should know."""

    outcomes: tuple[Outcome, ...]
    stale: tuple[str, ...]  # environments, each with why
    notes: tuple[str, ...]
    seconds: float

    @property
    def code(self) -> int:
        """3 when something failed or is still stale."""
        return 3 if self.stale or any(outcome.ok is False for outcome in self.outcomes) else 0


def facts_of(house: House, memory: Memory) -> Facts:
    """Everything that a plan is made from; who runs is asked only where a restart may follow."""
    found = look.look(house, memory, look.ignored_by_git)
    stale = any(each.why for each in plan.explained(found, force=False))
    asked = any(service.restart_on for service in house.config.services.values()) and found.pulled.files
    return found._replace(running=look.running(house)) if stale or asked else found


def planned(house: House, only: Collection[str] = (), *, force: bool = False) -> tuple[Plan, Facts]:
    """What an upgrade would do now, and from what that follows; changes nothing."""
    facts = facts_of(house, Memory(house.place, house.config.path))
    if force:
        facts = facts._replace(running=look.running(house))
    chosen(facts, only)
    return plan.plan(facts, house.config.services, only=only, force=force), facts


def chosen(facts: Facts, only: Iterable[str]) -> None:
    """Raises UsageError for an environment that nobody declared and nothing was discovered of."""
    known = [seen.name for seen in facts.environments]
    for name in only:
        if name not in known:
            raise unknown_name("environment", name, known)


def upgrade(
    house: House, only: Collection[str] = (), *, force: bool = False, wait_s: float = 0.0, turns: bool = True,
    tell: Tell = lambda outcome: None, tools: Tools | None = None,
) -> Report:  # fmt: skip
    """Do it. Raises Busy when another upgrade is at work (after `wait_s`), UsageError for an unknown name.

    `turns`: False when the caller has the turn of services already.
    """
    began = time.monotonic()
    with turnstile.acting(house.place, "upgrade", wait_s=wait_s, turn=turnstile.UPGRADES):
        lock = lock_of(house)
        try:
            return _upgraded(house, only, force, began, turns, tell, tools, lock)
        finally:
            lock.release()


def lock_of(house: House) -> host.Lock:
    """What every install holds while it runs, also after whoever started it was killed."""
    make_folder(Path(stamps.folder(house.place)))
    lock = host.take_lock(f"{stamps.folder(house.place)}/installing.lock", wait_s=0.2)
    if lock is None:
        raise Busy("an install goes on whose upgrade was ended", hint="wait for it, then type the same again")
    return lock


def _upgraded(
    house: House, only: Collection[str], force: bool, began: float, turns: bool, tell: Tell, tools: Tools | None,
    lock: host.Lock,
) -> Report:  # fmt: skip
    back = _recovered(house)
    todo, facts = planned(house, only, force=force)
    journal = Journal(house.outputs, "upgrade", host.open_append, file="upgrade")
    try:
        for outcomes in _carried_out(house, todo, facts, force, turns, tools, lock):
            for outcome in outcomes:
                journal.add(outcome)
                tell(outcome)
        report = _report(house, only, journal, todo, back, began)
    except BaseException:
        journal.close(ok=False, detail="interrupted")
        raise
    journal.close(ok=not report.code, detail=verdict(report), ms=round(report.seconds * 1000))
    return report


def _recovered(house: House) -> list[str]:
    """The environments that were put back, because an upgrade of them had been cut short."""
    names = [name for name in stamps.known_names(house.place) if stamps.read_record(house.place, name).pending]
    if not names:
        return []
    from autosys_tasks.upgrade import act

    return act.recover(house, names)


def _carried_out(
    house: House, todo: Plan, facts: Facts, force: bool, turns: bool, tools: Tools | None, lock: host.Lock
) -> Iterable[list[Outcome]]:
    """Scripts, then each environment with the services that run in it, then the other restarts."""
    if not todo.steps:
        return
    from autosys_tasks.upgrade import act, build

    restarts = {step.target: step for step in todo.steps if step.kind == "restart"}
    seen = {each.name: each for each in facts.environments}
    installs = [step for step in todo.steps if step.kind == "install"]
    ready = look.ready(house, restarts) if installs and restarts else frozenset()
    for step in installs:
        environment = seen[step.target].environment
        bound = [n for n in restarts if plan.is_bound(house.config.services[n], environment)]
        steps = tuple(restarts.pop(name) for name in bound)
        found = tools or build.found_tools(house.base.get("PATH", ""), house.config.path)
        yield act.install(act.Job(house, seen[step.target], step, steps, ready, found, lock, turns, force))
    if restarts:
        yield _restarted(house, list(restarts.values()), turns)


def _restarted(house: House, steps: list[Step], turns: bool) -> list[Outcome]:
    from autosys_tasks.supervise import runs
    from autosys_tasks.upgrade import act

    names = [step.target for step in steps]
    with act.turn(house) if turns else contextlib.nullcontext():
        report = runs.restart(house, names, timeout_s=RESTART_S)
    ended = {name: report.decisions[name] for name in names}
    return [
        Outcome(step, step.target not in report.not_so, f"{ended[step.target].state}, {ended[step.target].reason}")
        for step in steps
    ]


def _report(house: House, only: Collection[str], journal: Journal, todo: Plan, back: list[str], began: float) -> Report:
    """Looked at again: only that look says that nothing is stale."""
    memory = Memory(house.place, house.config.path)
    after = look.look(house, memory, look.ignored_by_git)
    memory.save()
    stale = [f"{each.name}: {'; '.join(each.why)}" for each in plan.explained(after, only=only) if each.why]
    notes = [f"{name}: an upgrade had been cut short, what was there before it was put back" for name in back]
    return Report(tuple(journal.outcomes), tuple(stale), (*notes, *todo.notes), time.monotonic() - began)


def verdict(report: Report) -> str:
    """The whole in one line."""
    bad = [outcome for outcome in report.outcomes if outcome.ok is False]
    if bad:
        return f"NG: {', '.join(f'{each.step.kind} {each.step.target}' for each in bad)} failed"
    if report.stale:
        return f"NG: still stale: {'; '.join(report.stale)}"
    return "OK: everything is as the files want it" if not report.outcomes else f"OK: {len(report.outcomes)} done"

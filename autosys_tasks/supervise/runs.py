"""The four kinds of runs: bring up, tick, stop, restart. Each ends with a report of the state afterwards."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from autosys_tasks import host
from autosys_tasks.config.model import Service
from autosys_tasks.core.clock import counted
from autosys_tasks.core.errors import StateError, unknown_name
from autosys_tasks.core.files import check_writable, remove_unfinished
from autosys_tasks.core.journal import Journal
from autosys_tasks.core.parallel import run_parallel
from autosys_tasks.core.plan import Outcome, Plan, Step
from autosys_tasks.supervise import act, logs, look, plan, stopping
from autosys_tasks.supervise.house import House
from autosys_tasks.supervise.keeper import Keeper
from autosys_tasks.supervise.order import closure
from autosys_tasks.supervise.state import now, read_record, read_wanted, write_record
from autosys_tasks.supervise.values import GUARD, Decision, Facts, label

TICK_BUDGET_S = 45.0  # a tick never meets the next one
Show = Callable[[dict[str, Decision], dict[str, Facts]], None]


class Report(NamedTuple):
    """How a run ended: what was done, what each service is now, and what is not as wanted."""

    services: Mapping[str, Service]
    outcomes: tuple[Outcome, ...]
    decisions: dict[str, Decision]
    facts: dict[str, Facts]
    not_so: tuple[str, ...]
    seconds: float


def chosen(house: House, names: Iterable[str]) -> list[str]:
    """The services that were named, or all; raises UsageError for a name that nobody declared."""
    names = list(names)
    for name in names:
        if name not in house.config.services:
            raise unknown_name("service", name, house.config.services)
    return names or list(house.config.services)


def plan_up(house: House, names: Iterable[str], *, asked: bool, guard: bool, task: str = "bringup") -> Plan:
    """What a bring-up would do now; changes nothing."""
    services, named, dog = house.services, list(names), house.config.watchdog
    scope = closure(services, chosen(house, named)) | ({GUARD} if guard and GUARD in services else set())
    facts = look.look(house, scope, ask=True)
    moment = now()
    wanted = plan.asked_for(services, facts, moment, dog, named) if asked else ()
    decisions = plan.decide_all(services, facts, moment, dog, asked=wanted)
    made = plan.plan(services, facts, decisions, moment, task)
    return made._replace(notes=(*(woken(house, named) if asked else ()), *made.notes))


def woken(house: House, names: Iterable[str]) -> list[str]:
    """Of what these depend on, who was stopped by a person: a note, because a bring-up of these wants it up again."""
    names = list(names)
    needed = {name: closure(house.services, [name]) for name in names}
    stopped = sorted(
        other for other in set().union(*needed.values()) - set(names) if not read_wanted(house.place, other).up
    )
    return [
        f"{other}: was stopped by a person, and is wanted again: "
        f"{', '.join(name for name in names if other in needed[name])} depends on it"
        for other in stopped
    ]


def bring_up(
    house: House,
    names: Iterable[str],
    *,
    wanted_only: bool,
    guard: bool,
    timeout_s: float,
    show: Show = lambda decisions, facts: None,
) -> Report:
    """Start what is not up, in dependency order, until each is ready or has failed for now.

    Raises StateError, before anything is started, where no log or record can be written.
    """
    named = list(names)
    scope = closure(house.services, chosen(house, named))
    _must_be_writable(house)
    asked: set[str] = set() if wanted_only else set(scope)
    if GUARD in house.services:
        if guard:
            scope |= {GUARD}
            asked |= set() if wanted_only else {GUARD}
        elif not wanted_only and look.look_at_one(house, GUARD).leader is None:  # one that watches goes on
            act.want(house, [GUARD], up=False)
    act.want(house, asked, up=True)
    facts = look.look(house, scope, ask=True)
    asked &= plan.asked_for(house.services, facts, now(), house.config.watchdog, named)
    return _keep_until_settled(
        house, scope, asked=asked, task="bringup", budget_s=timeout_s, show=show, facts=facts
    )


def _must_be_writable(house: House) -> None:
    """Raises StateError when the folders cannot be written: else every service would fail to start, with retries."""
    for folder in (house.outputs, house.outputs / "logs", Path(house.place.folder)):
        check_writable(folder)


def tick(house: House, stale: Collection[str] = ()) -> Report:
    """One pass of the watchdog: look, heal what is due, wait (bounded) until that is ready, rotate logs.

    `stale`: environments that an upgrade could not mend; such a tick is red in the journal too.
    """
    scope = set(house.services)
    report = _keep_until_settled(house, scope, asked=set(), task="watchdog", budget_s=TICK_BUDGET_S, stale=stale)
    rotate(house)
    return report


def rotate(house: House) -> None:
    """Keep every log within its limit, and remove scratch files of killed writers from the state and output folders."""
    trim(house)
    remove_unfinished(house.place.folder, below=2)  # services/NAME
    remove_unfinished(house.outputs)


def trim(house: House) -> float:
    """Keep every log within its limit; how many times its limit the fullest of them has lost."""
    managed = [(house.log(name), each) for name, each in house.services.items() if each.managed]
    went = (logs.rotate_running(log, each.log_max, each.log_keep) / max(1, each.log_max) for log, each in managed)
    return max(went, default=0.0)


def _keep_until_settled(
    house: House,
    scope: Collection[str],
    *,
    asked: Collection[str],
    task: str,
    budget_s: float,
    show: Show = lambda decisions, facts: None,
    facts: dict[str, Facts] | None = None,
    stale: Collection[str] = (),
) -> Report:
    began = time.monotonic()
    with Journal(house.outputs, task, host) as journal:
        keeper = Keeper(house, scope, asked=asked, tell=journal.add)
        try:
            keeper.take(facts or look.look(house, scope, ask=True))
            _turn(keeper, began + budget_s, show)
            if journal.outcomes and _ask_watched(house, keeper):
                _turn(keeper, began + budget_s, show)
            show(keeper.decisions, keeper.facts)
            report = _report(house, keeper, journal, time.monotonic() - began)
        finally:
            keeper.close()
        if journal.outcomes:
            host.ring(house.place.bell)  # the guard has new ones to watch
        detail = _verdict(len(keeper.decisions) - len(report.not_so), report.not_so)
        detail += f", stale: {', '.join(stale)}" if stale else ""
        ok, ms = not (report.not_so or stale), round(report.seconds * 1000)
        journal.close(ok=ok, detail=detail, ms=ms, not_so=report.not_so)
    return report


def _turn(keeper: Keeper, until: float, show: Show) -> None:
    while not keeper.settled() and time.monotonic() < until:
        show(keeper.decisions, keeper.facts)
        keeper.turn(0.25)


def _verdict(ready: int, not_so: tuple[str, ...]) -> str:
    return f"{ready} as wanted" + (f", not so: {', '.join(map(label, not_so))}" if not_so else "")


def _report(house: House, keeper: Keeper, journal: Journal, seconds: float) -> Report:
    not_so = _not_so(house, keeper)
    return Report(house.services, tuple(journal.outcomes), keeper.decisions, keeper.facts, not_so, seconds)


def _not_so(house: House, keeper: Keeper) -> tuple[str, ...]:
    return tuple(
        name
        for name, decision in keeper.decisions.items()
        if decision.state != "stopped" and not plan.satisfied(house.services[name], keeper.facts[name], decision)
    )


def _ask_watched(house: House, keeper: Keeper) -> bool:
    """Probe unmanaged services that failed once more: a service that was just started may answer for them."""
    names = [name for name in _not_so(house, keeper) if not house.services[name].managed]
    if names:
        keeper.take({**keeper.facts, **look.look(house, names, ask=True)})
    return bool(names)


def facts_to_stop(house: House, names: Iterable[str]) -> dict[str, Facts]:
    """Facts about the named services; without names, about all that have ever run here."""
    named = list(names)
    scope, marks = chosen(house, named), look.Marks(house)
    if not named:
        undeclared = [name for name in look.traces(house, marks) if name not in house.config.services]
        scope = [*undeclared, *scope, GUARD]
    return look.look(house, [name for name in scope if house.service(name).managed], marks=marks)


def plan_down(house: House, names: Iterable[str]) -> Plan:
    """What a `down` would stop now; changes nothing."""
    names = list(names)
    services = {**house.config.services, GUARD: house.guard}
    found = plan.plan_down(services, facts_to_stop(house, names))
    return found._replace(notes=tuple(not_ours(house, names)))


def take_down(house: House, names: Iterable[str], tell: Callable[[Outcome], None] = lambda o: None) -> Report:
    """Write that they are wanted down; then stop them, dependents before their dependencies, whole process trees.

    Raises StateError, when all is stopped, where it could not be written that it shall stay so.
    """
    began = time.monotonic()
    names = list(names)
    scope = [name for name in chosen(house, names) if house.config.services[name].managed]
    unkept: StateError | None = None
    try:
        act.want(house, [*scope, *([] if names else [GUARD])], up=False)
    except StateError as error:
        unkept = error
    with Journal(house.outputs, "down", host) as journal:
        facts = facts_to_stop(house, names)
        if not names and GUARD in facts:
            _stop_all(house, {GUARD: facts.pop(GUARD)}, journal, tell)
        _stop_in_order(house, facts, journal, tell)
        failed = tuple(outcome.step.target for outcome in journal.outcomes if outcome.ok is False)
        seconds = time.monotonic() - began
        detail = f"still running: {', '.join(failed)}" if failed else "stopped"
        if unkept:
            said = f"{unkept.message}; {detail}, but not to stay so: the guard or the next tick starts it again"
            raise StateError(said, where=unkept.where, hint=unkept.hint) from unkept
        journal.close(ok=not failed, detail=detail, ms=round(seconds * 1000))
    return Report(house.services, tuple(journal.outcomes), {}, facts, failed, seconds)


def _stop_in_order(
    house: House, facts: dict[str, Facts], journal: Journal, tell: Callable[[Outcome], None], why: str = plan.ASKED
) -> None:
    """Stop in waves: first the services on which no running one depends, all of a wave at the same time."""
    left = dict(facts)
    while left:
        needed = {d for name in left for d in house.service(name).depends_on if d != name}
        wave = {name: left.pop(name) for name in [n for n in left if n not in needed] or list(left)}
        _stop_all(house, wave, journal, tell, why)


def _stop_all(
    house: House, wave: dict[str, Facts], journal: Journal, tell: Callable[[Outcome], None], why: str = plan.ASKED
) -> None:
    def stop(name: str) -> None:
        outcome = stopping.stop(house, name, why)
        journal.add(outcome)
        tell(outcome)

    living = [name for name, facts in wave.items() if plan.pids_of(facts) or facts.locked]
    run_parallel(*(partial(stop, name) for name in living))


def plan_restart(house: House, names: Iterable[str]) -> Plan:
    """What a `restart` would stop and start; changes nothing."""
    scope, services, moment = chosen(house, names), house.services, now()
    facts = look.look(house, closure(services, scope), ask=True)
    stops = plan.plan_down(services, {name: facts[name] for name in scope if services[name].managed}).steps
    gone = {**facts, **{name: Facts(program=facts[name].program) for name in scope}}
    decisions = plan.decide_all(services, gone, moment, house.config.watchdog, asked=scope)
    after = plan.plan(services, gone, decisions, moment, "restart")
    steps = [
        step._replace(reason=plan.RESTARTED) if step.target in scope else step
        for step in (*stops, *after.steps)
    ]
    return after._replace(steps=tuple(steps), notes=(*not_ours(house, scope), *after.notes))


def not_ours(house: House, names: Iterable[str]) -> list[str]:
    """Of these services, who is only watched: a note, because nothing was done to them."""
    unmanaged = [name for name in names if not house.config.services[name].managed]
    return [f"{name}: only watched (managed = false), never started or stopped" for name in unmanaged]


def restart(house: House, names: Iterable[str], *, timeout_s: float, show: Show = lambda d, f: None) -> Report:
    """Stop, then start; meanwhile the guard leaves them alone (see Wanted.hold).

    Raises StateError, before anything is stopped, where no log or record can be written.
    """
    began = time.monotonic()
    scope = chosen(house, names)
    _must_be_writable(house)
    act.want(house, scope, up=True, hold=True)
    try:
        with Journal(house.outputs, "restart", host) as journal:
            _stop_in_order(house, look.look(house, scope), journal, lambda outcome: None, plan.RESTARTED)
            with contextlib.suppress(StateError):  # what was stopped is started all the same; the next one says it
                journal.close(ok=True, detail="stopped")
        report = _keep_until_settled(
            house, closure(house.services, scope), asked=set(scope), task="restart", budget_s=timeout_s, show=show
        )
    finally:
        act.want(house, scope, up=True)
    return report._replace(outcomes=(*journal.outcomes, *report.outcomes), seconds=time.monotonic() - began)


def pause(house: House, names: Iterable[str], task: str) -> tuple[Outcome, ...]:
    """Stop these for a while (`task` says for what): they stay wanted, and nobody else starts them until `resume`.

    What a person does not want up is none of it.
    """
    scope = [name for name in names if read_wanted(house.place, name).up]
    act.want(house, scope, up=True, hold=True)
    with Journal(house.outputs, task, host) as journal:
        _stop_in_order(house, look.look(house, scope), journal, lambda outcome: None, plan.PAUSED + task)
        failed = [outcome.step.target for outcome in journal.outcomes if outcome.ok is False]
        journal.close(ok=not failed, detail=f"still running: {', '.join(failed)}" if failed else "stopped for a while")
    return tuple(journal.outcomes)


def resume(house: House, names: Iterable[str], task: str, *, timeout_s: float) -> Report:
    """Start what `pause` has stopped, until each is ready; what a person stopped meanwhile stays stopped."""
    me = host.identity(os.getpid())
    scope = [name for name in names if read_wanted(house.place, name).hold == me]
    try:
        wanted = closure(house.services, scope)
        return _keep_until_settled(house, wanted, asked=set(scope), task=task, budget_s=timeout_s)
    finally:
        act.want(house, [name for name in scope if read_wanted(house.place, name).hold == me], up=True)


def plan_reset(house: House, name: str) -> Plan:
    """What `watchdog --reset` would forget; changes nothing."""
    chosen(house, [name])
    facts = look.look_at_one(house, name)
    failed = facts.record.starts if facts.record and facts.leader is None else 0
    steps = (Step("reset", name, f"{counted(failed, 'start')} of it in a row failed"),) if failed else ()
    return Plan("watchdog", steps, () if steps else (f"{name}: nothing to clear",))


def reset(house: House, name: str) -> list[Outcome]:
    """Forget a service's failed starts, so that it is tried again at once."""
    steps = plan_reset(house, name).steps
    lock = host.take_lock(house.place.lock(name)) if steps else None
    if lock is None:
        return []
    try:
        record, _corrupt = read_record(house.place, name, locked=True)
        if record is not None:
            write_record(house.place, name, record._replace(starts=0))
    finally:
        lock.release()
    host.ring(house.place.bell)
    return [Outcome(step, True, "its failed starts are forgotten") for step in steps]

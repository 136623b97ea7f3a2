"""An upgrade from beginning to end: one at a time, planned under its turn, carried out, and looked at again.

What only an install needs is imported when there is one: nearly always there is nothing to do.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autosys_tasks import host
from autosys_tasks.bootstrap import lastgood
from autosys_tasks.core import globs
from autosys_tasks.core.errors import Busy, unknown_name
from autosys_tasks.core.files import make_folder
from autosys_tasks.core.journal import Journal
from autosys_tasks.core.parallel import run_parallel
from autosys_tasks.core.plan import Outcome, Plan, Step
from autosys_tasks.supervise import run_lock
from autosys_tasks.supervise.house import House
from autosys_tasks.upgrade import changes, look, plan, stamps
from autosys_tasks.upgrade.changes import Changes, GitReport
from autosys_tasks.upgrade.file_cache import FileCache
from autosys_tasks.upgrade.values import STORE, Facts, Kept, Record

if TYPE_CHECKING:
    from autosys_tasks.upgrade.commands import Tools

Tell = Callable[[Outcome], None]
Explain = Callable[[list[str]], None]


class Order(NamedTuple):
    """What was asked for."""

    house: House
    only: Collection[str]
    force: bool
    pull: bool
    turns: bool  # False: the caller has the turn of services already
    tell: Tell
    explain: Explain | None
    tools: Tools | None  # None: those that are found


class Picture(NamedTuple):
    """A plan, what it was made from, and what that was read with."""

    plan: Plan
    facts: Facts
    memory: FileCache
    changes: Changes
    held: str = ""  # why nothing is installed or restarted, though it should be


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


def planned(house: House, only: Collection[str] = (), *, force: bool = False) -> Picture:
    """What an upgrade would do now, and from what that follows; changes nothing."""
    memory, kept = FileCache(house.place, house.config.path), stamps.read_kept(house.place)
    root, scripts = house.config.path, house.config.upgrade.scripts
    begun = (None if kept else stamps.read_baseline(house.place)) or ""
    asked = not only and changes.must_ask_git(root, memory, kept, every=force)
    facts, told = _looked(house, memory, since=(kept.commit if kept else begun) if asked else None)
    must_be_known(facts, only)
    found = Changes() if only else changes.changes_since(root, memory, kept, scripts, told, begun=begun, every=force)
    facts = _explained(facts, kept, found)
    if kept and kept.owed and not only:
        facts = facts._replace(owed=look.owing(house, kept.owed))
    if force or facts.pulled.files or any(each.why for _seen, each in plan.findings(facts)):
        facts = facts._replace(running=look.running(house))  # asked only where a restart may follow
    made = plan.plan(facts, house.config.services, only=only, force=force)
    conflicts = _conflicts(root, told) if made.steps else ()
    less = plan.held_back(made, conflicts)
    return Picture(less, facts, memory, found, plan.held(conflicts) if less != made else "")


def _conflicts(root: str, told: GitReport | None) -> Collection[str]:
    from autosys_tasks.upgrade import history

    return told.history.conflicts if told else history.conflicts(root)


def _looked(house: House, memory: FileCache, *, since: str | None) -> tuple[Facts, GitReport | None]:
    """What the workspace says; and what git says, if that is asked: both take their time, so it is the same time.

    Git works elsewhere. What came is read when the look is over: two threads of Python would wait for one another.
    """
    if since is None:
        return look.look(house, memory), None
    looked = threading.Event()

    def looks() -> Facts:
        try:
            return look.look(house, memory)
        finally:
            looked.set()

    facts, told = run_parallel(looks, lambda: changes.ask(house.config.path, since, looked.wait))
    return facts, told


def _explained(facts: Facts, kept: Kept | None, found: Changes) -> Facts:
    done = kept.restarted.items() if kept else ()
    restarted = frozenset(name for name, commit in done if commit == found.pulled.new)
    notes = (*facts.notes, *found.notes)
    return facts._replace(pulled=found.pulled, scripts=found.scripts, notes=notes, restarted=restarted)


def must_be_known(facts: Facts, only: Iterable[str]) -> None:
    """Raises UsageError for an environment that nobody declared and nothing was discovered of."""
    known = [seen.name for seen in facts.environments]
    for name in only:
        if name not in known:
            raise unknown_name("environment", name, known)


def upgrade(
    house: House,
    only: Collection[str] = (),
    *,
    force: bool = False,
    pull: bool = False,
    wait_s: float = 0.0,
    turns: bool = True,
    tell: Tell = lambda outcome: None,
    explain: Explain | None = None,
    tools: Tools | None = None,
) -> Report:
    """Do it. Raises Busy when another upgrade is at work (after `wait_s`), UsageError for an unknown name.

    `pull`: fetch first, and go forward where that takes nothing away. `turns`: False when the caller has the turn of
    services already. `explain` hears of every environment why it is stale, or why not, before anything is installed.
    """
    order = Order(house, only, force, pull, turns, tell, explain, tools)
    with run_lock.held(house.place, "upgrade", wait_s=wait_s, lock=run_lock.UPGRADES), install_lock(house) as lock:
        return _upgraded(order, lock)


@contextlib.contextmanager
def install_lock(house: House) -> Iterator[host.Lock]:
    """What every install holds while it runs, also after whoever started it was killed; raises Busy."""
    make_folder(Path(stamps.folder(house.place)))
    lock = host.take_lock(f"{stamps.folder(house.place)}/installing.lock", wait_s=0.2)
    if lock is None:
        raise Busy("an install goes on whose upgrade was ended", hint="wait for it, then type the same again")
    try:
        yield lock
    finally:
        lock.release()


def asked_file(house: House) -> str:
    """The file in which a git hook notes the upgrade that it has begun, until that one looks (hook_text.py)."""
    return f"{house.place.folder}/upgrade-asked"


def _upgraded(order: Order, lock: host.Lock) -> Report:
    began, house = time.monotonic(), order.house
    with contextlib.suppress(OSError):
        os.unlink(asked_file(house))  # before the look: what a hook tells from now on needs another one
    with Journal(house.outputs, "upgrade", host, file="upgrade") as journal:

        def tell(outcomes: Iterable[Outcome]) -> None:
            for outcome in outcomes:
                journal.add(outcome)
                order.tell(outcome)

        recovered, stuck = _recovered(house)
        tell(_pulled(house) if order.pull else ())
        seen = planned(house, order.only, force=order.force)
        if order.explain:
            order.explain(plan.explained(seen.facts, only=order.only, force=order.force))
        for outcomes in _carried_out(order, seen, lock, stuck):
            tell(outcomes)
        tell(_started_again(order) if recovered or stuck else ())
        _try_again(house, seen, journal.outcomes)
        stale = _still_stale(order, seen)
        notes = (*recovered, *(note for note in seen.plan.notes if note.removeprefix("NG ") not in stale))
        report = Report(tuple(journal.outcomes), stale, notes, time.monotonic() - began)
        if not order.only:
            _keep(house, seen, report)
        journal.close(ok=not report.code, detail=verdict(report), ms=round(report.seconds * 1000))
    return report


def _keep(house: House, seen: Picture, report: Report) -> None:
    """Remember where the next upgrade begins: here, when everything has ended well."""
    found = seen.changes
    failed = {
        each.step.target: each.detail
        for each in report.outcomes
        if each.ok is False and each.step.kind in plan.OF_SCRIPTS
    }
    restarts = {each.step.target: each.ok for each in report.outcomes if each.step.kind == "restart"}
    in_vain = {name: found.pulled.new for name, ok in restarts.items() if ok is False}
    owed = {name: commit for name, commit in seen.facts.owed.items() if not restarts.get(name)} | in_vain
    before, done = stamps.read_kept(house.place), [name for name, ok in restarts.items() if ok]
    stamps.write_kept(house.place, found.kept(before, failed, done, owed, well=not report.code))


def _pulled(house: House) -> list[Outcome]:
    """Fetch and go forward; what cannot be pulled is a failure, and what is here is upgraded all the same."""
    # All of it before the pull, which may bring other code, and such as does not work.
    from autosys_tasks.upgrade import act, build, scripts  # noqa: F401
    from autosys_tasks.upgrade.pull import pull

    lastgood.keep(house.place.folder)
    began = time.monotonic()
    end = pull(house.config.path)
    detail = f"{end.state}: {end.why}" + (f" -> {end.hint}" if end.hint else "")
    step = Step("pull", house.config.name, "asked for (--pull)")
    return [Outcome(step, end.ok, detail, round((time.monotonic() - began) * 1000))]


def _recovered(house: House) -> tuple[list[str], dict[str, str]]:
    """What became of each environment of which an upgrade had been cut short, and which could not be put back."""
    records = {name: stamps.read_record(house.place, name) for name in stamps.known_names(house.place)}
    _sweep(house.config.path, records.values())
    names = [name for name, record in records.items() if record.pending]
    if not names:
        return [], {}
    from autosys_tasks.upgrade import act

    return act.recover(house, names)


def _sweep(root: str, records: Collection[Record]) -> None:
    """Take away what an upgrade had begun to keep, and was killed before it wrote that down."""
    known = {os.path.basename(way.path) for each in records for way in (each.pending, each.before) if way}
    for top in {root, *(os.path.dirname(each.path) for each in records if each.path)}:
        if os.path.isdir(f"{top}/{STORE}"):
            from autosys_tasks.upgrade import snapshots

            snapshots.discard_unknown(f"{top}/{STORE}", known)


def _carried_out(
    order: Order, seen: Picture, lock: host.Lock, stuck: Mapping[str, str]
) -> Iterator[list[Outcome]]:
    """Scripts, then each environment with the services that run in it, then the other restarts."""
    if not seen.plan.steps:
        return
    from autosys_tasks.upgrade import act, build, scripts

    house = order.house
    yield from ([scripts.act(house.config.path, step)] for step in seen.plan.steps if step.kind in plan.OF_SCRIPTS)
    restarts = {step.target: step for step in seen.plan.steps if step.kind == "restart"}
    environments = {each.name: each for each in seen.facts.environments}
    installs = [step for step in seen.plan.steps if step.kind == "install"]
    ready = look.ready(house, restarts) if installs and restarts else frozenset()
    tools = order.tools or build.found_tools(house.base.get("PATH", ""), house.config.path)
    for step in installs:
        one = environments[step.target]
        bound = [name for name in restarts if plan.is_bound(house.config.services[name], one.environment)]
        steps = tuple(restarts.pop(name) for name in bound)
        why = stuck.get(step.target, "")
        yield act.install(act.Job(house, one, step, steps, ready, tools, lock, order.turns, order.force, why))
    if restarts:
        yield act.restart(house, list(restarts.values()), turns=order.turns)


def _started_again(order: Order) -> list[Outcome]:
    """What the run that was cut short had stopped, and none of these installs has started."""
    from autosys_tasks.upgrade import act

    names = sorted(look.left_stopped(order.house))
    steps = [Step("restart", name, "a run that was cut short had stopped it") for name in names]
    return act.restart(order.house, steps, turns=order.turns) if steps else []


def _try_again(house: House, seen: Picture, outcomes: Collection[Outcome]) -> None:
    """What did not run for want of what has come now is tried at once, and not when its next attempt is due."""
    tried = {each.step.target for each in outcomes if each.step.kind == "restart"}
    made = {each.step.target for each in outcomes if each.ok and each.step.kind == "install"}
    homes = [each.environment for each in seen.facts.environments if each.name in made]
    pulled = seen.facts.pulled.files
    if not homes and not pulled:
        return
    from autosys_tasks.supervise import runs

    for name, service in house.config.services.items():
        if name in tried or not service.managed:
            continue
        bound = any(plan.is_bound(service, home) for home in homes)
        if bound or any(globs.matches(service.restart_on, path) for path in pulled):
            runs.reset(house, name)
    host.ring(house.place.bell)


def _still_stale(order: Order, seen: Picture) -> tuple[str, ...]:
    """Looked at again, where anything was done: only a look says that nothing is stale."""
    memory, facts = seen.memory, seen.facts
    if seen.plan.steps:
        memory = FileCache(order.house.place, order.house.config.path)
        facts = look.look(order.house, memory)
    if not order.only:  # else a tick would no longer notice what is left of it
        memory.save()
    found = plan.findings(facts, only=order.only)
    broken = lastgood.verdict(order.house.place.folder)
    ours = [f"autosys itself: {' '.join(broken.lines())}"] if broken else []
    held = [seen.held] if seen.held else [f"{each.name}: {'; '.join(said.why)}" for each, said in found if said.why]
    return (*held, *ours)


def verdict(report: Report) -> str:
    """The whole in one line."""
    bad = [outcome for outcome in report.outcomes if outcome.ok is False]
    if bad:
        return f"NG: {', '.join(f'{each.step.kind} {each.step.target}' for each in bad)} failed"
    if report.stale:
        return f"NG: still stale: {'; '.join(report.stale)}"
    return "OK: everything is as the files want it" if not report.outcomes else f"OK: {len(report.outcomes)} done"

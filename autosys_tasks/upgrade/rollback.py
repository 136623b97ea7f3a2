"""Goes back to the environment before the last upgrade, when a person asks for it."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

from autosys_tasks import host
from autosys_tasks.core.errors import AutosysError, UsageError
from autosys_tasks.core.faults import fault
from autosys_tasks.core.journal import Journal
from autosys_tasks.core.plan import Outcome, Plan, Step
from autosys_tasks.supervise import run_lock
from autosys_tasks.supervise.house import House
from autosys_tasks.upgrade import act, build, look, plan, presence, run, snapshots
from autosys_tasks.upgrade.file_cache import FileCache
from autosys_tasks.upgrade.running import InstallError
from autosys_tasks.upgrade.stamps import read_record, write_record
from autosys_tasks.upgrade.values import EnvironmentSeen, Record


def planned(house: House, only: Collection[str] = ()) -> Plan:
    """What would go back, and what would be restarted for it; raises UsageError when that is nothing, or not clear."""
    return _plan(house, _chosen(house, only))


def _plan(house: House, found: Sequence[EnvironmentSeen]) -> Plan:
    running, services = look.running(house), house.config.services
    steps = [Step("rollback", seen.name, "asked for by a person") for seen in found]
    for name, service in services.items():
        home = next((each.name for each in found if plan.is_bound(service, each.environment)), None)
        if home and name in running and service.managed:
            steps.append(Step("restart", name, f"runs in `{home}`"))
    return Plan("upgrade.rollback", tuple(steps))


def _chosen(house: House, only: Collection[str]) -> list[EnvironmentSeen]:
    facts = look.look(house, FileCache(house.place, house.config.path))
    run.must_be_known(facts, only)
    ways_back = ((seen, seen.record.before) for seen in facts.environments)
    with_way = [seen for seen, way in ways_back if way is not None and snapshots.exists(way)]
    found = [seen for seen in with_way if seen.name in only] if only else with_way
    if not found:
        raise UsageError("there is no environment to go back to", hint="what is kept: inv upgrade.status")
    if len(found) > 1 and not only:
        names = ", ".join(seen.name for seen in found)
        raise UsageError(f"several could go back: {names}", hint=f"inv upgrade.rollback --only {found[0].name}")
    return found


def roll_back(house: House, only: Collection[str] = (), tell: run.Tell = lambda outcome: None) -> run.Report:
    """Do it, under the turn of upgrades: services stopped, environment back, services ready again."""
    began = time.monotonic()
    turn = run_lock.held(house.place, "upgrade.rollback", wait_s=0.0, lock=run_lock.UPGRADES)
    with turn, run.install_lock(house) as lock:
        found = _chosen(house, only)
        todo = _plan(house, found)
        with Journal(house.outputs, "upgrade.rollback", host, file="upgrade") as journal:
            for seen in found:
                for outcome in _roll_back_one(house, seen, todo, lock):
                    journal.add(outcome)
                    tell(outcome)
            report = run.Report(tuple(journal.outcomes), (), (), time.monotonic() - began)
            journal.close(ok=not report.code, detail=run.verdict(report), ms=round(report.seconds * 1000))
    return report


def _roll_back_one(house: House, seen: EnvironmentSeen, todo: Plan, lock: host.Lock) -> list[Outcome]:
    step = next(each for each in todo.steps if (each.kind, each.target) == ("rollback", seen.name))
    services = house.config.services
    restarts = [each for each in todo.steps if each.kind == "restart"]
    bound = tuple(each for each in restarts if plan.is_bound(services[each.target], seen.environment))
    tools = build.found_tools(house.base.get("PATH", ""), house.config.path)
    job = act.Job(house, seen, step, bound, frozenset(each.target for each in bound), tools, lock)
    began = time.perf_counter()
    try:
        outcomes = _restore(job)
        ok, detail = True, "as it was before the last upgrade; left so until its files change"
    except (InstallError, AutosysError, OSError) as error:
        ok, detail, outcomes = False, act.error_text(error), []
    return [Outcome(step, ok, detail, round((time.perf_counter() - began) * 1000)), *outcomes]


def _restore(job: act.Job) -> list[Outcome]:
    record = read_record(job.house.place, job.seen.name)
    way = record.before
    assert way is not None
    # As it will be, and begun: killed from here on, the next upgrade ends it.
    after = record._replace(done=way.done, refused=job.seen.wanted, failed=None, before=None, pending=way)
    write_record(job.house.place, job.seen.name, after)
    try:
        _pause(job, record)
        snapshots.restore(job.seen.environment.path, way)
        fault("upgrade.after-switch")
        if missing := presence.look(job.seen.environment, job.house.config.path).missing:
            raise InstallError(f"what was kept is not whole: {missing}")
    finally:
        outcomes = act.resume(job)
    write_record(job.house.place, job.seen.name, after._replace(pending=None))
    snapshots.discard(way)
    return outcomes


def _pause(job: act.Job, before: Record) -> None:
    """Stop what runs in it; where that fails, nothing is begun: else the next upgrade would change it under them."""
    try:
        act.pause(job)
    except BaseException:
        write_record(job.house.place, job.seen.name, before)
        raise

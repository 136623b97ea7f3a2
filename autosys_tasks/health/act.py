"""Carries out the fixes that are declared safe, by calling the room whose command each of them is. No shell.

What is not in the table cannot be run, whatever a page says.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence

from autosys_tasks import host
from autosys_tasks.core.errors import AutosysError
from autosys_tasks.core.plan import Outcome, Plan, Step
from autosys_tasks.core.verdict import NG
from autosys_tasks.health import duplicates, look, look_service, look_things, plan, plan_rivals
from autosys_tasks.supervise import run_lock, runs
from autosys_tasks.supervise.house import House
from autosys_tasks.supervise.state import read_wanted
from autosys_tasks.supervise.values import GUARD
from autosys_tasks.vscode import act as editor

TURN_S = 120.0  # how long to wait for another run that is at work
START_S = 120.0
KILL_S = 5.0
Ended = tuple[bool | None, str]  # as in Outcome: ok, detail
Tell = Callable[[Outcome], None]


def carry_out(house: House, order: Plan, tell: Tell, show: runs.Show = lambda d, f: None) -> list[Outcome]:
    """How each fix ended, in the order carried out; whatever goes wrong with one is its own failure."""
    done: list[Outcome] = []
    if not order.steps:
        return done
    try:
        with run_lock.held(house.place, "health --fix", wait_s=TURN_S):
            for word, group in itertools.groupby(order.steps, plan.remedy_of):
                for outcome in _run(house, word, list(group), show):
                    done.append(outcome)
                    tell(outcome)
    except AutosysError as error:
        left = order.steps[len(done) :]
        done += [Outcome(step, None, error.message) for step in left]
    return done


def _run(house: House, word: str, steps: list[Step], show: runs.Show) -> list[Outcome]:
    began = time.perf_counter()
    try:
        ended = ROOMS[word](house, steps, show)
    except (AutosysError, OSError) as error:
        ended = [(False, str(error))] * len(steps)
    ms = round((time.perf_counter() - began) * 1000)
    return [Outcome(step, ok, detail, ms) for step, (ok, detail) in zip(steps, ended, strict=True)]


def _service_of(step: Step) -> str:
    return plan.command_of(step)[2]


def _bring_up(house: House, steps: Sequence[Step], show: runs.Show) -> list[Ended]:
    """All at once, so that one slow service delays no other; a guard that a person stopped stays stopped."""
    guard = read_wanted(house.place, GUARD).up
    names = [_service_of(step) for step in steps]
    report = runs.bring_up(house, names, wanted_only=False, guard=guard, timeout_s=START_S, show=show)
    return [_as_wanted(name, report) for name in names]


def _as_wanted(name: str, report: runs.Report) -> Ended:
    decision = report.decisions[name]
    return name not in report.not_so, f"{decision.state}, {decision.reason}"


def _down(house: House, steps: Sequence[Step], show: runs.Show) -> list[Ended]:
    names = [_service_of(step) for step in steps]
    report = runs.take_down(house, names)
    return [(name not in report.not_so, "stopped") for name in names]


def _restart(house: House, steps: Sequence[Step], show: runs.Show) -> list[Ended]:
    """Only those that are still not well: what was mended before may have been all that ailed them."""
    marks = look_service.SharedMarks(house)
    ended: dict[str, Ended] = {}
    for name in [_service_of(step) for step in steps]:
        seen = look_service.see_service(house, name, marks)
        answers = [answer for answer in (seen.readiness, seen.liveness) if answer]
        if answers and all(answer.verdict in ("OK", "WARN") for answer in answers):
            ended[name] = None, "it is well again, not restarted"
    ill = [name for name in map(_service_of, steps) if name not in ended]
    if ill:
        report = runs.restart(house, ill, timeout_s=START_S, show=show)
        ended |= {name: _as_wanted(name, report) for name in ill}
    return [ended[_service_of(step)] for step in steps]


def _tick(house: House, steps: Sequence[Step], show: runs.Show) -> list[Ended]:
    """A tick heals the guard too; not needed when a bring-up has just done so."""
    seen = look.see_watch(house, look_service.SharedMarks(house))
    if seen.beat is not None and seen.beat.verdict != NG:
        return [(None, "the guard watches again")] * len(steps)
    report = runs.tick(house)
    guard = report.decisions.get(GUARD)
    detail = f"guard {guard.state}, {guard.reason}" if guard else "one tick"
    return [(GUARD not in report.not_so, detail)] * len(steps)


def _register(house: House, steps: Sequence[Step], show: runs.Show) -> list[Ended]:
    """Register anew what a person had registered and is gone, or differs."""
    from autosys_tasks.schedule import act, look, plan, registered_entries
    from autosys_tasks.schedule import site as place
    from autosys_tasks.schedule.values import entries

    site, names = place.to_register(house.config), registered_entries.read(house.place)
    seen = look.see(site, entries(house.config))
    meant = {name: each for name, each in seen.items() if name in names or each.state == "differs"}
    outcomes = act.carry_out(site, entries(house.config), plan.to_register(meant))
    asked = [entry for entry in entries(house.config) if entry.name in meant]
    act.remember(house.place, site, asked, outcomes, registered=True)
    failed = [outcome.detail for outcome in outcomes if not outcome.ok]
    detail = "; ".join(failed or [outcome.detail for outcome in outcomes]) or "all is registered"
    return [(not failed, detail)] * len(steps)


def _take_rivals_away(house: House, steps: Sequence[Step], show: runs.Show) -> list[Ended]:
    """Looked for anew, so that only what stands there now is kept and taken away."""
    from autosys_tasks.schedule import starters
    from autosys_tasks.schedule.site import site_of

    seen = look_things.see_rivals(house)
    site = site_of(house.config)._replace(state=house.place.folder)
    ended = starters.take_away(site, seen.rivals, house.place.folder)
    if not ended:
        return [(None, "none is left")] * len(steps)
    details = [detail for _ok, detail in ended] + ([] if seen.registered else [plan_rivals.ALONE])
    return [(all(ok for ok, _detail in ended), "; ".join(details))] * len(steps)


def _sync_editor(house: House, steps: Sequence[Step], show: runs.Show) -> list[Ended]:
    """Our block alone is renewed; what else is in that file stays as it is."""
    _change, outcomes = editor.carry_out(house, lambda: editor.planned_sync(house))
    ended = [(outcome.ok, outcome.detail) for outcome in outcomes] or [(None, "it is in sync")]
    return ended[:1] * len(steps)


def _end_copies(house: House, steps: Sequence[Step], show: runs.Show) -> list[Ended]:
    """End every copy beside a process that is ours; looked for anew, and ended by identity."""
    found = duplicates.see_copies(house, look_service.SharedMarks(house)).found
    strangers = [(each.service, who) for each in found if each.ours for who in each.others]
    failed = [who.pid for name, who in strangers if not _end(who, house.service(name).stop_timeout_s)]
    pids = ", ".join(str(who.pid) for _name, who in strangers)
    detail = f"ended pid {pids}" if strangers else "none is left"
    if failed:
        detail = f"still running: pid {', '.join(map(str, failed))}"
    return [(not failed, detail)] * len(steps)


def _end(who: host.Identity, patience_s: float) -> bool:
    """Ask one process to end, then end it and what it started; whether all of that is gone."""
    family = duplicates.descent(who)  # listed first: once it is gone, nobody can tell whose children those were
    if not _ended(who, patience_s):
        return False
    return all([_ended(member, patience_s) for member in family])


def _ended(who: host.Identity, patience_s: float) -> bool:
    """Ask, wait where it can be asked, then force; whether that very process is gone."""
    waiter = host.Waiter()
    try:
        if waiter.watch("copy", who) and not (host.ask_to_end(who) and _gone(waiter, patience_s)):
            host.end(who)
            _gone(waiter, KILL_S)
    finally:
        waiter.close()
    return host.alive(who) is False


def _gone(waiter: host.Waiter, within_s: float) -> bool:
    ends = time.monotonic() + within_s
    while (left := ends - time.monotonic()) > 0:
        if waiter.wait(left):
            return True
    return False


def _upgrade(house: House, steps: Sequence[Step], show: runs.Show) -> list[Ended]:
    """Once for all of them; the turn of services is ours already."""
    from autosys_tasks.upgrade import run

    report = run.upgrade(house, wait_s=TURN_S, turns=False)
    if any(each.ok and each.step.kind == "install" for each in report.outcomes):
        runs.tick(house)  # what waited for that environment is looked at again on the same page
    failed = [f"{each.step.target}: {each.detail}" for each in report.outcomes if each.ok is False]
    return [(not report.code, "; ".join([run.verdict(report), *failed]))] * len(steps)


def _back_up(house: House, steps: Sequence[Step], show: runs.Show) -> list[Ended]:
    """One backup for all of them; after a drill that failed, and when one is due, it is proven by another."""
    from autosys_tasks.backup import commands, drill, run

    report = run.backup(house, note="health --fix")
    failed = [f"{each.step.target}: {each.detail}" for each in report.outcomes if each.ok is False]
    drilled = commands.run_drill_when_due(house, _silent)
    said = [run.verdict(report), *failed, *([drill.verdict(drilled)] if drilled else [])]
    return [(not report.code and (drilled is None or drilled.ok), "; ".join(said))] * len(steps)


def _drill(house: House, steps: Sequence[Step], show: runs.Show) -> list[Ended]:
    """The newest backup restored once more; not when a new one has just been drilled."""
    from autosys_tasks.backup import commands, drill

    drilled = commands.run_drill_when_due(house, _silent)
    return [(drilled.ok, drill.verdict(drilled)) if drilled else (None, "it was drilled just now")] * len(steps)


def _silent(line: str) -> None:
    """A page is no place for progress."""


ROOMS: dict[str, Callable[[House, Sequence[Step], runs.Show], list[Ended]]] = {
    "rivals": _take_rivals_away,
    "duplicates": _end_copies,
    "upgrade": _upgrade,
    "bringup": _bring_up,
    "down": _down,
    "restart": _restart,
    "watchdog": _tick,
    "schedule.register": _register,
    "vscode.sync": _sync_editor,
    "backup": _back_up,
    "backup.drill": _drill,
}

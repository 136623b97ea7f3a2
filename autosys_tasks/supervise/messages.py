"""How a run ended, as lines for a person: the verdict first, then each red with its why and what to type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from autosys_tasks.config.model import Service
from autosys_tasks.core.clock import span
from autosys_tasks.core.plan import outcome_line
from autosys_tasks.supervise.house import House
from autosys_tasks.supervise.plan import ended_text, into_background
from autosys_tasks.supervise.program_text import how_to_have_it
from autosys_tasks.supervise.runs import Report
from autosys_tasks.supervise.values import GUARD, Decision, Facts, label

MISCONFIGURED = "check misconfigured"  # as probes say of who sends on, or refuses the question
DONE = {"start": "started", "stop": "stopped", "restart": "stopped", "adopt": "adopted", "note": "noted"}


def notes(report: Report) -> list[str]:
    """Each service that is not as wanted, and why; then what is ready and has not proven that it stays so."""
    lines = [f"{name}: {report.decisions[name].state}, {report.decisions[name].reason}" for name in report.not_so]
    return lines + shaky(report)


def shaky(report: Report) -> list[str]:
    """What is ready now and was started more than once for that: a green that says so."""
    lines = []
    for name, decision in report.decisions.items():
        record = report.facts[name].record
        if decision.state == "ready" and record and record.starts > 1:
            lines.append(f"{name}: ready by start {record.starts}, before it {ended_text(record.last_exit)}")
    return lines


def verdict_lines(report: Report, stale: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """What was done, and whether all is as wanted now. `stale`: why each environment that should be newer is not."""
    lines = [outcome_line(outcome, DONE) for outcome in report.outcomes if outcome.ok is not None]
    stopped = [name for name, decision in report.decisions.items() if decision.state == "stopped"]
    absent = [n for n, each in report.decisions.items() if each.state == "down" and n not in (*report.not_so, GUARD)]
    up = [n for n in report.decisions if n not in (*report.not_so, *stopped, *absent, GUARD)]
    if stopped := [name for name in stopped if name != GUARD]:
        lines.append(f"stopped by a person: {', '.join(stopped)} (inv bringup {stopped[0]} to start)")
    if done := [name for name, decision in report.decisions.items() if decision.state == "done"]:
        lines.append(f"ended as it should: {', '.join(done)} (inv restart {done[0]} to run it again)")
    lines += [f"not here, and optional: {name}, {report.decisions[name].reason}" for name in absent]
    lines += [f"WARN {each} (does it stay? inv ps)" for each in shaky(report)]
    for name in report.not_so:
        lines += [f"NG {label(name)}: {report.decisions[name].state}, {report.decisions[name].reason}"]
        lines += [f"   -> {next_step(report.services[name], report.decisions, report.facts[name])}"]
    for name, why in stale.items():
        lines += [f"NG environment {name}: still stale, {why}", "   -> inv upgrade"]
    bad = len(report.not_so) + len(stale)
    verdict = f"NG: {bad} not as wanted" if bad else "OK"
    lines.append(f"{verdict}: {len(up)} ready, after {span(report.seconds)}")
    return lines


def next_step(service: Service, decisions: Mapping[str, Decision], facts: Facts) -> str:
    """The command that helps with a service that is not as wanted."""
    name = service.name
    decision = decisions[name]
    if name == GUARD:
        return "inv logs guard"
    if facts.program is None:
        return how_to_have_it(service)
    if decision.state == "foreign":
        return f"end that process or change the port of {name}; then inv bringup {name}"
    if decision.state == "unmanaged":
        return f"start or mend it: {name} is only watched (managed = false)"
    if MISCONFIGURED in decision.reason:
        return f"correct what is asked of services.{name} in autosys.toml; then inv bringup {name}"
    if watched := [other for other in decision.after if _is_watched(decisions.get(other))]:
        return f"start or mend {', '.join(watched)}: only watched (managed = false)"
    if decision.state == "waiting":
        return f"inv bringup {' '.join(decision.after)}"
    if decision.state == "blocked" and into_background(facts):
        return f"keep {name} in the foreground: it ends and leaves others running; then inv bringup {name}"
    if decision.state == "blocked":
        return f"inv logs {name}; when mended: inv watchdog --reset {name}"
    return f"inv logs {name}"


def _is_watched(decision: Decision | None) -> bool:
    return decision is not None and decision.state == "unmanaged"


def down_lines(house: House, report: Report, names: Iterable[str]) -> list[str]:
    """What a `down` did, and what that leaves."""
    stopped = sum(1 for outcome in report.outcomes if outcome.ok)
    lines = [f"NG {name}: still running (inv ps)" for name in report.not_so]
    named = set(names)
    left = [
        name for name, s in house.config.services.items() if named & set(s.depends_on) and name not in named
    ] if named else []  # fmt: skip
    if left:
        lines.append(f"note: {', '.join(left)} depends on what was stopped and was left as it is")
    lines.append(f"{'NG' if report.not_so else 'OK'}: {stopped} stopped, after {span(report.seconds)}")
    return lines

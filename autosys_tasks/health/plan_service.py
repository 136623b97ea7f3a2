"""Judges services: state and answers -> verdict, evidence, why, and the command that helps. Pure."""

from __future__ import annotations

from autosys_tasks.config.model import Service
from autosys_tasks.core.clock import span
from autosys_tasks.core.verdict import NG, OK, SKIP, UNKNOWN, WARN, Fix
from autosys_tasks.health.values import Finding, Scene, ServiceSeen
from autosys_tasks.probes.values import Answer
from autosys_tasks.supervise.order import closure
from autosys_tasks.supervise.plan import VERDICTS, into_background, pids_of
from autosys_tasks.supervise.program_text import how_to_have_it
from autosys_tasks.supervise.values import Decision, Now


def judged(scene: Scene, name: str, seen: ServiceSeen) -> Finding:
    """One service's verdict, as its state says; red ones say why and what helps."""
    service, decision, facts = scene.config.services[name], scene.decisions[name], seen.facts
    if decision.state == "unmanaged":
        return _unmanaged(service, seen.readiness)
    evidence = _evidence(service, decision, seen, scene.now)
    if facts.leader is None and facts.program is None and service.optional and decision.state != "stopped":
        return Finding(SKIP, "not here", f"it is optional, and {decision.reason}")
    if decision.state == "unready" and _doubtful(seen):
        why = f"could not be asked: {decision.reason}"
        return Finding(UNKNOWN, evidence, why, Fix(text=f"inv logs {name}"))
    verdict = VERDICTS.get(decision.state, NG)
    if verdict == OK:
        return _well(name, decision, seen, evidence)
    if verdict == SKIP:
        return Finding(SKIP, evidence, decision.reason, Fix(text=f"to start it again: inv bringup {name}"))
    why = f"{decision.state}: {decision.reason}"
    if seen.last_line and facts.leader is None:
        why += f"; its last words: {seen.last_line}"
    return Finding(verdict, evidence, why, fix_of(scene, name, seen) if verdict != WARN else None)


def _unmanaged(service: Service, answer: Answer | None) -> Finding:
    if answer is None:
        return Finding(SKIP, "no evidence", "it is not ours to start, and declares no readiness to ask")
    if answer.verdict == NG and service.optional and answer.absent:
        return Finding(SKIP, answer.evidence, f"it is optional, and absent ({answer.why})")
    text = "it is not ours to start (managed = false): start or mend it"
    fix = None if answer.verdict == OK else Fix(text=text)
    return Finding(answer.verdict, answer.evidence, answer.why, fix)


def _doubtful(seen: ServiceSeen) -> bool:
    return seen.readiness is not None and seen.readiness.verdict == UNKNOWN and seen.facts.ready_seen


def _well(name: str, decision: Decision, seen: ServiceSeen, evidence: str) -> Finding:
    facts = seen.facts
    if not facts.wanted.up and facts.leader is not None:
        return Finding(WARN, evidence, "stopped by a person, and still running", Fix(text=f"inv down {name}"))
    if facts.memory is not None:
        return Finding(WARN, evidence, decision.reason, Fix(text=f"inv logs {name}"))
    for answer in (seen.readiness, seen.liveness):
        if answer is not None and answer.verdict == WARN:
            return Finding(WARN, evidence, answer.why, Fix(text=f"inv logs {name}"))
    return Finding(OK, evidence)


def _evidence(service: Service, decision: Decision, seen: ServiceSeen, now: Now) -> str:
    facts, record = seen.facts, seen.facts.record
    if facts.leader is not None:
        said = [f"pid {facts.leader.pid}"]
        said += [f"up {span(now.boot - record.started_boot)}"] if record else []
        asked = ((service.readiness, seen.readiness), (service.liveness, seen.liveness))
        told = {(probe.kind, probe.target): answer.evidence for probe, answer in asked if probe and answer}
        return ", ".join([*said, *told.values()])  # one thing may be asked for both
    if pids := pids_of(facts):
        return f"pid {', '.join(map(str, pids))}"
    if decision.state == "done":
        return decision.reason
    if facts.foreign is not None and facts.foreign[0]:
        return f"not running, its port is held by pid {facts.foreign[0]}"
    ended = record.last_exit if record else None
    ago = f", ended {span(now.wall - ended.at)} ago" if ended and ended.at is not None else ""
    return f"not running{ago}"


def fix_of(scene: Scene, name: str, seen: ServiceSeen) -> Fix:
    """What helps: a command of ours where it is safe to run unasked, else what a person has to do."""
    facts, services, decision = seen.facts, scene.config.services, scene.decisions[name]
    service = services[name]
    if facts.program is None:
        return Fix(text=how_to_have_it(service))
    if decision.state == "foreign":
        return Fix(text=f"end that process, or change the port of {name}; then inv bringup {name}")
    if decision.state == "unknown":
        return Fix(text=f"see who holds its lock, end that process, then inv bringup {name}")
    if facts.held_by is not None:
        return Fix(text=f"wait for pid {facts.held_by}, then inv health --only service.{name}")
    if decision.state == "blocked" and into_background(facts):
        return Fix(text=f"keep {name} in the foreground: it ends and leaves others running; then inv bringup {name}")
    if not facts.wanted.up:
        return Fix(("inv", "down", name))
    if service.restart == "never" and decision.state == "down":
        return Fix(text=f"it is never restarted unasked: inv logs {name}; then inv bringup {name}")
    others = scene.facts
    stopped = sorted(n for n in closure(services, [name]) if n in others and not others[n].wanted.up)
    if stopped:
        who = ", ".join(stopped)
        return Fix(text=f"it needs {who}, stopped by a person: inv bringup {' '.join(stopped)}")
    watched = sorted(other for other in decision.after if not services[other].managed)
    if watched:
        return Fix(text=f"it needs {', '.join(watched)}, which is only watched (managed = false): start or mend that")
    return _of_living(name, seen) if facts.leader is not None else Fix(("inv", "bringup", name))


def _of_living(name: str, seen: ServiceSeen) -> Fix:
    """A question that is put wrongly is no reason to restart who answers it."""
    for table, answer in (("readiness", seen.readiness), ("liveness", seen.liveness)):
        if answer is not None and answer.asked_wrongly:
            what = f"services.{name}.{table} (it answers {answer.status})"
            return Fix(text=f"correct {what}, or see inv logs {name}")
    return Fix(("inv", "restart", name))

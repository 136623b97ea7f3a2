"""Decides the state of each service and the next step. Pure: facts and the time are arguments.

One brain: the tick, the guard, bring-up and `health --fix` all ask here, and ask again under the lock.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping

from autosys_tasks.config.model import Service, Watchdog
from autosys_tasks.core.clock import counted
from autosys_tasks.core.plan import Plan, Step
from autosys_tasks.core.verdict import OK, SKIP, UNKNOWN, WARN
from autosys_tasks.host.types import Exit
from autosys_tasks.supervise.order import ordered
from autosys_tasks.supervise.program_text import no_program
from autosys_tasks.supervise.values import Decision, Facts, LastExit, Now, Record, Wanted, label

ASKED = "asked to be down"
RESTARTED = "asked to be restarted"
BY_A_PERSON = "stopped by a person"
PAUSED = "stopped for: "  # and what for
LEFT = "its leader is gone and left behind"  # the reason while its children live, and of that death later
ALIVE_S = 0.3  # a service without readiness is ready when it lives this long
AGAIN_S = 0.25
INTENT_S = 5.0  # a start between its intent and its record takes milliseconds, never this long
FOREIGN_AGAIN_S = 5.0
HALF_OPEN_S = (300.0, 600.0, 1200.0, 2400.0, 3600.0)
JITTER = 0.2
READY = ("ready", "done")
SETTLED = ("ready", "done", "stopped", "blocked", "foreign", "unmanaged")
VERDICTS = {"ready": OK, "done": OK, "stopped": SKIP, "starting": WARN, "unknown": UNKNOWN}  # any other state is NG


def into_background(facts: Facts) -> bool:
    """Whether its last instance put itself into the background: the leader ended and left children."""
    last = facts.record.last_exit if facts.record else None
    return last is not None and last.why.startswith(LEFT)


def delay_s(starts: int, watchdog: Watchdog, seed: str) -> float:
    """Seconds to wait before the next start of an incident that has had `starts` of them.

    The first is at once, then the declared back-off, then rare half-open attempts: neither a storm nor giving up.
    """
    if starts <= watchdog.retries:
        base = watchdog.backoff_s[min(starts, len(watchdog.backoff_s) - 1)] if watchdog.backoff_s else 0.0
    else:
        base = HALF_OPEN_S[min(starts - watchdog.retries - 1, len(HALF_OPEN_S) - 1)]
    unit = zlib.crc32(f"{seed}/{starts}".encode()) / 0xFFFFFFFF
    return base * (1 + JITTER * (2 * unit - 1))


def is_blocked(starts: int, watchdog: Watchdog) -> bool:
    """Whether an incident has used up its retries."""
    return starts > watchdog.retries


def is_new_incident(record: Record | None, spec: str, now: Now) -> bool:
    """Whether a start begins a new incident: no record, another boot, or a changed declaration."""
    return record is None or record.boot not in ("", now.boot_id) or record.spec != spec


def record_with_death(
    service: Service,
    record: Record,
    ended: Exit | None,
    now: Now,
    watchdog: Watchdog,
    *,
    ready_seen: bool,
    tail: str,
    why: str = "",
) -> Record:
    """The record, with the death of its instance added.

    A stable life ends the incident that began it; so does readiness, for an instance that a person started:
    what is healed at once is the first death of something that worked.
    """
    if record.dead:
        return record
    uptime = now.boot - record.started_boot if record.boot == now.boot_id else None
    if service.readiness is None and not service.oneshot:
        ready_seen = uptime is not None and uptime >= ALIVE_S
    stable = uptime is not None and uptime >= watchdog.stable_after_s
    over = ready_seen and (stable or record.restarts == 0)
    ended = ended or Exit()
    return record._replace(
        dead=True,
        died_boot=now.boot,
        starts=0 if over else record.starts,
        last_exit=LastExit(
            ended.code, ended.signal, now.wall - now.ahead, None if uptime is None else max(0.0, uptime), tail, why
        ),
    )


def ended_text(last: LastExit | None) -> str:
    """How the previous instance ended, in a few words."""
    if last is None:
        return "not running"
    if last.why:
        return last.why
    if last.signal is not None:
        return f"killed by signal {last.signal}"
    return "died" if last.code is None else f"exited {last.code}"


def decide(
    service: Service,
    facts: Facts,
    now: Now,
    watchdog: Watchdog,
    *,
    waiting_for: tuple[str, ...] = (),
    asked: bool = False,
) -> Decision:
    """The state of one service and the next step. `asked`: a person wants it up now, whatever happened before."""
    if not service.managed:
        said = facts.readiness.why if facts.readiness and not facts.readiness.ok else ""
        return Decision("unmanaged", said or "watched, never started or stopped")
    up = facts.wanted.up or asked
    if facts.leader is not None:
        return _living(service, facts, now, up=up)
    if facts.found is not None and not facts.being_started:
        return Decision("unready", f"runs as pid {facts.found[0].pid} without a record", "adopt")
    if facts.being_started or (facts.locked and _starting(facts.record, now)):
        return Decision("starting", "somebody is starting it at this moment", due_boot=now.boot + 0.05)
    if facts.leftovers:
        pids = ", ".join(map(str, facts.leftovers))
        return Decision("leftover", f"{LEFT} pid {pids}", "stop")
    if facts.locked:
        why = "its lock is held by a process that cannot be identified"
        return Decision("unknown", why, due_boot=now.boot + AGAIN_S)  # a process is unmarked for its first instant
    if not up:
        return Decision("stopped", BY_A_PERSON)
    return _dead(service, facts, now, watchdog, waiting_for, asked=asked)


def _starting(record: Record | None, now: Now) -> bool:
    """The decision while another process is starting it (between its intent and its record)."""
    if record is None or record.dead or record.pid is not None:
        return record is None or now.boot - record.died_boot < INTENT_S
    return record.boot == now.boot_id and now.boot - record.started_boot < INTENT_S


def _living(service: Service, facts: Facts, now: Now, *, up: bool) -> Decision:
    record = facts.record
    age = now.boot - record.started_boot if record else 0.0
    state, reason = _readiness(service, facts, age)
    if not up:
        return Decision(state, f"{BY_A_PERSON}, and still running", "stop")
    if facts.held_by is not None:
        return Decision(state, f"pid {facts.held_by} is restarting it")
    if facts.liveness is not None and not facts.liveness.ok:
        return Decision("unready", f"liveness: {facts.liveness.why}", "" if facts.liveness.misconfigured else "restart")
    if facts.memory is not None:
        limit = service.memory_max or 0
        return Decision(state, f"memory {facts.memory / 1e6:.0f} MB over {limit / 1e6:.0f} MB", "restart")
    if state != "starting" or service.oneshot:
        return Decision(state, reason)
    limit_s = service.readiness.start_timeout_s if service.readiness else ALIVE_S
    if service.readiness is None or age <= limit_s:
        return Decision(state, reason, due_boot=now.boot + max(0.0, limit_s - age) + 0.005)
    if facts.readiness is None:
        return Decision(state, reason)  # it is asked, and judged by what it answers
    because = f": {facts.readiness.why}" if facts.readiness.why else ""
    step = "" if facts.readiness.misconfigured else "restart"
    return Decision("unready", f"not ready within {limit_s:g} s{because}", step)


def asked_wrongly(facts: Facts, decision: Decision) -> bool:
    """Whether its probe is misconfigured: there is nothing to wait for, and no reason to restart it."""
    if decision.state != "unready" or decision.step:
        return False
    replies = (facts.liveness, None if facts.ready_seen else facts.readiness)
    return any(reply is not None and not reply.ok and reply.misconfigured for reply in replies)


def _readiness(service: Service, facts: Facts, age: float) -> tuple[str, str]:
    if service.oneshot:
        return "starting", "the job is running"
    if service.readiness is None:
        if age >= ALIVE_S:
            return "ready", "alive"
        return "starting", f"alive for {age * 1000:.0f} ms"
    if facts.readiness is None:
        return ("ready", "was ready") if facts.ready_seen else ("starting", "not asked yet")
    if facts.readiness.ok:
        return "ready", facts.readiness.evidence
    if facts.ready_seen:
        return "unready", facts.readiness.why
    return "starting", facts.readiness.why


def _dead(
    service: Service, facts: Facts, now: Now, watchdog: Watchdog, waiting_for: tuple[str, ...], *, asked: bool
) -> Decision:
    if facts.held_by is not None:
        return Decision("down", f"pid {facts.held_by} is restarting it")
    record = facts.record
    new = is_new_incident(record, facts.spec, now) or _cut_short(facts)
    if record is not None:
        record = record_with_death(
            service, record, facts.exit, now, watchdog, ready_seen=facts.ready_seen, tail=facts.log_tail
        )
    note = "note" if facts.record is not None and not facts.record.dead else ""
    if record is not None and not new and not asked:
        finished = _finished(service, record)
        if finished is not None:
            return finished._replace(step=note)
    if facts.program is None:
        return Decision("down", no_program(service))
    if facts.foreign is not None:
        pid, name = facts.foreign
        owner = f"pid {pid} ({name})" if pid else name
        return Decision("foreign", f"its port is held by {owner}", note, due_boot=now.boot + FOREIGN_AGAIN_S)
    if waiting_for:
        return Decision("waiting", f"waits for {', '.join(waiting_for)}", "start", after=waiting_for)
    if new or asked or record is None:
        return Decision("down", ended_text(record.last_exit if record else None), "start", due_boot=now.boot)
    return _retry(record, now, watchdog, note)


def _cut_short(facts: Facts) -> bool:
    """Whether a restart or an upgrade stopped it and was killed before starting it again."""
    stopped_for_that = facts.wanted.hold is not None and facts.held_by is None
    return stopped_for_that and (facts.record is None or facts.record.started_at <= facts.wanted.at)


def _finished(service: Service, record: Record) -> Decision | None:
    """The decision for a service that ended as it should, or is not to be restarted; None when it is to be started."""
    code = record.last_exit.code if record.last_exit else None
    if service.oneshot and code == 0:
        return Decision("done", "exited 0")
    if service.restart == "on-failure" and code == 0:
        return Decision("done", "exited 0, and restart = on-failure")
    if service.restart == "never":
        state = "done" if code == 0 else "down"
        return Decision(state, f"{ended_text(record.last_exit)}, and restart = never")
    return None


def _retry(record: Record, now: Now, watchdog: Watchdog, note: str) -> Decision:
    wait = delay_s(record.starts, watchdog, record.instance)
    due = record.died_boot + wait - (max(0.0, now.ahead) if record.died_boot < now.since else 0.0)
    if record.died_boot > now.boot + 1:  # no clock can hold it back
        due = now.boot
    why = ended_text(record.last_exit)
    blocked = is_blocked(record.starts, watchdog)
    if due <= now.boot:
        return Decision("blocked" if blocked else "down", why, "start", due_boot=now.boot)
    if blocked:
        return Decision("blocked", f"{why}, {counted(record.starts, 'start')} in a row failed", note, due_boot=due)
    which = f"start {record.starts + 1} of {watchdog.retries + 1}"
    return Decision("backoff", f"{why}, {which} follows", note, due_boot=due)


def satisfied(service: Service, facts: Facts | None, decision: Decision | None) -> bool:
    """Whether dependents of this service may start: it is ready, done, or optional and absent."""
    if decision is None or facts is None:
        return False
    if service.optional and facts.program is None:
        return True
    if decision.state == "unmanaged":
        return facts.readiness is None or facts.readiness.ok or service.optional
    return decision.state in READY


def waits_for(
    services: Mapping[str, Service], name: str, facts: Mapping[str, Facts], decisions: Mapping[str, Decision]
) -> tuple[str, ...]:
    """Which of its dependencies are not ready yet."""
    return tuple(
        other
        for other in services[name].depends_on
        if not satisfied(services[other], facts.get(other), decisions.get(other))
    )


def decide_all(
    services: Mapping[str, Service],
    facts: Mapping[str, Facts],
    now: Now,
    watchdog: Watchdog,
    *,
    asked: Collection[str] = (),
) -> dict[str, Decision]:
    """Every service's decision, dependencies first, so that a dependent knows what it waits for."""
    decisions: dict[str, Decision] = {}
    for name in ordered(services):
        if name in facts:
            waiting = waits_for(services, name, facts, decisions)
            decisions[name] = decide(
                services[name], facts[name], now, watchdog, waiting_for=waiting, asked=name in asked
            )
    return decisions


def asked_for(
    services: Mapping[str, Service],
    facts: Mapping[str, Facts],
    now: Now,
    watchdog: Watchdog,
    named: Collection[str],
) -> set[str]:
    """The services that a person's bring-up starts whatever happened before: all but those that ended as they should.

    Who names that starts it again; a job that is done is done (`restart` runs it again).
    """
    wanted = {name: each._replace(wanted=Wanted()) for name, each in facts.items()}
    decisions = decide_all(services, wanted, now, watchdog)
    return {
        name
        for name, decision in decisions.items()
        if decision.state != "done" or (name in named and not services[name].oneshot)
    }


def settled(name: str, decisions: Mapping[str, Decision]) -> bool:
    """Whether a service is as wanted, or has failed for now: nothing more will happen soon."""
    decision = decisions.get(name)
    if decision is None or decision.state in SETTLED:
        return True
    if decision.state == "waiting":
        return all(
            other not in decisions or (settled(other, decisions) and decisions[other].state not in READY)
            for other in decision.after
        )
    return decision.state == "down" and not decision.step and decision.due_boot is None


def awaited(decisions: Mapping[str, Decision]) -> tuple[str, ...]:
    """The services that may still become what is wanted."""
    return tuple(name for name in decisions if not settled(name, decisions))


def plan(
    services: Mapping[str, Service], facts: Mapping[str, Facts], decisions: Mapping[str, Decision], now: Now, task: str
) -> Plan:
    """The steps until everything is as wanted, in order."""
    steps, notes = [], []
    for name, decision in decisions.items():
        later = decision.due_boot is not None and decision.due_boot > now.boot
        if decision.step and decision.step != "note" and not later:
            detail = {"after": list(decision.after)} if decision.after else {}
            steps.append(Step(decision.step, label(name), decision.reason, detail))
        elif decision.state != "stopped" and not satisfied(services[name], facts[name], decision):
            notes.append(f"{name}: {decision.state}, {decision.reason}")
    return Plan(task, tuple(steps), tuple(notes))


def plan_down(services: Mapping[str, Service], facts: Mapping[str, Facts]) -> Plan:
    """A stop for each that lives, dependents before their dependencies, undeclared ones first."""
    names = [name for name in facts if name not in services] + [
        name for name in reversed(ordered(services)) if name in facts
    ]
    living = ((name, pids_of(facts[name])) for name in names)
    steps = (Step("stop", label(name), ASKED, {"pids": pids}) for name, pids in living if pids)
    return Plan("down", tuple(steps))


def pids_of(facts: Facts) -> list[int]:
    """The live processes that were seen of one service: its leader, or what a leader left."""
    leaders = [facts.leader.pid] if facts.leader else []
    found = [facts.found[0].pid] if facts.found else []
    return [*leaders, *found, *facts.leftovers]

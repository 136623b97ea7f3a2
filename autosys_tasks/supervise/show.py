"""What `ps` says about each service: one row with its state, why, and what it uses. Reads; changes nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from autosys_tasks import host
from autosys_tasks.core.clock import size, span, utc_text
from autosys_tasks.supervise import look, plan
from autosys_tasks.supervise.house import House
from autosys_tasks.supervise.state import now
from autosys_tasks.supervise.values import GUARD, Decision, Facts, LastExit, label

Row = dict[str, object]
SWITCHED_OFF = "switched off by watchdog.guard = false"


class Usage(NamedTuple):
    """What a family of processes uses now."""

    rss_bytes: int
    cpu_percent: float
    ports: tuple[int, ...]


class Picture(NamedTuple):
    """All services at one moment."""

    facts: dict[str, Facts]
    decisions: dict[str, Decision]


def picture(house: House, names: Iterable[str] = ()) -> Picture:
    """Look at these services, or at all and the guard, and ask each that lives."""
    services = {**house.config.services, GUARD: house.guard}
    facts = look.look(house, list(names) or list(services), ask=True)
    decisions = plan.decide_all(services, facts, now(), house.config.watchdog)
    if GUARD in facts and facts[GUARD].leader is None and not house.config.watchdog.guard:
        decisions[GUARD] = Decision("stopped", SWITCHED_OFF)
    return Picture(facts, decisions)


def rows(house: House, seen: Picture) -> list[Row]:
    """The services of the `ps` document, in the order in which they were declared."""
    used = usage({name: facts for name, facts in seen.facts.items() if name != GUARD})
    return [
        row(house, name, seen.facts[name], seen.decisions[name], used.get(name))
        for name in house.config.services
        if name in seen.facts
    ]


def row(house: House, name: str, facts: Facts, decision: Decision, used: Usage | None) -> Row:
    """One service: absent knowledge is None, never 0."""
    service, record = house.service(name), facts.record
    leader = facts.leader
    moment = now()
    next_at = None
    if decision.due_boot is not None and decision.state in ("backoff", "blocked"):
        next_at = utc_text(moment.wall + decision.due_boot - moment.boot)
    return {
        "name": name,
        "purpose": service.purpose or None,
        "state": decision.state,
        "wanted": "up" if facts.wanted.up else "down",
        "pid": leader.pid if leader else next(iter(plan.pids_of(facts)), None),
        "uptime_s": round(max(0.0, moment.boot - record.started_boot), 1) if leader and record else None,
        "restarts": record.restarts if record else 0,
        "last_exit": last_exit(record.last_exit if record else None),
        "reason": decision.reason,
        "next_attempt_at": next_at,
        "rss_bytes": used.rss_bytes if used else None,
        "cpu_percent": used.cpu_percent if used else None,
        "ports": list(used.ports) if used else [],
        "safe_to_close": safe_to_close(facts, decision),
        "log": house.log(name),
    }


def last_exit(last: LastExit | None) -> Row | None:
    """How the previous instance ended, for the document."""
    if last is None:
        return None
    return {
        "code": last.code,
        "signal": last.signal,
        "at": None if last.at is None else utc_text(last.at),
        "uptime_s": None if last.uptime_s is None else round(last.uptime_s, 1),
        "log_tail": last.log_tail,
        "why": last.why or None,
    }


def safe_to_close(facts: Facts, decision: Decision) -> bool:
    """Whether it may be closed: it is not wanted, or only a dead leader's children are left."""
    return not facts.wanted.up or decision.state in ("leftover", "done", "stopped")


def guard_row(seen: Picture) -> Row:
    """The guard, as the document shows it."""
    facts, decision = seen.facts[GUARD], seen.decisions[GUARD]
    return {"pid": facts.leader.pid if facts.leader else None, "state": decision.state, "reason": decision.reason}


def usage(facts: Mapping[str, Facts]) -> dict[str, Usage]:
    """What each living service and its children use: one pass over the processes for all of them.

    Nothing of one that ended during the look.
    """
    import psutil

    living = {name: f.leader for name, f in facts.items() if f.leader is not None}
    if not living:
        return {}
    children = _children()
    ports = host.listeners()
    found = {}
    for name, leader in living.items():
        if used := _use(psutil, _family(leader.pid, children), ports):
            found[name] = used
    return found


def _children() -> dict[int, list[int]]:
    tree: dict[int, list[int]] = {}
    for process in host.processes():
        tree.setdefault(process.parent, []).append(process.who.pid)
    return tree


def _family(pid: int, children: Mapping[int, list[int]]) -> list[int]:
    found = [pid]
    for member in found:
        found += children.get(member, ())
    return found


def _use(psutil, pids: list[int], ports: Mapping[int, set[int]]) -> Usage | None:  # type: ignore[no-untyped-def]
    rss, cpu_s, started, open_ports = 0, 0.0, time.time(), set[int]()
    for pid in pids:
        open_ports |= ports.get(pid, set())
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                rss += process.memory_info().rss
                times = process.cpu_times()
                started = min(started, process.create_time())
        except psutil.Error:
            continue
        cpu_s += times.user + times.system
    if not rss:
        return None
    age = max(0.05, time.time() - started)
    return Usage(rss, round(100 * cpu_s / age, 1), tuple(sorted(open_ports)))


HEADINGS = ("SERVICE", "STATE", "PID", "UP", "MEMORY", "CPU", "PORT", "RESTARTS", "CLOSE?", "PURPOSE / WHY")


def cells(row: Row) -> list[str]:
    """A row as the texts of its columns."""
    up, rss, cpu = row["uptime_s"], row["rss_bytes"], row["cpu_percent"]
    purpose, reason = str(row["purpose"] or ""), str(row["reason"] or "")
    why = purpose if row["state"] in ("ready", "done") and purpose else " - ".join(filter(None, (purpose, reason)))
    ports = row["ports"] if isinstance(row["ports"], list) else []
    return [
        str(row["name"]),
        str(row["state"]),
        "-" if row["pid"] is None else str(row["pid"]),
        span(up) if isinstance(up, float) else "-",
        size(rss) if isinstance(rss, int) else "-",
        f"{cpu} %" if isinstance(cpu, float) else "-",
        ",".join(map(str, ports)) or "-",
        str(row["restarts"]),
        "yes" if row["safe_to_close"] else "no",
        why,
    ]


def table_lines(found: list[Row]) -> list[str]:
    """The rows as aligned text."""
    return aligned([list(HEADINGS), *(cells(one) for one in found)])


def aligned(table: list[list[str]]) -> list[str]:
    """Columns padded to what they show: a Hangul syllable is two columns wide."""
    widths = [max(shown_width(line[column]) for line in table) for column in range(len(table[0]))]
    lines = []
    for line in table:
        padded = [cell + " " * (widths[i] - shown_width(cell)) for i, cell in enumerate(line)]
        lines.append("  ".join(padded).rstrip())
    return lines


def shown_width(text: str) -> int:
    """How many columns a text takes on a terminal."""
    if text.isascii():
        return len(text)
    import unicodedata

    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def guard_line(guard: Row) -> str:
    """The guard in one line, under the table."""
    if guard["state"] == "ready":
        return f"guard: watching (pid {guard['pid']})"
    helps = "" if guard["reason"] == SWITCHED_OFF else "; start it with `inv bringup`"
    return f"guard: {guard['state']}, {guard['reason']} (ticks still heal{helps})"


def progress_line(decisions: Mapping[str, Decision]) -> str:
    """One line where no live table is shown: what is still awaited, "" when nothing is."""
    waiting = [f"{label(name)}: {decisions[name].state}" for name in plan.awaited(decisions)]
    return f"waiting for {', '.join(waiting)}" if waiting else ""

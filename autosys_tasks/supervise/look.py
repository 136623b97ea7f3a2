"""Collects the facts about services; read-only. Cheap for live ones, one scan of all processes for dead ones."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from functools import partial
from urllib.parse import urlsplit

from autosys_tasks import host, probes
from autosys_tasks.config.model import Service
from autosys_tasks.core.files import read_tail
from autosys_tasks.core.parallel import run_parallel
from autosys_tasks.core.probe import Probe
from autosys_tasks.probes import net
from autosys_tasks.supervise.house import House
from autosys_tasks.supervise.state import known_names, read_ready, read_record, read_wanted, spec_hash
from autosys_tasks.supervise.values import Facts, Record, Reply

TAIL_BYTES = 4096
NAME = re.compile(r"[^@. /\\:][^/\\:]*")  # of a service, the guard is none; whoever bears it may say anything


class Marks:
    """The processes whose environment names this workspace: scanned at most once per look, and only when needed."""

    def __init__(self, house: House) -> None:
        self._state = house.place.folder
        self._found: list[host.Marked] | None = None

    def all(self) -> list[host.Marked]:
        """The live processes of all services, the oldest first."""
        if self._found is None:
            self._found = sorted(host.marked(self._state), key=lambda mark: host.started_wall(mark.who))
        return self._found

    def of(self, name: str) -> list[host.Marked]:
        """The live processes of one service, the oldest first."""
        return [mark for mark in self.all() if mark.service == name and mark.who.pid != os.getpid()]


def traces(house: House, marks: Marks) -> list[str]:
    """All services that have run here, declared or not: by the state folder, and by live processes if that is lost."""
    living = {mark.service for mark in marks.all() if NAME.fullmatch(mark.service)}
    return sorted({*known_names(house.place), *living})


def look(
    house: House, names: Iterable[str], *, ask: bool = False, marks: Marks | None = None
) -> dict[str, Facts]:
    """Facts about these services. `ask`: probe their readiness and liveness, too, all at the same time."""
    marks = marks or Marks(house)
    facts = {name: look_at_one(house, name, marks) for name in names}
    return _asked(house, facts) if ask else facts


def look_at_one(house: House, name: str, marks: Marks | None = None) -> Facts:
    """Facts about one service, without probing it."""
    service, place = house.service(name), house.place
    record, corrupt = read_record(place, name)
    wanted = read_wanted(place, name)
    leader = record.leader if record and not record.dead else None
    lives = host.alive(leader) if leader else False
    holder = wanted.hold
    facts = Facts(
        wanted=wanted,
        record=record,
        corrupt=corrupt,
        spec=spec_hash(service),
        leader=leader if lives else None,
        ready_seen=record is not None and read_ready(place, name, record.instance),
        held_by=holder.pid if holder and holder.pid != os.getpid() and host.alive(holder) else None,
    )
    if lives:
        return facts
    return _of_dead(house, name, facts, marks or Marks(house), unknown=lives is None)


def _of_dead(house: House, name: str, facts: Facts, marks: Marks, *, unknown: bool) -> Facts:
    place, record = house.place, facts.record
    locked = unknown or host.lock_held(place.lock(name))
    living = marks.of(name)
    found = None
    if record is None or (record.pid is None and not record.dead):
        same = [m for m in living if record is None or m.instance == record.instance]
        found = (same[0].who, same[0].instance) if same else None
    elif living and read_record(place, name)[0] != record:
        return look_at_one(house, name)  # started since its record was read: it is no leftover
    elif locked and not living and record.leader:
        living = [host.Marked(who, name, record.instance, "") for who in host.family(record.leader, record.instance)]
    unnoted = record.leader if record and not record.dead else None
    return facts._replace(
        locked=locked,
        found=found,
        being_started=found is not None and host.lock_held(place.starting(name)),
        leftovers=() if found else tuple(mark.who.pid for mark in living),
        exit=host.exit_of(unnoted) if unnoted else None,
        log_tail=last_words(house, name) if unnoted else "",
        program=_program(house, name),
        foreign=None if locked or found or living else foreign_owner(house.service(name)),
    )


def last_words(house: House, name: str) -> str:
    """The end of a service's log, with its secrets masked."""
    text = read_tail(house.log(name), TAIL_BYTES)
    for secret in house.service(name).secrets:
        text = text.replace(secret, "***")
    return text


def _program(house: House, name: str) -> str | None:
    service = house.service(name)
    if not service.managed:
        return ""
    argv = house.argv(name)
    return None if argv is None else argv[0]


def address_of(service: Service) -> tuple[str, int] | None:
    """The local address that a service's probe uses; None when the probe has none."""
    probe = service.readiness
    if probe is None or probe.kind not in ("tcp", "http"):
        return None
    parts = urlsplit(probe.target if "//" in probe.target else f"//{probe.target}")
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return (parts.hostname, port) if parts.hostname in (*net.LOCAL, "localhost") and port else None


def foreign_owner(service: Service) -> tuple[int | None, str] | None:
    """The process (pid, name) that listens on this service's port while it does not run; None: nobody."""
    address = address_of(service)
    if address is None or not _answers(*address):
        return None
    return host.port_owner(address[1]) or (None, "somebody who cannot be seen")


def _answers(name: str, port: int) -> bool:
    try:
        net.connect(name, port, time.monotonic() + 0.2).close()
    except (net.NoAnswer, TimeoutError, OSError):
        return False
    return True


def subject(house: House, name: str, record: Record | None) -> probes.Subject:
    """What a probe needs to know about its service."""
    skew = 0.0
    if record is not None and record.boot == host.boot_id():
        skew = (time.time() - host.boot_clock()) - (record.started_at - record.started_boot)
    return probes.Subject(
        heartbeat=house.place.of(name, "heartbeat"),
        log=house.log(name),
        log_offset=record.log_offset if record else 0,
        started_at=record.started_at if record else None,
        cwd=house.service(name).cwd or house.config.path,
        env=house.env(name),
        skew_s=skew,
        secrets=house.service(name).secrets,
    )


def ask(house: House, name: str, probe: Probe, record: Record | None, *, lenient: bool = False) -> Reply:
    """Probe once. A slow answer is OK. `lenient`: when the probe itself cannot run, that is no failure."""
    return reply(probes.ask(probe, subject(house, name, record)), lenient=lenient)


def reply(answer: probes.Answer, *, lenient: bool = False) -> Reply:
    """The part of an answer that decisions need."""
    good = ("OK", "WARN", "UNKNOWN") if lenient else ("OK", "WARN")
    return Reply(answer.verdict in good, answer.why or answer.evidence, answer.evidence, answer.asked_wrongly)


def over_memory(service: Service, record: Record | None, leader: host.Identity) -> int | None:
    """Resident bytes of the process tree, if they exceed the limit in two looks; None: within it."""
    if service.memory_max is None:
        return None
    used = 0
    for attempt in range(2):
        if attempt:
            time.sleep(0.5)  # one spike is no leak
        family = host.family(leader, record.instance if record else "")
        used = host.memory_of([who.pid for who in family])
        if used <= service.memory_max:
            return None
    return used


def _asked(house: House, facts: dict[str, Facts]) -> dict[str, Facts]:
    """The same facts with the answers of probes, each in a thread of its own, so that a slow one delays no other."""
    names = [name for name in facts if _has_questions(house.service(name), facts[name])]
    answers = run_parallel(*(partial(with_answers, house, name, facts[name]) for name in names))
    return {**facts, **dict(zip(names, answers, strict=True))}


def _has_questions(service: Service, facts: Facts) -> bool:
    asks = service.readiness or service.liveness or service.memory_max
    return bool(asks) and (facts.leader is not None or not service.managed)


def with_answers(house: House, name: str, facts: Facts) -> Facts:
    """One service's facts with its readiness, liveness and memory."""
    service = house.service(name)
    readiness = ask(house, name, service.readiness, facts.record) if service.readiness else None
    liveness = None
    if service.liveness and facts.leader and (facts.ready_seen or service.readiness is None):
        about, gap_s = subject(house, name, facts.record), min(service.liveness.interval_s, 0.5)
        liveness = reply(probes.ask_again(service.liveness, about, gap_s=gap_s), lenient=True)
    memory = over_memory(service, facts.record, facts.leader) if facts.leader else None
    return facts._replace(readiness=readiness, liveness=liveness, memory=memory)

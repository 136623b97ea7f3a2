"""Looks at one service and asks it what it declares, all at once; changes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable

from autosys_tasks import host, probes
from autosys_tasks.config.model import Service
from autosys_tasks.health.values import GRACE_S, WITHIN_S, ServiceSeen
from autosys_tasks.probes.concurrent import ask_all
from autosys_tasks.probes.values import Answer, quote
from autosys_tasks.supervise import look as supervise_look
from autosys_tasks.supervise.house import House
from autosys_tasks.supervise.values import Facts, Reply

AGAIN_FOR_S = 1.0
AGAIN_GAP_S = 0.1


class SharedMarks(supervise_look.Marks):
    """The marks of one moment, scanned once for all the threads that want them."""

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self._scanning = threading.Lock()

    def all(self) -> list[host.Marked]:
        """The live processes of all services, the oldest first."""
        with self._scanning:
            return super().all()


def patience(service: Service) -> float:
    """How long a look at a service may take: as long as its slowest question may, and a little more."""
    asked = [probe.timeout_s for probe in (service.readiness, service.liveness) if probe]
    return max(WITHIN_S, *asked, 0.0) + GRACE_S


def see_service(house: House, name: str, marks: SharedMarks) -> ServiceSeen:
    """A service's facts, with its answers when it lives or is not ours to start."""
    service = house.service(name)
    facts = supervise_look.look_at_one(house, name, marks)
    if facts.leader is None and service.managed:
        return ServiceSeen(facts, last_line=last_line(house, name, facts))
    questions = _questions(house, service, facts)
    answers = _answers(questions, patience(service))
    readiness, liveness = answers.get("readiness"), answers.get("liveness")
    memory = (
        supervise_look.over_memory(service, facts.record, facts.leader)
        if facts.leader and service.memory_max is not None
        else None
    )
    facts = facts._replace(readiness=_short(readiness), liveness=_short(liveness, lenient=True))
    return ServiceSeen(facts._replace(memory=memory), readiness, liveness)


def _questions(house: House, service: Service, facts: Facts) -> dict[str, Callable[[], Answer]]:
    subject = supervise_look.subject(house, service.name, facts.record)
    readiness, liveness = service.readiness, service.liveness
    found: dict[str, Callable[[], Answer]] = {}
    said_once = readiness is not None and readiness.kind == "log" and facts.ready_seen
    if readiness is not None and not said_once and not (service.oneshot and service.managed):
        found["readiness"] = lambda: probes.ask(readiness, subject)
    if liveness is not None and (facts.ready_seen or readiness is None or not service.managed):
        found["liveness"] = lambda: probes.ask_again(liveness, subject, gap_s=AGAIN_GAP_S, for_s=AGAIN_FOR_S)
    return found


def _answers(questions: dict[str, Callable[[], Answer]], within_s: float) -> dict[str, Answer]:
    if len(questions) == 1:
        return {name: ask() for name, ask in questions.items()}
    return ask_all(questions, within_s) if questions else {}


def _short(answer: Answer | None, *, lenient: bool = False) -> Reply | None:
    return None if answer is None else supervise_look.reply(answer, lenient=lenient)


def last_line(house: House, name: str, facts: Facts) -> str:
    """The last thing that a dead service wrote, without its secrets."""
    ended = facts.record.last_exit if facts.record else None
    text = facts.log_tail or (ended.log_tail if ended else "")
    line = next((line for line in reversed(text.splitlines()) if line.strip()), "")
    return quote(line, probes.Subject(secrets=house.service(name).secrets))

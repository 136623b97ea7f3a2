"""Probes one thing, and returns what was seen; changes nothing and restarts nothing.

Each kind of probe is a module, imported when first used: a guard that only reads heartbeats loads no sockets. Shared
results of probes that cost money are in `budget`, several probes at the same time in `concurrent`.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator

from autosys_tasks.core.probe import Probe
from autosys_tasks.core.verdict import NG, OK, UNKNOWN, WARN
from autosys_tasks.probes.values import Answer, Subject, took

__all__ = ["Answer", "Subject", "ask", "ask_again"]

TIMED_KINDS = ("http", "tcp", "command")
NO_SERVICE = Subject()
MOST_PER_ADDRESS = 4
TURN_WAIT_S = 0.25

_semaphores: dict[str, threading.Semaphore] = {}


def ask(probe: Probe, subject: Subject = NO_SERVICE) -> Answer:
    """The answer to one probe, at the latest after `timeout_s` and TURN_WAIT_S; raises nothing.

    UNKNOWN means that we could not probe (no descriptors left, no permission, too early to tell): it is no reason for
    a restart.
    """
    asker = _asker(probe.kind)
    if asker is None:
        return Answer(UNKNOWN, "not asked", f"there is no kind of probe named `{probe.kind}`")
    hidden = subject._replace(secrets=(*subject.secrets, *probe.secrets))
    with _few_at_a_time(probe):
        began = time.perf_counter()
        try:
            answer = asker(probe, hidden)
        except OSError as error:
            answer = Answer(UNKNOWN, "could not ask", f"cannot ask: {error.strerror or error}")
        except ValueError as error:
            answer = Answer(NG, "could not ask", f"cannot ask: {error}")
        ms = (time.perf_counter() - began) * 1000
    if probe.kind in TIMED_KINDS:
        answer = answer._replace(evidence=f"{answer.evidence} in {took(ms)}")
    return _limited_by_speed(answer._replace(ms=ms), probe)


def ask_again(probe: Probe, subject: Subject, *, gap_s: float, for_s: float = math.inf) -> Answer:
    """The first answer that is not NG, or the last of `failure_threshold` ones, or the first after `for_s` seconds.

    A file does not change its age by being looked at again: it is asked once.
    """
    deadline = time.monotonic() + for_s
    answer = ask(probe, subject)
    for _again in range(1, 1 if probe.kind in ("heartbeat", "file") else probe.failure_threshold):
        if answer.verdict != NG or time.monotonic() > deadline:
            break
        time.sleep(gap_s)
        answer = ask(probe, subject)
    return answer


@contextlib.contextmanager
def _few_at_a_time(probe: Probe) -> Iterator[None]:
    """At most MOST_PER_ADDRESS probes of one address at a time: more would be slow without the server's fault.

    A small server's queue holds five connections; the sixth client retries after a second. After TURN_WAIT_S a probe
    goes ahead all the same, since those before it may hang.
    """
    if probe.kind not in ("http", "tcp"):
        yield
        return
    address = probe.target.partition("//")[2].partition("/")[0] or probe.target
    turn = _semaphores.setdefault(address.replace("localhost", "127.0.0.1"), threading.Semaphore(MOST_PER_ADDRESS))
    has = turn.acquire(timeout=TURN_WAIT_S)
    try:
        yield
    finally:
        if has:
            turn.release()


def _asker(kind: str) -> Callable[[Probe, Subject], Answer] | None:
    if kind == "heartbeat" or kind == "file":
        from autosys_tasks.probes.age import ask_file, ask_heartbeat

        return ask_heartbeat if kind == "heartbeat" else ask_file
    if kind == "http":
        from autosys_tasks.probes.http import ask_http

        return ask_http
    if kind == "tcp":
        from autosys_tasks.probes.tcp import ask_tcp

        return ask_tcp
    if kind == "command":
        from autosys_tasks.probes.command import ask_command

        return ask_command
    if kind == "log":
        from autosys_tasks.probes.log import ask_log

        return ask_log
    return None


def _limited_by_speed(answer: Answer, probe: Probe) -> Answer:
    if answer.verdict != OK:
        return answer
    if probe.alert_ms is not None and answer.ms > probe.alert_ms:
        return answer._replace(verdict=NG, why=f"too slow: {took(answer.ms)}, allowed {probe.alert_ms:g} ms")
    if probe.warn_ms is not None and answer.ms > probe.warn_ms:
        return answer._replace(verdict=WARN, why=f"slow: {took(answer.ms)}, wanted {probe.warn_ms:g} ms")
    return answer

"""Asks one thing whether it is well, and says what it saw; changes nothing and restarts nothing.

Each kind of question is a module, imported when first asked: a guard that only reads heartbeats loads no
sockets. Shared results for questions that cost money are in `budget`, many questions at once in `together`.
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

TIMED = ("http", "tcp", "command")
NOBODY = Subject()
AT_ONCE = 4
IN_TURN_S = 0.25

_turns: dict[str, threading.Semaphore] = {}


def ask(probe: Probe, subject: Subject = NOBODY) -> Answer:
    """The answer to one question, at the latest `timeout_s` (and IN_TURN_S) after it was put; raises nothing.

    UNKNOWN means that we could not ask (no descriptors left, no right to look, too early to tell): nobody
    may be restarted for it.
    """
    asker = _asker(probe.kind)
    if asker is None:
        return Answer(UNKNOWN, "not asked", f"there is no kind of probe named `{probe.kind}`")
    hidden = subject._replace(secrets=(*subject.secrets, *probe.secrets))
    with _in_turn(probe):
        began = time.perf_counter()
        try:
            answer = asker(probe, hidden)
        except OSError as error:
            answer = Answer(UNKNOWN, "could not ask", f"cannot ask: {error.strerror or error}")
        except ValueError as error:
            answer = Answer(NG, "could not ask", f"cannot ask: {error}")
        ms = (time.perf_counter() - began) * 1000
    if probe.kind in TIMED:
        answer = answer._replace(evidence=f"{answer.evidence} in {took(ms)}")
    return _by_speed(answer._replace(ms=ms), probe)


def ask_again(probe: Probe, subject: Subject, *, gap_s: float, for_s: float = math.inf) -> Answer:
    """The first answer that is not NG, or the last of `failure_threshold` ones, or the first after `for_s` seconds.

    A file does not change its age by being looked at again: it is asked once.
    """
    ends = time.monotonic() + for_s
    answer = ask(probe, subject)
    for _again in range(1, 1 if probe.kind in ("heartbeat", "file") else probe.failure_threshold):
        if answer.verdict != NG or time.monotonic() > ends:
            break
        time.sleep(gap_s)
        answer = ask(probe, subject)
    return answer


@contextlib.contextmanager
def _in_turn(probe: Probe) -> Iterator[None]:
    """A few questions at a time to one address: many at once would be slow for no fault of who is asked.

    A small server lets five callers wait, and the system of the sixth tries again after a second. Who has waited
    IN_TURN_S asks all the same, since those before may hang.
    """
    if probe.kind not in ("http", "tcp"):
        yield
        return
    address = probe.target.partition("//")[2].partition("/")[0] or probe.target
    turn = _turns.setdefault(address.replace("localhost", "127.0.0.1"), threading.Semaphore(AT_ONCE))
    has = turn.acquire(timeout=IN_TURN_S)
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


def _by_speed(answer: Answer, probe: Probe) -> Answer:
    if answer.verdict != OK:
        return answer
    if probe.alert_ms is not None and answer.ms > probe.alert_ms:
        return answer._replace(verdict=NG, why=f"too slow: {took(answer.ms)}, allowed {probe.alert_ms:g} ms")
    if probe.warn_ms is not None and answer.ms > probe.warn_ms:
        return answer._replace(verdict=WARN, why=f"slow: {took(answer.ms)}, wanted {probe.warn_ms:g} ms")
    return answer

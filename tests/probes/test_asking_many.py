"""Many questions at once: as slow as the slowest that matters, and no exception becomes an OK."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

from autosys_tasks.core.errors import StateError
from autosys_tasks.core.probe import Probe
from autosys_tasks.core.verdict import NG, OK, UNKNOWN
from autosys_tasks.probes import MOST_PER_ADDRESS, Answer, ask
from autosys_tasks.probes.concurrent import ask_all


def test_they_are_asked_at_once_and_told_in_order(hung, says, reply):
    fine = says(reply())
    asked = {f"hung{n}": Probe("http", f"http://127.0.0.1:{hung.port}/", timeout_s=0.4) for n in range(20)}
    asked = {"z": Probe("http", f"http://127.0.0.1:{fine.port}/"), **asked}
    began = time.monotonic()
    answers = ask_all({name: lambda probe=probe: ask(probe) for name, probe in asked.items()}, 60.0)
    assert time.monotonic() - began < 6, "eight they would take one after the other"
    assert list(answers) == list(asked)
    assert [answer.verdict for answer in answers.values()] == [OK] + [NG] * 20


def test_many_questions_to_one_small_server_are_no_fault_of_it(server, monkeypatch):
    """Its backlog holds five callers (http.server): the sixth would wait a second, or be refused on Windows."""
    monkeypatch.setattr("autosys_tasks.probes.TURN_WAIT_S", 30.0)  # however busy this machine is
    most, now, lock = [0], [0], threading.Lock()

    def small(connection, _request):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.01)  # what it does is work, and takes its time
        with lock:
            now[0] -= 1
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    busy = server(small)
    asked = [Probe("http", f"http://{host}:{busy.port}/") for host in ("127.0.0.1", "localhost") for _ in range(12)]
    answers = ask_all({str(n): lambda probe=probe: ask(probe) for n, probe in enumerate(asked)}, 60.0)
    assert [answer.verdict for answer in answers.values()] == [OK] * 24
    assert 1 < most[0] <= MOST_PER_ADDRESS


def test_one_that_misses_the_deadline_is_unknown_and_named():
    never = threading.Event()
    began = time.monotonic()
    answers = ask_all(
        {"slow": lambda: never.wait(60) and Answer(OK, ""), "fast": lambda: Answer(OK, "x")}, 2.0
    )
    assert time.monotonic() - began < 30, "half of what it would take"
    assert answers["fast"].verdict == OK
    assert answers["slow"][:3] == (UNKNOWN, "no answer", "`slow` did not answer within 2 s")
    never.set()


def test_one_that_raises_is_ng():
    """A check that raises is a finding, never a default."""

    def full():
        raise StateError("cannot write `x`: No space left on device")

    answers = ask_all({"a": lambda: 1 / 0, "b": full, "c": lambda: Answer(OK, "")}, 5.0)
    assert (answers["a"].verdict, answers["a"].why) == (
        NG,
        "asking `a` failed: ZeroDivisionError: division by zero",
    )
    assert answers["b"].why == "asking `b` failed: cannot write `x`: No space left on device"
    assert answers["c"].verdict == OK
    assert ask_all({}, 1.0) == {}


def test_a_late_one_holds_up_no_exit():
    code = (
        "import time\n"
        "from autosys_tasks.probes.concurrent import ask_all\n"
        "print(ask_all({'x': lambda: time.sleep(60)}, 0.1)['x'].verdict)\n"
    )
    began = time.monotonic()
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == UNKNOWN
    assert time.monotonic() - began < 30, "half of what it would take"

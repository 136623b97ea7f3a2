"""The queue server as a real process: kill -9, two at once, long polls, start and end."""

from __future__ import annotations

import itertools
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import desk
import psutil
import pytest
import rig

Keep = Callable[[desk.Queue], desk.Queue]


@pytest.mark.only("posix")
def test_kill_9_loses_nothing_that_was_acknowledged(queue: desk.Queue, ended: Keep) -> None:
    """Four clients enqueue and complete while the server is killed again and again at random moments.

    Not under Wine: of one that is killed amid connections, sockets and locks can stay held there.
    """
    kept: dict[str, str] = {}  # task id -> the state that the server acknowledged
    lock, over = threading.Lock(), threading.Event()
    server = [queue]
    dice = random.Random(1)

    def client() -> None:
        while not over.is_set():
            try:
                task_id = server[0].enqueue()
                with lock:
                    kept.setdefault(task_id, "open")
                lease = server[0].lease(lease_seconds=600)
                if (
                    lease
                    and server[0].ask("POST", f"/v1/leases/{lease['token']}/complete", {"result": 1}).status
                    == 200
                ):
                    with lock:
                        kept[lease["task"]["id"]] = "succeeded"
            except (OSError, IndexError, ValueError):
                continue  # the server was killed under our hands: nothing was acknowledged

    clients = [threading.Thread(target=client, daemon=True) for _ in range(4)]
    for thread in clients:
        thread.start()
    try:
        for _ in range(5):
            before = len(kept)
            more = before + dice.randint(5, 20)
            rig.wait_for(lambda: len(kept) >= more, what="acknowledged tasks")  # noqa: B023
            server[0].kill()
            server[0] = ended(desk.Queue(queue.state))
    finally:
        over.set()
        for thread in clients:
            thread.join(rig.WAIT_S)
    with lock:
        acknowledged = dict(kept)
    found, after = {}, 0
    while page := server[0].ask("GET", f"/v1/tasks?after={after}&limit=1000").body["tasks"]:
        found |= {task["id"]: task["state"] for task in page}
        after = page[-1]["seq"]
    assert len(acknowledged) > 20 and "succeeded" in acknowledged.values()
    assert not acknowledged.keys() - found.keys(), "acknowledged and lost"
    assert not [task for task, state in acknowledged.items() if state == "succeeded" != found[task]], (
        "completed and lost"
    )


def test_a_lease_outlives_the_server_that_gave_it(queue: desk.Queue, ended: Keep) -> None:
    task_id = queue.enqueue()
    token = queue.lease()["token"]
    queue.kill()
    again = ended(desk.Queue(queue.state))
    assert again.ask("POST", f"/v1/leases/{token}/complete", {"result": "kept"}).status == 200
    assert again.task(task_id)["result"] == "kept"


def test_concurrent_leases_never_hand_one_task_to_two(queue: desk.Queue) -> None:
    placed = {queue.enqueue() for _ in range(40)}
    taken: list[str] = []

    def take(name: str) -> None:
        while lease := queue.lease(name):
            taken.append(lease["task"]["id"])

    takers = [threading.Thread(target=take, args=(f"w{number}",)) for number in range(8)]
    for thread in takers:
        thread.start()
    for thread in takers:
        thread.join(100)
    assert len(taken) == len(set(taken)) == 40
    assert set(taken) == placed


def test_a_waiting_worker_gets_a_new_task_at_once(queue: desk.Queue) -> None:
    got: list[tuple[float, str]] = []

    def wait() -> None:
        lease = queue.lease("waiter", wait_seconds=20)
        got.append((time.monotonic(), lease["task"]["id"]))

    waiter = threading.Thread(target=wait)
    waiter.start()
    rig.wait_for(lambda: "waiter" in str(queue.ask("GET", "/v1/workers").body), what="the waiting worker")
    placed_at, task_id = time.monotonic(), queue.enqueue()
    waiter.join(rig.WAIT_S)
    assert got[0][1] == task_id
    assert got[0][0] - placed_at < 10, "half of what it would have waited"


def test_a_waiting_worker_gets_what_falls_due_while_it_waits(queue: desk.Queue) -> None:
    scheduled = queue.enqueue(delay_seconds=0.3)
    assert queue.lease(wait_seconds=20, lease_seconds=0.3)["task"]["id"] == scheduled
    again = queue.lease("second", wait_seconds=20)
    assert (again["task"]["id"], again["task"]["attempts"]) == (scheduled, 2)


def test_a_worker_that_left_while_it_waited_gets_no_task(queue: desk.Queue) -> None:
    with desk.Line(queue.port) as line:
        wish = json.dumps({"worker": "leaves", "kinds": ["ping"], "wait_seconds": 20}).encode()
        head = f"POST /v1/leases HTTP/1.1\r\nHost: localhost:{queue.port}\r\nAuthorization: Bearer {queue.token}\r\n"
        line.socket.sendall(f"{head}Content-Length: {len(wish)}\r\n\r\n".encode() + wish)
        rig.wait_for(lambda: "leaves" in str(queue.ask("GET", "/v1/workers").body), what="the waiting worker")
    task_id = queue.enqueue()
    assert queue.lease("stays", wait_seconds=20)["task"]["id"] == task_id


def test_one_waits_for_the_end_of_a_task(queue: desk.Queue) -> None:
    task_id = queue.enqueue()
    token = queue.lease()["token"]
    threading.Timer(0.1, queue.ask, ("POST", f"/v1/leases/{token}/complete", {"result": [1]})).start()
    assert queue.task(task_id, wait_s=20)["result"] == [1]


def test_an_unknown_kind_is_refused_over_http_with_the_known_kinds(queue: desk.Queue) -> None:
    reply = queue.ask("POST", "/v1/tasks", {"kind": "health_check"})
    assert (reply.status, reply.body["error"]["hint"]) == (422, "known kinds: ping, wait")
    assert queue.ask("GET", "/v1/kinds").body == {"kinds": {"ping": None, "wait": None}}


def test_an_order_sent_twice_under_one_key_is_one_task(queue: desk.Queue) -> None:
    first = queue.ask("POST", "/v1/tasks", {"kind": "ping"}, Idempotency_Key="once")
    second = queue.ask("POST", "/v1/tasks", {"kind": "ping"}, Idempotency_Key="once")
    assert (first.status, second.status) == (201, 200)
    assert first.body["task"]["id"] == second.body["task"]["id"]
    assert queue.ask("POST", "/v1/tasks", {"kind": "wait"}, Idempotency_Key="once").status == 409


def test_a_lease_never_shows_its_token_to_others(queue: desk.Queue) -> None:
    task_id = queue.enqueue()
    token = queue.lease()["token"]
    assert token not in str(queue.task(task_id)) + str(queue.ask("GET", "/v1/tasks").body)


def test_a_busy_port_is_one_line_that_names_it(queue: desk.Queue) -> None:
    second = desk.Program("queue", "--port", queue.port, "--db", queue.state / "2.db", state=queue.state)
    assert second.process.wait(rig.WAIT_S) == 1
    assert second.log.count("\n") == 1
    assert f"port `{queue.port}`" in second.log
    assert not (queue.state / "2.db").exists()


def test_a_database_that_another_server_has_is_one_line_that_names_it(queue: desk.Queue) -> None:
    second = desk.Program("queue", "--port", 0, state=queue.state)
    assert second.process.wait(rig.WAIT_S) == 1
    assert second.log.count("\n") == 1
    assert "queue.sqlite3" in second.log


def test_sigterm_ends_with_0_within_a_second_though_somebody_waits(queue: desk.Queue) -> None:
    answers: list[dict[str, dict[str, str]]] = []
    waiter = threading.Thread(target=lambda: answers.append(queue.lease("waiter", wait_seconds=30)))
    waiter.start()

    def is_heard() -> bool:  # the queue knows its `tester` from the beginning
        return "waiter" in [worker["name"] for worker in queue.ask("GET", "/v1/workers").body["workers"]]

    rig.wait_for(is_heard, what="the one that waits to be noticed")
    began = time.monotonic()
    assert queue.ask_to_end() == 0
    assert time.monotonic() - began < 15, "half of what it would have waited"
    waiter.join(rig.WAIT_S)
    assert [answer["error"]["message"] for answer in answers] == ["the server ends"]
    assert "Traceback" not in queue.log
    assert not Path(f"{queue.state}/queue/queue.sqlite3-wal").exists(), "closed, not dropped"


@pytest.mark.only("posix")
def test_token_and_database_are_this_users_alone(queue: desk.Queue) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in (queue.state / "queue").iterdir()}
    assert modes["token"] == modes["queue.sqlite3"] == 0o600
    (queue.state / "queue" / "token").chmod(0o644)
    queue.kill()
    again = desk.Queue(queue.state)
    again.close()
    assert again.token == queue.token
    assert (queue.state / "queue" / "token").stat().st_mode & 0o777 == 0o600
    assert "readable by other users" in again.log


def test_it_is_ready_soon(tmp_path: Path, ended: Keep) -> None:
    numbers = itertools.count()

    def ready() -> None:
        state = tmp_path / str(next(numbers))
        state.mkdir()
        ended(desk.Queue(state)).close()

    assert rig.quickest(ready, 2.0) < 2, "0.1 s on an idle machine"


@pytest.mark.only("posix")
def test_idle_it_costs_nothing(queue: desk.Queue) -> None:
    """Elsewhere the clock of another process has steps of 16 ms, and Wine gives the asker's own."""
    process = psutil.Process(queue.pid)

    def is_idle() -> bool:
        """Whether it rests for a second: two ticks of the kernel's clock, three times awake."""
        switches, spent = process.num_ctx_switches().voluntary, sum(process.cpu_times()[:2])
        end = time.monotonic() + 1
        rig.wait_for(lambda: time.monotonic() > end, what="a second of idleness")
        return (
            sum(process.cpu_times()[:2]) - spent < 0.025 and process.num_ctx_switches().voluntary - switches <= 3
        )

    rig.wait_for(is_idle, what="a second in which it does not wake up though nothing happens")


@pytest.mark.parametrize("name", ["queue", "worker", "monitor"])
def test_each_service_explains_itself(name: str) -> None:
    argv = [sys.executable, "-m", f"autosys_tasks.services.{name}"]
    helped = subprocess.run([*argv, "--help"], capture_output=True, text=True, encoding="utf-8", timeout=100)
    assert helped.returncode == 0
    assert f"autosys_tasks.services.{name}" in helped.stdout
    wrong = subprocess.run([*argv, "--wrong"], capture_output=True, text=True, encoding="utf-8", timeout=100)
    assert wrong.returncode == 2


@pytest.mark.parametrize("name", ["queue", "monitor"])
def test_no_service_loads_invoke_or_tls(name: str, tmp_path: Path) -> None:
    """Start and memory: ssl and email alone are 6 MB."""
    code = f"import sys, autosys_tasks.services.{name}.__main__; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8"
    ).stdout
    assert not {"invoke", "ssl", "email", "rich", "logging", "asyncio"} & set(loaded.split())


@pytest.mark.only("posix")
def test_ctrl_c_is_polite_too(queue: desk.Queue) -> None:
    queue.process.send_signal(signal.SIGINT)
    assert queue.process.wait(rig.WAIT_S) == 0

"""The worker as a real process: tasks done once, hung ones ended whole, an idle one alive."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import desk
import psutil
import pytest
import rig

TREE = (
    "import os, signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True); "
    "print(os.getpid(), child.pid, flush=True); time.sleep(600)"
)
Keep = Callable[[desk.Program], desk.Program]


def state_of(queue: desk.Queue, task_id: str) -> str:
    return str(queue.task(task_id)["state"])


def wait_until(queue: desk.Queue, task_id: str, state: str, within_s: float = rig.WAIT_S) -> dict[str, object]:
    rig.wait_for(lambda: state_of(queue, task_id) == state, within_s, what=f"{task_id} {state}")
    return dict(queue.task(task_id))


def test_ping_wait_and_an_allowed_command_are_done(queue: desk.Queue, ended: Keep) -> None:
    ended(desk.worker(queue, "--allow", desk.allowed("hello", "print('안녕')")))
    rig.wait_for(lambda: "command" in str(queue.ask("GET", "/v1/kinds").body))
    tasks = [
        queue.enqueue("ping"),
        queue.enqueue("wait", {"seconds": 0.1}),
        queue.enqueue("command", {"name": "hello"}),
    ]
    done = [wait_until(queue, task, "succeeded") for task in tasks]
    assert "안녕" in str(done[2]["result"])


def test_a_task_of_a_killed_worker_is_done_by_another_exactly_once(queue: desk.Queue, ended: Keep) -> None:
    """The lease and its fencing token: nothing lost, nothing done twice by the book."""
    first = ended(desk.worker(queue, "--name", "first", "--lease", "1"))
    task = queue.enqueue("wait", {"seconds": 3})
    wait_until(queue, task, "leased")
    first.kill()
    second = ended(desk.worker(queue, "--name", "second"))  # whose lease outlasts whatever holds it up
    found = wait_until(queue, task, "succeeded")
    assert found["attempts"] == 2 and found["result"]["worker"] == "second"  # type: ignore[index]
    assert found["result"]["pid"] == second.pid  # type: ignore[index]


def test_a_late_result_of_an_expired_lease_is_refused(queue: desk.Queue) -> None:
    task = queue.enqueue("ping")
    old = queue.lease(lease_seconds=1)
    rig.wait_for(lambda: queue.lease(worker="other", lease_seconds=30).get("token"), what="the lease again")
    late = queue.ask("POST", f"/v1/leases/{old['token']}/complete", {"result": 1})
    assert late.status == 409 and state_of(queue, task) == "leased"


def test_an_idle_worker_is_alive(queue: desk.Queue, ended: Keep, tmp_path: Path) -> None:
    """P22: 2,926 alerts "no active workers", because the idle ones were not counted."""
    heart = tmp_path / "heart"
    ended(desk.worker(queue, "--name", "idle", AUTOSYS_HEARTBEAT=str(heart)))
    rig.wait_for(heart.exists)
    first = heart.stat().st_mtime_ns
    rig.wait_for(lambda: heart.stat().st_mtime_ns > first, what="another beat")
    workers = queue.ask("GET", "/v1/workers").body["workers"]
    assert "idle" in [worker["name"] for worker in workers]


def test_a_hung_command_is_ended_with_its_whole_tree(queue: desk.Queue, ended: Keep) -> None:
    ended(desk.worker(queue, "--allow", desk.allowed("hang", TREE)))
    rig.wait_for(lambda: "command" in str(queue.ask("GET", "/v1/kinds").body))
    task = queue.enqueue("command", {"name": "hang"}, timeout_seconds=1, max_attempts=1)
    found = wait_until(queue, task, "dead")
    assert "timed out after 1 s" in str(found["error"])
    pids = [int(word) for word in str(found["error"]).split(": ")[-1].split() if word.isdigit()]
    assert len(pids) == 2, found
    for pid in pids:
        rig.wait_for(lambda pid=pid: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie")


def test_a_task_brings_no_argv_of_its_own(queue: desk.Queue, ended: Keep) -> None:
    worker = ended(desk.worker(queue, "--allow", desk.allowed("hello", "print(1)")))
    rig.wait_for(lambda: "command" in str(queue.ask("GET", "/v1/kinds").body))
    refused = queue.ask("POST", "/v1/tasks", {"kind": "no-such", "payload": {}})
    assert refused.status == 422 and "ping" in str(refused.body)
    refused = queue.ask("POST", "/v1/tasks", {"kind": "command", "payload": {"name": "rm"}})
    if refused.status == 201:
        found = wait_until(queue, refused.body["task"]["id"], "dead")
        assert "hello" in str(found["error"])
    else:
        assert refused.status == 422
    smuggled = {"kind": "command", "payload": {"name": "hello", "argv": ["touch", "x"]}, "max_attempts": 1}
    reply = queue.ask("POST", "/v1/tasks", smuggled)
    if reply.status == 201:
        assert "argv" in str(wait_until(queue, reply.body["task"]["id"], "dead")["error"])
    assert worker.process.poll() is None


def test_a_server_that_is_down_is_told_once_and_found_again(queue: desk.Queue, ended: Keep) -> None:
    worker = ended(desk.worker(queue))
    rig.wait_for(lambda: queue.ask("GET", "/v1/workers").body["workers"])
    queue.kill()
    rig.wait_for(lambda: "does not serve" in worker.log)
    again = ended(desk.Queue(queue.state, port=queue.port))
    assert isinstance(again, desk.Queue)
    wait_until(again, again.enqueue("ping"), "succeeded")
    assert worker.log.count("does not serve") == 1 and worker.log.count("answers again") == 1


def test_a_worker_that_is_asked_to_end_gives_its_task_back(queue: desk.Queue, ended: Keep) -> None:
    worker = ended(desk.worker(queue, "--grace", "0.2"))
    task = queue.enqueue("wait", {"seconds": 60})
    wait_until(queue, task, "leased")
    began = time.monotonic()
    assert worker.ask_to_end() == 0
    assert time.monotonic() - began < 30, "half of what its task takes"
    assert state_of(queue, task) in ("queued", "ready", "waiting")


@pytest.mark.only("posix")  # Wine gives the asker's own times for those of another
def test_an_idle_worker_ends_at_once_and_costs_nothing(queue: desk.Queue, ended: Keep) -> None:
    worker = ended(desk.worker(queue))
    rig.wait_for(lambda: queue.ask("GET", "/v1/workers").body["workers"])
    process = psutil.Process(worker.pid)
    before = process.cpu_times()
    rig.wait_for(lambda: time.time() - process.create_time() > 3)
    after = process.cpu_times()
    assert after.user + after.system - before.user - before.system < 0.1 * rig.stretched()
    assert worker.ask_to_end() == 0

"""`inv queue.*` and `inv rpa.status`, typed beside a real queue and a real worker."""

from __future__ import annotations

import json
import socket
import sys
import threading

import rig

PYTHON = [sys.executable, "-X", "utf8", "-m"]


def test_a_person_queues_a_task_and_hears_how_it_ended(workspace: rig.Workspace) -> None:
    """The whole way: no queue, one that is down, a task done, one that is dead, who works (P22: idle is present)."""
    workspace.write("")
    workspace.cli("queue.status").rc(2).says("no service of this workspace is a task queue", "declare one")
    port = rig.free_port()
    queue = [*PYTHON, "autosys_tasks.services.queue", "--port", str(port)]
    worker = [*PYTHON, "autosys_tasks.services.worker", "--server", f"http://127.0.0.1:{port}"]
    ready = f'[services.desk.readiness]\nhttp = "http://127.0.0.1:{port}/readyz"\n'
    more = f'[services.hand]\ncommand = {json.dumps(worker)}\ndepends_on = ["desk"]\n'
    workspace.write(f"[services.desk]\ncommand = {json.dumps(queue)}\n{ready}{more}")
    workspace.cli("queue.add", "ping").rc(3).says("autosys bringup desk")
    workspace.cli("bringup", "--no-guard").rc(0)

    def workers() -> list[dict[str, object]]:
        return list(workspace.cli("rpa.status", "--json").rc(0).json()["workers"])  # type: ignore[call-overload]

    (seen,) = rig.wait_for(workers, what="a worker")
    assert (seen["name"], seen["state"], seen["busy"]) == ("hand", "present", 0)
    assert workspace.cli("queue.add", "ping", "--dry-run", "--exit-code").rc(9).says("would enqueue ping")
    done = workspace.cli("queue.add", "wait", "--payload", '{"seconds": 0.1}', "--wait", "30", "--json").rc(0).json()
    task = done["queued"]
    assert isinstance(task, dict) and task["state"] == "succeeded" and done["summary"]["done"] == 1  # type: ignore[index]
    workspace.cli("queue.add", "ping", "--payload", '{"x": 1}', "--wait", "30").rc(3).says("dead", "unknown field `x`")
    workspace.cli("queue.add", "pong").rc(2).says("no worker serves the kind `pong`", "did you mean `ping`?")
    workspace.cli("queue.add", "ping", "--payload", "{").rc(2).says("--payload is not JSON")
    workspace.cli("queue.list", "--state", "succeeded").rc(0).says(f"{task['id']} wait: succeeded")
    workspace.cli("queue.show", str(task["id"])).rc(0).says('payload: {"seconds": 0.1}')
    workspace.cli("queue.show", "zz").rc(2).says("autosys queue.list")
    workspace.cli("queue.status").rc(0).says("1 succeeded, 1 dead", "workers: 1 present")
    for wrong in ("-1", "nan"):
        workspace.cli("queue.add", "ping", "--wait", wrong).rc(2).says("--wait takes a number of seconds from 0 on")
    late = workspace.cli("queue.add", "wait", "--payload", '{"seconds": 60}', "--wait", "0.1").rc(3)
    late.says("not ended within 0.1 s", "autosys queue.show ")


def test_a_queue_that_runs_and_does_not_answer_is_to_be_restarted(workspace: rig.Workspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        hangs_up = threading.Thread(target=lambda: deaf.accept()[0].close())
        hangs_up.start()
        queue = [*PYTHON, "autosys_tasks.services.queue", "--port", str(deaf.getsockname()[1])]
        token = workspace.root / "token"
        token.write_text("x" * 43, encoding="ascii")
        token.chmod(0o600)
        workspace.write(f"[services.desk]\ncommand = {json.dumps([*queue, '--token-file', str(token)])}\n")
        workspace.cli("queue.status").rc(3).says("does not answer", "autosys restart desk")
        hangs_up.join()

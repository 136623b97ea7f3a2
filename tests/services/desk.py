"""What the tests of this folder share: the three services as real processes, and a client that sends any bytes."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import rig

from autosys_tasks import host

READY = re.compile(r": ready on http://127\.0\.0\.1:(\d+)")


class Reply(NamedTuple):
    """An answer: `body` is the JSON object, {} without one."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Program:
    """One service as a process of its own; what it writes is in `log`."""

    def __init__(self, name: str, *args: object, state: Path, env: Mapping[str, str] | None = None) -> None:
        self.log_file = state / f"{name}-{time.monotonic_ns()}.log"
        argv = [sys.executable, "-m", f"autosys_tasks.services.{name}", *map(str, args)]
        given = {**os.environ, "AUTOSYS_STATE": str(state), "AUTOSYS_WORKSPACE": str(state), **(env or {})}
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(argv, env=given, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self.log_file.read_text(encoding="utf-8")

    def kill(self) -> None:
        """kill -9, and gone."""
        self.process.kill()
        self.process.wait(rig.WAIT_S)

    def ask_to_end(self) -> int:
        """As this system asks; the exit code."""
        who = host.identity(self.pid)
        assert who is not None and host.ask_to_end(who)
        return self.process.wait(rig.WAIT_S)

    def close(self) -> None:
        """Whatever it does, it is gone afterwards."""
        with suppress(ProcessLookupError):
            self.kill()


class Served(Program):
    """A service that listens: `port` is known once it is ready."""

    def __init__(self, name: str, *args: object, state: Path, env: Mapping[str, str] | None = None) -> None:
        super().__init__(name, *args, state=state, env=env)
        found = rig.wait_for(self._announced, what=f"{name} to be ready", every_s=0.005)
        self.port = int(found[1])

    def _announced(self) -> re.Match[str] | None:
        assert self.process.poll() is None, self.log
        return READY.search(self.log)

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        """One request on a connection of its own; `Token=""` sends none."""
        with Line(self.port) as line:
            return line.ask(method, path, body, **headers)


class Queue(Served):
    """The queue server with its files in `state`/queue."""

    def __init__(self, state: Path, *args: object, port: int = 0) -> None:
        self.state = state
        super().__init__("queue", "--port", port, *args, state=state)
        self.token = (state / "queue" / "token").read_text(encoding="utf-8").strip()

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        """One request, with the token."""
        return super().ask(method, path, body, **{"Authorization": f"Bearer {self.token}", **headers})

    def present(self, kinds: object = ("ping", "wait"), name: str = "tester") -> None:
        """A worker that serves these kinds has been here."""
        kinds = list(kinds) if isinstance(kinds, tuple) else kinds
        assert self.ask("PUT", f"/v1/workers/{name}", {"kinds": kinds}).status == 200

    def enqueue(self, kind: str = "ping", payload: object = None, **more: object) -> str:
        """A new task's id."""
        reply = self.ask("POST", "/v1/tasks", {"kind": kind, "payload": payload or {}, **more})
        assert reply.status == 201, reply
        return str(reply.body["task"]["id"])

    def task(self, task_id: str, wait_s: float = 0) -> Any:
        """One task; `wait_s` waits for its end."""
        return self.ask("GET", f"/v1/tasks/{task_id}?wait_seconds={wait_s}").body["task"]

    def lease(self, worker: str = "tester", kinds: tuple[str, ...] = ("ping",), **more: object) -> Any:
        """{token, task}, or {} when there is none."""
        return self.ask("POST", "/v1/leases", {"worker": worker, "kinds": list(kinds), **more}).body


def worker(queue: Queue, *args: object, **env: str) -> Program:
    """A worker of that queue."""
    server = f"http://localhost:{queue.port}"
    return Program("worker", "--server", server, *args, state=queue.state, env=env)


def allowed(name: str, code: str) -> str:
    """The --allow option for a command that runs Python code."""
    return f"{name}={json.dumps(['python', '-c', code])}"


class Line:
    """One kept-alive connection, in plain bytes."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.stream = self.socket.makefile("rb")

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()
        self.socket.close()

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        """One request, one answer; header names are written with `_` for `-`."""
        content = b"" if body is None else json.dumps(body).encode()
        given = {"Host": f"127.0.0.1:{self.port}", "Content-Length": str(len(content)), **headers}
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in given.items()]
        return self.send("\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode() + content)

    def send(self, raw: bytes) -> Reply:
        """Any bytes, one answer."""
        self.socket.sendall(raw)
        status = int(self.stream.readline().split()[1])
        headers = {}
        while line := self.stream.readline().decode().strip():
            name, _, value = line.partition(": ")
            headers[name] = value
        content = self.stream.read(int(headers.get("Content-Length", 0)))
        return Reply(status, headers, json.loads(content) if content else {})

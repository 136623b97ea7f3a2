"""A client of the queue server that a workspace declares, for commands. Retries nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from autosys_tasks.config.model import Config
from autosys_tasks.core.errors import NotSo, UsageError
from autosys_tasks.services.loopback import HOST
from autosys_tasks.services.queue import __main__ as queue
from autosys_tasks.services.shutdown import Ending
from autosys_tasks.services.worker.client import Client, Unreachable

MODULE = "autosys_tasks.services.queue"
LONG_POLL_S = 25.0  # the server holds no request longer than 30
ENDED = ("succeeded", "dead")


class DeclaredQueue(NamedTuple):
    """A client of the queue server, and the name of its service."""

    service: str
    client: Client

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        wait_s: float = 0.0,
        hint: str = "",
    ) -> dict[str, Any]:
        """The body of its answer. Raises NotSo when there is none, UsageError with the server's words for a refusal.

        `wait_s`: for how long the server may hold the request. `hint`: used instead of the server's.
        """
        try:
            status, content = self.client.ask(method, path, body or {}, patience_s=10.0 + wait_s)
        except Unreachable as error:
            said = f"the task queue does not answer: {error}"
            is_down = isinstance(error.__cause__, ConnectionRefusedError)  # else it runs: no bring-up ends it
            helps = "bringup" if is_down else "restart"
            raise NotSo(said, where=self.service, hint=f"inv {helps} {self.service}") from error
        if status >= 400:
            refused = content["error"]
            raise UsageError(refused["message"], hint=hint or refused["hint"])
        return content

    def wait_for_end(self, task: dict[str, Any], within_s: float) -> dict[str, Any]:
        """The task once it has ended, or as it is after `within_s` seconds."""
        deadline = time.monotonic() + within_s
        while task["state"] not in ENDED and (left := deadline - time.monotonic()) > 0:
            wait_s = min(left, LONG_POLL_S)
            task = self.request("GET", f"{task_path(task['id'])}?wait_seconds={wait_s:.3f}", wait_s=wait_s)["task"]
        return task


def declared_queue(config: Config, state: str) -> DeclaredQueue:
    """The queue server that this workspace declares; raises UsageError when it declares none. `state`: its folder."""
    for service in config.services.values():
        if MODULE in service.argv:
            options = service.argv[service.argv.index(MODULE) + 1 :]
            chosen, _others = queue.arguments().parse_known_args(options)
            token = chosen.token_file or Path(state, "queue", "token")
            return DeclaredQueue(service.name, Client((HOST, chosen.port), token, Ending()))
    hint = f'declare one in autosys.toml: command = ["python", "-m", "{MODULE}"]'
    raise UsageError("no service of this workspace is a task queue", hint=hint)


def task_path(task_id: str) -> str:
    """The URL path of one task."""
    return f"/v1/tasks/{quote(task_id, safe='')}"


def page_path(**chosen: str) -> str:
    """The URL path of a list of tasks; `chosen` are its filters, of which empty ones do not count."""
    return f"/v1/tasks?{urlencode({name: value for name, value in chosen.items() if value})}"

"""Talks to the queue server over one connection, and can be woken while it waits. Retries nothing."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from autosys_tasks.core.errors import UsageError
from autosys_tasks.services.bearer import read_token
from autosys_tasks.services.shutdown import Ending
from autosys_tasks.services.wire import Malformed, message, read_body, read_head

PATIENCE_S = 10.0
LOCAL = {"localhost": "127.0.0.1", "127.0.0.1": "127.0.0.1"}


class Unreachable(Exception):
    """The server does not answer, or answers that it cannot serve us; the text says why."""


class Interrupted(Exception):
    """The process was asked to end while it waited for the answer."""


class Client:
    """One server. `turn` is called at least every `turn_s` seconds while an answer is awaited."""

    def __init__(self, address: tuple[str, int], token_file: Path, ending: Ending) -> None:
        self._address = address
        self._token_file = token_file
        self._ending = ending
        self._connection: socket.socket | None = None

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, object],
        *,
        patience_s: float = PATIENCE_S,
        turn: Callable[[], None] | None = None,
        turn_s: float = 5.0,
    ) -> tuple[int, dict[str, Any]]:
        """Status and body of the answer. With `turn` a wish to end interrupts the wait.

        Raises Unreachable after any trouble below HTTP and for the statuses 401, 403 and 5xx; Interrupted.
        """
        try:
            connection = self._connected()
            connection.sendall(self._request(method, path, body))
            self._await(connection, patience_s, turn, turn_s)
            status, content = self._receive(connection)
        except (OSError, Malformed, ValueError) as error:
            self.close()
            raise Unreachable(_reason(error)) from error
        except Interrupted:
            self.close()
            raise
        if status in (401, 403) or status >= 500:
            raise Unreachable(f"{status} {content.get('error', {}).get('message', '')}")
        return status, content

    def _request(self, method: str, path: str, body: Mapping[str, object]) -> bytes:
        token = read_token(self._token_file)
        if not token:
            raise OSError(f"no token in `{self._token_file}` yet")
        content = json.dumps(body).encode("ascii")
        headers = {
            "Host": f"{self._address[0]}:{self._address[1]}",
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
        }
        return message(f"{method} {path} HTTP/1.1", headers, content)

    def _receive(self, connection: socket.socket) -> tuple[int, dict[str, Any]]:
        with connection.makefile("rb") as stream:
            head = read_head(stream)
            if head is None:
                raise ConnectionResetError("the connection was closed")
            content = read_body(stream, head.length)
        if head.headers.get("connection", "").lower() == "close":
            self.close()
        return int(head.first[1]), json.loads(content) if content else {}

    def _connected(self) -> socket.socket:
        if self._connection is None:
            self._connection = socket.create_connection(self._address, timeout=PATIENCE_S)
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._connection

    def _await(
        self,
        connection: socket.socket,
        patience_s: float,
        turn: Callable[[], None] | None,
        turn_s: float,
    ) -> None:
        deadline = time.monotonic() + patience_s
        while not self._ending.wait(min(turn_s, max(0.0, deadline - time.monotonic())), connection):
            if turn and self._ending.asked:
                raise Interrupted
            if time.monotonic() >= deadline:
                raise TimeoutError(f"no answer in {patience_s:g} s")
            if turn:
                turn()

    def close(self) -> None:
        """Drop the connection; the next request makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _reason(error: Exception) -> str:
    if isinstance(error, ConnectionResetError | ConnectionAbortedError | BrokenPipeError):
        return "the connection was closed"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def parse_server(url: str) -> tuple[str, int]:
    """Address and port of `http://127.0.0.1:8091`; localhost is 127.0.0.1, never ::1. Raises UsageError."""
    parts = urlsplit(url)
    try:
        host, port = LOCAL.get(parts.hostname or ""), parts.port
    except ValueError:
        host, port = None, None
    if parts.scheme != "http" or host is None or port is None or parts.path not in ("", "/"):
        hint = "use http://127.0.0.1:PORT; the token would cross a network unencrypted"
        raise UsageError(f"`{url}` is no server on this machine", where="--server", hint=hint)
    return host, port

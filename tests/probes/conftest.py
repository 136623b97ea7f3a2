"""Servers that behave as real ones do on their worst days, each on a port of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from autosys_tasks.core.probe import Probe
from autosys_tasks.probes import Answer, ask

Handler = Callable[[socket.socket, bytes], None]


class Server:
    """Takes connections until it is closed; `handler(connection, request)` runs in a thread for each."""

    def __init__(self, handler: Handler, family: int = socket.AF_INET, reads: bool = True) -> None:
        self.handler, self.reads = handler, reads
        self.requests: list[bytes] = []
        self.over = threading.Event()
        self.listening = socket.socket(family, socket.SOCK_STREAM)
        self.listening.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self.listening.listen(64)
        self.port: int = self.listening.getsockname()[1]
        self.connections: list[socket.socket] = []
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        while True:
            try:
                connection, _address = self.listening.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            request = _request(connection) if self.reads else b""
            self.requests.append(request)
            self.handler(connection, request)

    def close(self) -> None:
        self.over.set()
        with contextlib.suppress(OSError):
            self.listening.shutdown(socket.SHUT_RDWR)
        for sock in (self.listening, *self.connections):
            sock.close()


def _request(connection: socket.socket) -> bytes:
    held = b""
    while b"\r\n\r\n" not in held and (part := connection.recv(65536)):
        held += part
    head, _, body = held.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            while len(body) < int(line[15:]) and (part := connection.recv(65536)):
                body += part
    return head + b"\r\n\r\n" + body


@pytest.fixture
def server() -> Iterator[Callable[..., Server]]:
    """server(handler): a server that lives as long as the test."""
    made: list[Server] = []

    def make(handler: Handler, **more: object) -> Server:
        made.append(Server(handler, **more))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def says(server: Callable[..., Server]) -> Callable[[bytes], Server]:
    """says(raw): a server that answers every request with these bytes, and closes."""
    return lambda raw: server(lambda connection, _request: connection.sendall(raw))


@pytest.fixture
def hung(server: Callable[..., Server]) -> Server:
    """Accepts, reads, and never answers."""
    return server(lambda connection, _request: one_that_waits(connection))


def one_that_waits(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


@pytest.fixture
def drips(server: Callable[..., Server]) -> Callable[[bytes], Server]:
    """drips(raw): says `raw` at once, then one byte every 50 ms for ever."""

    def make(raw: bytes) -> Server:
        def drip(connection: socket.socket, _request: bytes) -> None:
            connection.sendall(raw)
            while not made.over.wait(0.05):
                connection.sendall(b"x")

        made = server(drip)
        return made

    return make


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port whose queue of callers is full: nobody gets through, and nobody is refused."""
    with contextlib.ExitStack() as open_now:
        full = open_now.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(8):
            caller = open_now.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(full.getsockname())
        yield full.getsockname()[1]


@pytest.fixture
def ask_web() -> Callable[..., Answer]:
    """ask_web(server, path, **probe): an http question to that server."""

    def put(to: Server, path: str = "/", **more: object) -> Answer:
        more = {"timeout_s": 60.0, **more}
        return ask(Probe("http", f"http://127.0.0.1:{to.port}{path}", **more))  # type: ignore[arg-type]

    return put


def reply(body: bytes = b"", status: str = "200 OK", *headers: str) -> bytes:
    """The bytes of a plain answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.fixture(name="reply")
def reply_fixture() -> Callable[..., bytes]:
    """reply(body, "200 OK", *headers): the bytes of a plain answer."""
    return reply

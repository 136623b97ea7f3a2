"""A small JSON server on 127.0.0.1: Host allow-list, bearer token, body limit. No TLS, no pages."""

from __future__ import annotations

import json
import select
import socket
import socketserver
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from autosys_tasks.core.errors import AutosysError, StateError
from autosys_tasks.services.bearer import same_token
from autosys_tasks.services.log import say
from autosys_tasks.services.routes import Answer, Refusal, Request, Site, find_route, parse_body, refused
from autosys_tasks.services.shutdown import Ending
from autosys_tasks.services.wire import Head, Malformed, message, read_body, read_head, status_line

HOST = "127.0.0.1"
DRAIN_LIMIT = 8 * 1024 * 1024  # a refused body is read this far: the client sees the refusal, not a reset
IDLE_TIMEOUT_S = 90
LAST_REQUESTS_S = 0.5


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A bound, listening server; `site` is given before `serve`. One daemon thread for each connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    # On Windows SO_REUSEADDR would let a second server take the same port; elsewhere it only skips TIME_WAIT. Nor
    # SO_EXCLUSIVEADDRUSE there: after a kill, the port would be refused as long as an old connection lingers.
    allow_reuse_address = not hasattr(socket, "SO_EXCLUSIVEADDRUSE")
    site = Site(())
    ended = False

    def __init__(self, port: int) -> None:
        self.busy = 0
        self.idle = threading.Condition()
        super().__init__((HOST, port), Handler)
        self.socket.setblocking(False)
        self.port: int = self.socket.getsockname()[1]
        self.hosts = frozenset({f"{HOST}:{self.port}", f"localhost:{self.port}"})

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no event; anything else is logged."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            say(f"a connection failed\n{traceback.format_exc()}")

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Counts the requests being answered, for an end that cuts none short."""
        with self.idle:
            self.busy += 1
        try:
            yield
        finally:
            with self.idle:
                self.busy -= 1
                self.idle.notify_all()


def listen(port: int) -> Server:
    """A server bound to 127.0.0.1:`port` (0: any free one); StateError naming the port when that fails."""
    try:
        return Server(port)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        hint = f"stop what listens on {port}, or choose another port with --port"
        raise StateError(f"port `{port}` cannot be had: {reason}", where=str(port), hint=hint) from error


def serve(server: Server, ending: Ending, every_s: float = 0, tick: Callable[[], None] | None = None) -> None:
    """Answer until `ending` is asked, then give running requests half a second to finish.

    `tick()` runs on this thread, at once and then every `every_s` seconds; otherwise nothing wakes up.
    """
    due = time.monotonic()
    while not ending.asked:
        if tick and time.monotonic() >= due:
            tick()
            due = max(due + every_s, time.monotonic())
        if ending.wait(max(0.0, due - time.monotonic()) if tick else None, server.socket):
            server.handle_request()
    server.ended = True
    server.server_close()
    server.site.on_end()
    with server.idle:
        server.idle.wait_for(lambda: not server.busy, timeout=LAST_REQUESTS_S)


class Handler(socketserver.StreamRequestHandler):
    """One connection: HTTP/1.1, kept alive until the client closes it, errs, or is silent for 90 s."""

    server: Server
    wbufsize = 65536
    disable_nagle_algorithm = True
    timeout = IDLE_TIMEOUT_S

    def handle(self) -> None:
        """Answer one request after the other."""
        self.closing = False
        while not self.closing:
            try:
                head = read_head(self.rfile)
            except TimeoutError:
                return
            except Malformed as error:
                self.closing = True
                self._send("", Answer(400, refused(str(error), "send a plain HTTP/1.1 request")))
                return
            if head is None:
                return
            with self.server.at_work():
                self.closing = not _stays(head)
                self._send(head.first[0], self._answer(head))

    def _answer(self, head: Head) -> Answer:
        try:
            return self._respond(head)
        except Refusal as refusal:
            return refusal.answer
        except AutosysError as error:
            status = self.server.site.statuses.get(error.kind, 500)
            return Answer(status, refused(error.message, error.hint, error.kind))
        except OSError:
            self.closing = True
            raise
        except Exception:  # noqa: BLE001 - one bad request must not end the service; it is logged whole
            say(f"{' '.join(head.first[:2])!r} failed\n{traceback.format_exc()}")
            return Answer(500, refused("the server failed on this request", "see the service's log"))

    def _respond(self, head: Head) -> Answer:
        method, target, _ = head.first
        body = self._read_body(head)
        self._check_host(head)
        url = urlsplit(target)
        route, parts = find_route(self.server.site.routes, method, url.path)
        if not (route and route.open):
            self._check_token(head)
        if route is None:
            raise Refusal(404, f"no such address: `{url.path}`", "the addresses begin with /v1/")
        query = {key: values[-1] for key, values in parse_qs(url.query, keep_blank_values=True).items()}
        return route.respond(Request(query, head.headers, parse_body(body), self._connected), *parts)

    def _check_host(self, head: Head) -> None:
        """A page in a browser can reach us under a name of its own (DNS rebinding), yet not hide it."""
        if head.headers.get("host", "").lower() not in self.server.hosts:
            self.closing = True
            raise Refusal(403, "this Host is not served", f"use http://{HOST}:{self.server.port}")

    def _check_token(self, head: Head) -> None:
        kept = self.server.site.token
        scheme, _, sent = head.headers.get("authorization", "").partition(" ")
        if kept is not None and not (scheme.lower() == "bearer" and same_token(sent.strip(), kept)):
            hint = "send `Authorization: Bearer TOKEN`; TOKEN is the content of the server's token file"
            raise Refusal(401, "missing or wrong token", hint, {"WWW-Authenticate": "Bearer"})

    def _read_body(self, head: Head) -> bytes:
        try:
            length, limit = head.length, self.server.site.body_limit
        except Malformed as error:
            self.closing = True
            raise Refusal(411, str(error), "send the body's length in bytes, not chunks") from error
        if length > limit:
            self._drain(length)
            hint = f"send at most {limit} bytes; give the path of anything larger"
            raise Refusal(413, f"the body is too large: {length} bytes", hint)
        if length and head.headers.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()
        return read_body(self.rfile, length)

    def _drain(self, left: int) -> None:
        self.closing = True
        left = min(left, DRAIN_LIMIT)
        while left > 0 and (piece := self.rfile.read(min(left, 65536))):
            left -= len(piece)

    def _connected(self) -> bool:
        """Whether the client is still there: a task must not go to one that left while it waited."""
        if self.server.ended:
            return False
        try:
            readable, _, _ = select.select([self.connection], [], [], 0)
            return not readable or bool(self.connection.recv(1, socket.MSG_PEEK))
        except (OSError, ValueError):
            return False

    def _send(self, method: str, answer: Answer) -> None:
        content = b"" if answer.body is None else json.dumps(answer.body).encode("ascii")
        headers = {**answer.headers, "Cache-Control": "no-store"}
        if answer.status != 204:
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(content))}
        if self.server.ended or self.closing:
            self.closing = True
            headers["Connection"] = "close"
        self.wfile.write(message(status_line(answer.status), headers, b"" if method == "HEAD" else content))
        self.wfile.flush()


def _stays(head: Head) -> bool:
    """Whether the client wants to ask more on this connection."""
    said = head.headers.get("connection", "").lower()
    return head.first[2] == "HTTP/1.1" and "close" not in said

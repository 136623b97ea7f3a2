"""The dashboard as a page that renews itself: a server for this machine alone, until Ctrl-C. It writes nothing."""

from __future__ import annotations

import socketserver
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

from autosys_tasks.core.errors import AutosysError, error_lines

HOST = "127.0.0.1"
RENEW_S = 5  # what browsers are told, and how long a page is good enough for whoever else looks
SILENT_S = 10.0  # a connection on which nothing is asked


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Listens on a free port of this machine; `make()` is asked for the page whenever somebody looks."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, make: Callable[[], str]) -> None:
        super().__init__((HOST, 0), Look)
        port = self.server_address[1]
        self.url = f"http://{HOST}:{port}/"
        self.hosts = (f"{HOST}:{port}", f"localhost:{port}")
        self._make = make
        self._made, self._good_until = "", 0.0
        self._making = threading.Lock()

    def page(self) -> str:
        """The page of this moment; it is made once for all who look within RENEW_S."""
        with self._making:
            if time.monotonic() >= self._good_until:
                self._made = self._make()
                self._good_until = time.monotonic() + RENEW_S
            return self._made

    def handle_error(self, request: object, client_address: object) -> None:
        """Who went away in the middle is no event."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class Look(BaseHTTPRequestHandler):
    """One look at the page. Another name of this machine is refused: a web page may make one lead here."""

    server: Server
    timeout = SILENT_S

    def do_GET(self) -> None:
        """The page, or what keeps it from being made; asked for again by the browser itself."""
        if self.headers.get("Host") not in self.server.hosts:
            return self._say(403, "text/plain", f"ask for {self.server.url}\n")
        if self.path != "/":
            return self._say(404, "text/plain", f"the page is {self.server.url}\n")
        try:
            return self._say(200, "text/html", self.server.page())
        except AutosysError as error:
            return self._say(503, "text/plain", "\n".join(error_lines(error)) + "\n")

    do_HEAD = do_GET

    def _say(self, status: int, kind: str, text: str) -> None:
        raw = text.encode("utf-8", "backslashreplace")
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(raw)))
        self.send_header("Cache-Control", "no-store")
        if status not in (403, 404):
            self.send_header("Refresh", str(RENEW_S))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a page that renews itself would fill the terminal."""


def serve(make: Callable[[], str], tell: Callable[[str], None]) -> None:
    """Show the page until Ctrl-C; `tell` is given its address once it can be asked for."""
    with Server(make) as server:
        tell(server.url)
        server.serve_forever()

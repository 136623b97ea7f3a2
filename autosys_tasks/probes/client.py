"""A small HTTP/1.1 client with one deadline for everything, from the name's look-up to the last byte.

The standard library's takes 30 ms and megabytes to import, and its timeout begins anew with every byte: a server that
sends one a second holds it for ever. No redirects, no proxies, no cookies, no compression.
"""

from __future__ import annotations

import contextlib
import functools
import re
import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from autosys_tasks.probes.net import Absent, NoAnswer, connect, seconds_left, shown

if TYPE_CHECKING:
    import ssl

BODY_BYTES = 1_000_000
HEAD_BYTES = 65_536
URL = re.compile(
    r"(https?)://(?:\[([^\]]+)\]|([^/?#:@\[\]]+))(?::(\d{1,5}))?(/[^?#]*)?(\?[^#]*)?(?:#.*)?", re.IGNORECASE
)


class Url(NamedTuple):
    """The parts of a URL. `query` may hold secrets: never show it."""

    secure: bool
    host: str
    port: int
    path: str
    query: str

    @property
    def authority(self) -> str:
        """Host and port, the port only when it is not the default one."""
        usual = 443 if self.secure else 80
        return shown(self.host, self.port).removesuffix(f":{usual}")

    def __str__(self) -> str:
        return f"{'https' if self.secure else 'http'}://{self.authority}{self.path}"


class Reply(NamedTuple):
    """A response; `headers` by lower-case name, `body` cut at 1 MB (then `whole` is false)."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    whole: bool = True


def parse_url(text: str) -> Url:
    """The parts of an http or https URL; raises NoAnswer for any other text, quoting none of its secrets."""
    parts = URL.fullmatch(text.strip())
    if parts is None:
        if "@" in text.partition("://")[2].partition("/")[0]:
            raise NoAnswer("a user or password in the URL is not supported: send a header instead")
        raise NoAnswer("the URL is not one of http:// or https://")
    scheme, six, host, port, path, query = parts.groups()
    secure = scheme.lower() == "https"
    number = int(port) if port else 443 if secure else 80
    if not 0 < number < 65536:
        raise NoAnswer(f"there is no port {number}")
    try:
        name = six or (host if host.isascii() else host.encode("idna").decode("ascii"))
    except UnicodeError as error:
        raise Absent(f"there is no host named `{host}`") from error
    return Url(secure, name, number, path or "/", query or "")


def fetch(
    url: Url,
    *,
    method: str = "GET",
    headers: Mapping[str, str],
    body: bytes = b"",
    deadline: float,
    wants_body: Callable[[int], bool],
) -> Reply:
    """One request and its answer, the body only where `wants_body(status)`.

    Raises NoAnswer; TimeoutError at `deadline` (monotonic), whose text says during what.
    """
    request = _request(url, method, headers, body)
    during = "connecting"
    try:
        with _connect(url, deadline) as sock:
            stream = _Stream(sock, deadline)
            during = "no answer"
            sock.settimeout(seconds_left(deadline))
            with contextlib.suppress(ConnectionError):  # it may answer before it has read all
                sock.sendall(request)
            status, received = _read_head(stream)
            if method == "HEAD" or status in (204, 304) or not wants_body(status):
                return Reply(status, received)
            during = "the answer did not end"
            return Reply(status, received, *_read_body(stream, received))
    except TimeoutError as error:
        raise TimeoutError(during) from error
    except ConnectionError as error:
        raise NoAnswer("the connection was reset") from error
    except OSError as error:
        if during == "connecting":
            raise
        raise NoAnswer(f"the connection broke: {error.strerror or error}") from error


def _connect(url: Url, deadline: float) -> socket.socket:
    sock = connect(url.host, url.port, deadline)
    if not url.secure:
        return sock
    import ssl

    try:
        sock.settimeout(seconds_left(deadline))
        return _ssl_context().wrap_socket(sock, server_hostname=url.host)
    except BaseException as error:
        sock.close()
        if isinstance(error, ssl.SSLCertVerificationError):
            raise NoAnswer(f"the certificate is not trusted: {error.verify_message}") from error
        if isinstance(error, ssl.SSLError):
            raise NoAnswer(f"no TLS: {(error.reason or 'no handshake').lower().replace('_', ' ')}") from error
        raise


@functools.cache
def _ssl_context() -> ssl.SSLContext:
    import ssl

    return ssl.create_default_context()  # reads every certificate of the system: 60 ms


def _request(url: Url, method: str, headers: Mapping[str, str], body: bytes) -> bytes:
    fields = {"Host": url.authority, "User-Agent": "autosys", "Accept": "*/*", "Accept-Encoding": "identity"}
    if body:
        is_json = body.lstrip()[:1] in (b"{", b"[")
        fields["Content-Type"] = "application/json" if is_json else "text/plain; charset=utf-8"
    given = {name.lower() for name in headers}
    fields = {name: value for name, value in fields.items() if name.lower() not in given}
    fields |= headers
    if body or method in ("POST", "PUT", "PATCH"):
        fields["Content-Length"] = str(len(body))
    fields["Connection"] = "close"
    lines = [f"{method} {_ascii(url.path + url.query)} HTTP/1.1", *map(": ".join, fields.items())]
    if any("\r" in line or "\n" in line for line in lines):
        raise NoAnswer("a header holds a line break")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


def _ascii(path: str) -> str:
    raw = path.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if 0x21 <= byte <= 0x7E else f"%{byte:02X}" for byte in raw)


class _Stream:
    """A socket with a buffer and a deadline."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self.sock, self.deadline, self.buffer = sock, deadline, bytearray()

    def receive(self) -> bool:
        self.sock.settimeout(seconds_left(self.deadline))
        part = self.sock.recv(65536)
        self.buffer += part
        return bool(part)

    def line(self) -> bytes | None:
        """The next line, None when the other side has closed before its end."""
        while (end := self.buffer.find(b"\n")) < 0:
            if len(self.buffer) > HEAD_BYTES:
                raise NoAnswer("not HTTP: a line of more than 64 kB")
            if not self.receive():
                return None
        seconds_left(self.deadline)
        return self.read(end + 1).rstrip(b"\r\n")

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer when the other side has closed."""
        while len(self.buffer) < size and self.receive():
            pass
        taken = bytes(self.buffer[:size])
        del self.buffer[:size]
        return taken


def _read_head(stream: _Stream) -> tuple[int, dict[str, str]]:
    status = 100
    headers: dict[str, str] = {}
    while status < 200:  # 100 Continue and the like come before the answer
        line = stream.line()
        if line is None and not stream.buffer:
            raise NoAnswer("closed without an answer")
        status = _status(line or bytes(stream.buffer))
        headers, size = {}, 0
        while (line := stream.line()) and (size := size + len(line)) < HEAD_BYTES:
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        if line is None:
            raise NoAnswer("the answer ended within its headers")
        if line:
            raise NoAnswer("not HTTP: more than 64 kB of headers")
    return status, headers


def _status(line: bytes) -> int:
    found = re.match(rb"HTTP/\d(?:\.\d)? (\d{3})(?: |$)", line)
    if found is None:
        start = "".join(chr(byte) if 0x20 <= byte <= 0x7E else "." for byte in line[:24])
        raise NoAnswer(f"not HTTP: the answer begins with `{start}`")
    return int(found[1])


def _read_body(stream: _Stream, headers: Mapping[str, str]) -> tuple[bytes, bool]:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return _read_chunks(stream)
    declared = headers.get("content-length")
    if declared is None:
        content = stream.read(BODY_BYTES + 1)
        return content[:BODY_BYTES], len(content) <= BODY_BYTES
    if not declared.isdecimal():
        raise NoAnswer("not HTTP: a length that is no number")
    wanted = min(int(declared), BODY_BYTES)
    content = stream.read(wanted)
    if len(content) < wanted:
        raise NoAnswer(f"the answer ended early ({len(content)} of {declared} bytes)")
    return content, wanted == int(declared)


def _read_chunks(stream: _Stream) -> tuple[bytes, bool]:
    content = bytearray()
    while True:
        line = stream.line()
        size = re.match(rb"[0-9a-fA-F]{1,8}(?=\s*(?:;|$))", line or b"")
        if line is None or size is None:
            raise NoAnswer("the answer ended early (in the middle of its chunks)")
        count = int(size[0], 16)
        if count == 0:
            return bytes(content), True
        part = stream.read(min(count, BODY_BYTES + 1))
        content += part
        if len(content) > BODY_BYTES:
            return bytes(content[:BODY_BYTES]), False
        if len(part) < count or stream.line() != b"":
            raise NoAnswer("the answer ended early (in the middle of its chunks)")

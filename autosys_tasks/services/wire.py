"""HTTP/1.1 messages on a byte stream, both sides: heads with limits, bodies with a length. No TLS, no chunks.

Not http.server and http.client: those load ssl and email, 6 MB in each of three processes that need neither.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple, Protocol

LINE_LIMIT = 16 * 1024
HEADER_LIMIT = 100
FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\r\n]*?)[ \t]*\r?\n")
REASONS = {
    200: "OK",
    201: "Created",
    204: "No Content",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    411: "Length Required",
    413: "Content Too Large",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class Source(Protocol):
    """A buffered byte stream to read from."""

    def readline(self, size: int, /) -> bytes:
        """One line, its end included; at most `size` bytes, b"" at the end."""

    def read(self, size: int, /) -> bytes:
        """`size` bytes, less only at the end."""


class Malformed(Exception):
    """The bytes are not a message that we read."""


class Head(NamedTuple):
    """First line in its three parts, headers by lower-case name; values of a repeated one joined by `, `."""

    first: tuple[str, str, str]
    headers: Mapping[str, str]

    @property
    def length(self) -> int:
        """Bytes of the body; Malformed without a plain Content-Length where there is a body."""
        said = self.headers.get("content-length", "0")
        if "transfer-encoding" in self.headers or not re.fullmatch(r"[0-9]{1,15}", said):
            raise Malformed("a body needs its Content-Length, once")
        return int(said)


def read_head(stream: Source) -> Head | None:
    """The next message's head, None when the other side is done; raises Malformed, OSError."""
    line = stream.readline(LINE_LIMIT)
    if line in (b"\r\n", b"\n"):
        line = stream.readline(LINE_LIMIT)  # some clients send one line end too many after a body
    if not line:
        return None
    parts = line.decode("latin-1").rstrip("\r\n").split(" ", 2)
    if not line.endswith(b"\n") or len(parts) != 3:
        raise Malformed("the first line is not HTTP")
    return Head((parts[0], parts[1], parts[2]), _read_headers(stream))


def _read_headers(stream: Source) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(HEADER_LIMIT + 1):
        line = stream.readline(LINE_LIMIT)
        if line in (b"\r\n", b"\n"):
            return headers
        field = FIELD.fullmatch(line)
        if field is None:
            raise Malformed("a header is malformed, too long, or cut off")
        name, value = field[1].decode("ascii").lower(), field[2].decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    raise Malformed(f"more than {HEADER_LIMIT} headers")


def read_body(stream: Source, length: int) -> bytes:
    """Exactly `length` bytes; ConnectionAbortedError when the other side left in the middle."""
    body = stream.read(length)
    if len(body) < length:
        raise ConnectionAbortedError("the other side left in the middle of a body")
    return body


def message(first: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """A whole message in one piece: of two packets, the second would wait 40 ms for an ACK."""
    lines = [first, *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace") + body


def status_line(status: int) -> str:
    """The first line of an answer."""
    return f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}"

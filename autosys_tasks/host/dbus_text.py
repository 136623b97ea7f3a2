"""The one D-Bus message that we send, and how a refusal reads, as bytes (D-Bus specification 0.38). Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

SYSTEMD = ("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "org.freedesktop.systemd1")
PATH, INTERFACE, MEMBER, DESTINATION, SIGNATURE = 1, 2, 3, 6, 8  # the header's fields that a call has
CALL, ERROR = 1, 3


def introduction(uid: int) -> bytes:
    """What a client says first: the kernel tells the other side whether that is so."""
    return b"\0AUTH EXTERNAL " + str(uid).encode().hex().encode() + b"\r\nBEGIN\r\n"


def start_scope(name: str, pids: Sequence[int], about: str, stop_timeout_s: float) -> bytes:
    """StartTransientUnit: a scope that holds these processes, and is forgotten when it is empty."""
    properties = b""
    for key, kind, value in (
        ("Description", "s", _text(b"", about)),
        ("CollectMode", "s", _text(b"", "inactive-or-failed")),
        ("TimeoutStopUSec", "t", struct.pack("<Q", round(stop_timeout_s * 1e6))),
        ("PIDs", "au", struct.pack(f"<{1 + len(pids)}I", 4 * len(pids), *pids)),
    ):
        properties = _signature(_text(_aligned(properties, 8), key), kind)
        properties = _aligned(properties, 8 if kind == "t" else 4) + value
    body = _text(_text(b"", name), "fail")
    body = _aligned(_aligned(body, 4) + struct.pack("<I", len(properties)), 8) + properties
    body = _aligned(_aligned(body, 4) + struct.pack("<I", 0), 8)  # no other units
    return _call("StartTransientUnit", "ssa(sv)a(sa(sv))", body)


def _call(member: str, signature: str, body: bytes) -> bytes:
    path, interface, destination = SYSTEMD
    fields = b""
    for code, kind, value in (
        (PATH, "o", path), (INTERFACE, "s", interface), (MEMBER, "s", member), (DESTINATION, "s", destination),
    ):  # fmt: skip
        fields = _text(_signature(_aligned(fields, 8) + bytes([code]), kind), value)
    fields = _signature(_signature(_aligned(fields, 8) + bytes([SIGNATURE]), "g"), signature)
    head = struct.pack("<cBBBIII", b"l", CALL, 0, 1, len(body), 1, len(fields))
    return _aligned(head + fields, 8) + body


def _aligned(data: bytes, to: int) -> bytes:
    return data + bytes(-len(data) % to)


def _text(data: bytes, text: str) -> bytes:
    raw = text.encode("utf-8", "replace")
    return _aligned(data, 4) + struct.pack("<I", len(raw)) + raw + b"\0"


def _signature(data: bytes, text: str) -> bytes:
    return data + bytes([len(text)]) + text.encode("ascii") + b"\0"


def refusal(received: bytes) -> str:
    """The words of the first error among these messages; "" when there is none."""
    for kind, body in _messages(received):
        if kind == ERROR:
            return body[4:].rstrip(b"\0").decode("utf-8", "replace") or "refused"
    return ""


def _messages(received: bytes) -> Iterator[tuple[int, bytes]]:
    """(kind, body) of each whole message."""
    at = 0
    while len(received) >= at + 16:
        order = "<" if received[at : at + 1] == b"l" else ">"
        size, _serial, fields = struct.unpack_from(f"{order}III", received, at + 4)
        begin = at + 16 + fields + -fields % 8
        if len(received) < begin + size:
            return
        yield received[at + 1], received[begin : begin + size]
        at = begin + size

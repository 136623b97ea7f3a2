"""Connects within one deadline, the look-up of the name and every address included. Speaks no protocol."""

from __future__ import annotations

import errno
import socket
import time

LOCAL = ("127.0.0.1", "::1")  # in this order: where localhost means ::1 first, asking it costs 2 s (Windows)
Address = tuple[int, tuple[str, int]]


class NoAnswer(Exception):
    """Nobody answered as asked; its text says why, for a person."""


class Absent(NoAnswer):
    """Nobody was there."""


def left(ends: float) -> float:
    """Seconds until `ends` (monotonic); raises TimeoutError when there are none."""
    seconds = ends - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def connect(host: str, port: int, ends: float) -> socket.socket:
    """A connection to the first address that takes one; raises NoAnswer (Absent), or TimeoutError at `ends`."""
    addresses = _addresses(host, port, ends)
    first: OSError | None = None
    for number, (family, address) in enumerate(addresses):
        share = left(ends) / (len(addresses) - number)  # a dead address must not eat the time of a living one
        try:
            return _connected(family, address, share)
        except OSError as error:
            first = first or error
    if first is None or isinstance(first, TimeoutError):
        raise TimeoutError
    raise Absent(_why(first, host, port)) from first


def _connected(family: int, address: tuple[str, int], timeout_s: float) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout_s)
        sock.connect(address)
        if sock.getsockname() == sock.getpeername():  # the kernel may connect a free port to itself
            raise ConnectionRefusedError(errno.ECONNREFUSED, "connected to itself")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def _why(error: OSError, host: str, port: int) -> str:
    if isinstance(error, ConnectionRefusedError):
        return f"refused: nobody listens on {shown(host, port)}"
    if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
        raise error  # our own trouble, not theirs
    return f"cannot connect to {shown(host, port)}: {error.strerror or error}"


def shown(host: str, port: int) -> str:
    """An address as people write it.

    >>> shown("::1", 80)
    '[::1]:80'
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _addresses(host: str, port: int, ends: float) -> list[Address]:
    names = LOCAL if host.lower() == "localhost" else (host,)
    families = [_family(name) for name in names]
    if all(families):
        return [(family, (name, port)) for family, name in zip(families, names, strict=True)]
    return _looked_up(host, port, ends)


def _family(name: str) -> int:
    """Of a number; 0 for a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, name)
            return family
        except (OSError, ValueError):
            continue
    return 0


def _looked_up(host: str, port: int, ends: float) -> list[Address]:
    """The addresses of a name, in a thread of its own: the system's look-up knows no deadline."""
    import threading

    found: list[list[Address] | NoAnswer] = []
    thread = threading.Thread(target=lambda: found.append(_resolved(host, port)), daemon=True)
    thread.start()
    thread.join(left(ends))
    if not found:
        raise NoAnswer(f"timed out looking up the name `{host}`")
    if isinstance(found[0], NoAnswer):
        raise found[0]
    return found[0]


def _resolved(host: str, port: int) -> list[Address] | NoAnswer:
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            return NoAnswer(f"the name `{host}` cannot be looked up just now: {error.strerror}")
        return Absent(f"there is no host named `{host}`")
    except (OSError, UnicodeError):
        return Absent(f"there is no host named `{host}`")
    found: list[Address] = [(row[0], row[4]) for row in rows]  # type: ignore[misc]
    return sorted(found, key=lambda address: address[0] != socket.AF_INET)

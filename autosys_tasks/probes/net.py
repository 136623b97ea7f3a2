"""TCP connections with one deadline for the name's look-up and every address."""

from __future__ import annotations

import errno
import socket
import time

LOCAL = ("127.0.0.1", "::1")  # in this order: where localhost means ::1 first, asking it costs 2 s (Windows)
Address = tuple[int, tuple[str, int]]


class NoAnswer(Exception):
    """There is no usable answer; the message says why, for a person."""


class Absent(NoAnswer):
    """There is no such host, or nobody listens."""


def seconds_left(deadline: float) -> float:
    """Seconds until `deadline` (time.monotonic); raises TimeoutError when there are none."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def connect(host: str, port: int, deadline: float) -> socket.socket:
    """A connection to the first address that takes one; raises NoAnswer (Absent), or TimeoutError at `deadline`."""
    addresses = _addresses(host, port, deadline)
    first: OSError | None = None
    for number, (family, address) in enumerate(addresses):
        share = seconds_left(deadline) / (len(addresses) - number)  # a dead address leaves time for others
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


def _addresses(host: str, port: int, deadline: float) -> list[Address]:
    names = LOCAL if host.lower() == "localhost" else (host,)
    families = [_family(name) for name in names]
    if all(families):
        return [(family, (name, port)) for family, name in zip(families, names, strict=True)]
    return _look_up(host, port, deadline)


def _family(name: str) -> int:
    """Of a number; 0 for a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, name)
            return family
        except (OSError, ValueError):
            continue
    return 0


def _look_up(host: str, port: int, deadline: float) -> list[Address]:
    """The addresses of a name, looked up in a thread: the system's look-up has no deadline."""
    import threading

    found: list[list[Address] | NoAnswer] = []
    thread = threading.Thread(target=lambda: found.append(_resolve(host, port)), daemon=True)
    thread.start()
    thread.join(seconds_left(deadline))
    if not found:
        raise NoAnswer(f"timed out looking up the name `{host}`")
    if isinstance(found[0], NoAnswer):
        raise found[0]
    return found[0]


def _resolve(host: str, port: int) -> list[Address] | NoAnswer:
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

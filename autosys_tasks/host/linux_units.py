"""systemd's user manager, asked on its own socket to hold a process in a scope. No program is started for that."""

# ruff: noqa: E402
from __future__ import annotations

import os
import struct
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

assert sys.platform == "linux"  # elsewhere the type checker reads no further

from autosys_tasks.core.files import read_file
from autosys_tasks.host import dbus_text, posix

if TYPE_CHECKING:
    from socket import socket

LINGERING = "/var/lib/systemd/linger"  # a file for each user whose manager stays (logind)
PATIENCE_S = 1.0
LOOK_S = 0.005


def unit_of(pid: int) -> str:
    """The systemd unit that a process stands in (`x.service`, `y.scope`): who ends that ends it; "" = in none."""
    for path in _paths(pid):
        leaf = path.rpartition("/")[2]
        if leaf.endswith((".service", ".scope")) and leaf != "init.scope":
            return leaf
    return ""


def move_to_scope(pids: Sequence[int], scope: str, about: str, stop_timeout_s: float) -> str:
    """Have the user manager put processes of ours, the leader first, into a scope of that name.

    Returns why a manager that is there did not; "" when it did, and when there is none, or none that stays
    longer than where they are: outside of its own units a manager ends with its user's last session.
    """
    address = os.path.join(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}", "systemd", "private")
    if not os.path.exists(address):
        return ""
    import socket

    deadline = time.monotonic() + PATIENCE_S
    try:
        with socket.socket(socket.AF_UNIX) as bus:
            bus.settimeout(PATIENCE_S)
            bus.connect(address)
            manager = struct.unpack("3i", bus.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
            if not _is_within(pids[0], manager) and not lingers():
                return ""
            call = dbus_text.start_scope(scope, pids, about, stop_timeout_s)
            return _asked(bus, call, lambda: unit_of(pids[0]) == scope, deadline)
    except TimeoutError:
        return f"the user manager did not do it within {PATIENCE_S:g} s"
    except OSError as error:
        return f"no user manager answers: {error.strerror or error}"


def lingers() -> bool:
    """Whether this user's manager, and what it holds, stays after the last log-out."""
    return os.path.exists(f"{LINGERING}/{posix.user_name()}")


def _paths(pid: int) -> tuple[str, ...]:
    """Where a process stands in the unified hierarchy, and in the one that older systems have for systemd."""
    try:
        text = read_file(f"/proc/{pid}/cgroup").decode("utf-8", "replace")
    except OSError:
        return ()
    found = dict(line.split(":", 2)[1:] for line in text.splitlines())
    return found.get("", ""), found.get("name=systemd", "")


def _is_within(pid: int, manager: int) -> bool:
    """Whether a process stands in a unit of this manager, which has an init.scope of its own beside them."""
    for path, home in zip(_paths(pid), _paths(manager), strict=False):
        tree = home.removesuffix("/init.scope")
        if tree not in ("", home) and path.startswith(f"{tree}/"):
            return True
    return False


def _asked(bus: socket, call: bytes, is_so: Callable[[], bool], deadline: float) -> str:
    """Ask, and look until it is so: what the manager answers at once is only that it will."""
    bus.sendall(dbus_text.introduction(os.getuid()))
    bus.settimeout(max(LOOK_S, deadline - time.monotonic()))
    welcome = bus.recv(4096)
    if not welcome.startswith(b"OK "):
        return f"the user manager refuses: {welcome.decode('ascii', 'replace').strip()}"
    bus.sendall(call)
    bus.settimeout(LOOK_S)
    received = b""
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError
        received += _more(bus)
        if why := dbus_text.refusal(received):
            return f"the user manager refuses: {why}"
    return ""


def _more(bus: socket) -> bytes:
    try:
        data = bus.recv(65536)
    except TimeoutError:
        return b""
    if not data:
        raise ConnectionResetError("it hung up")
    return data

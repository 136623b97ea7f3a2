"""tcp questions: a port that takes a connection, and every way of not doing so."""

from __future__ import annotations

import socket
import time

import pytest

from autosys_tasks.core.probe import Probe
from autosys_tasks.core.verdict import NG, OK
from autosys_tasks.probes import ask, net


def test_a_port_that_takes_a_connection_is_ok(hung):
    for host in ("127.0.0.1", "localhost"):
        answer = ask(Probe("tcp", f"{host}:{hung.port}"))
        assert answer.verdict == OK
        assert answer.evidence == f"{host}:{hung.port} took a connection in {max(1, round(answer.ms))} ms"


def test_a_port_that_nobody_listens_on_is_refused(free_port):
    port = free_port()
    answer = ask(Probe("tcp", f"127.0.0.1:{port}"))
    assert (answer.verdict, answer.why) == (NG, f"refused: nobody listens on 127.0.0.1:{port}")


def test_a_port_that_never_takes_ends_at_the_deadline(full_port):
    began = time.monotonic()
    answer = ask(Probe("tcp", f"127.0.0.1:{full_port}", timeout_s=0.3))
    assert time.monotonic() - began < 10, "a system tries for minutes"
    assert (answer.verdict, answer.why) == (NG, "timed out after 0.3 s (connecting)")


@pytest.mark.parametrize(
    "target", ["", "5432", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:70000", "a:b:1", "[::1]"]
)
def test_what_is_no_address_is_told(target):
    answer = ask(Probe("tcp", target))
    assert (answer.verdict, answer.why) == (NG, f"`{target}` is no host:port")


def test_ipv6_in_brackets_is_understood(server):
    try:
        six = server(lambda _connection, _request: None, family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 loopback")
    assert ask(Probe("tcp", f"[::1]:{six.port}")).verdict == OK


def test_a_port_that_the_kernel_connected_to_itself_is_refused(free_port, monkeypatch):
    """A free port in the range of outgoing connections may be joined to itself: a false green."""
    port = free_port()

    class Own(socket.socket):
        def connect(self, address):
            self.bind(address)
            super().connect(address)

    monkeypatch.setattr(net.socket, "socket", Own)
    assert ask(Probe("tcp", f"127.0.0.1:{port}")).why == f"refused: nobody listens on 127.0.0.1:{port}"

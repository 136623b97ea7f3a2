"""Probes whether a TCP port accepts a connection. Sends nothing."""

from __future__ import annotations

import re
import time

from autosys_tasks.core.probe import Probe
from autosys_tasks.core.verdict import NG, OK
from autosys_tasks.probes.net import Absent, NoAnswer, connect, shown
from autosys_tasks.probes.values import Answer, Subject, quote

TARGET = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<host>[^:\[\]/@]+)):(?P<port>\d{1,5})")


def ask_tcp(probe: Probe, subject: Subject) -> Answer:
    """Whether `host:port` (or `[::1]:port`) accepts a connection within `timeout_s`."""
    parts = TARGET.fullmatch(probe.target)
    if parts is None or not 0 < int(parts["port"]) < 65536:
        return Answer(NG, "not asked", f"`{quote(probe.target, subject)}` is no host:port")
    host, port = parts["six"] or parts["host"], int(parts["port"])
    try:
        connect(host, port, time.monotonic() + probe.timeout_s).close()
    except TimeoutError:
        return _silent(host, port, f"timed out after {probe.timeout_s:g} s (connecting)")
    except NoAnswer as error:
        return _silent(host, port, str(error))._replace(absent=isinstance(error, Absent))
    return Answer(OK, f"{shown(host, port)} took a connection")


def _silent(host: str, port: int, why: str) -> Answer:
    return Answer(NG, f"no connection to {shown(host, port)}", why)

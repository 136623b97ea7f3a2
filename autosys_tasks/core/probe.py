"""How to ask one thing whether it is well, as a value: what a person declared and what is asked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Probe(NamedTuple):
    """How to ask one thing whether it is well; `kind` names which of the six questions it is."""

    kind: str  # http | tcp | command | log | file | heartbeat
    target: str = ""  # url, host:port, regex or path (absolute)
    argv: tuple[str, ...] = ()
    status: tuple[int, ...] = ()  # empty: any 2xx
    json: Mapping[str, object] = {}
    text: str = ""
    method: str = "GET"
    body: str = ""
    headers: Mapping[str, str] = {}
    max_age_s: float | None = None
    interval_s: float = 0.2
    timeout_s: float = 2.0
    start_timeout_s: float = 60.0
    success_threshold: int = 1
    failure_threshold: int = 3
    warn_ms: float | None = None
    alert_ms: float | None = None
    budget: tuple[int, float] | None = None  # (calls, per seconds)
    name: str = ""
    shown: str = ""  # target or argv as written, `${env:X}` untouched: this is what may be shown
    secrets: tuple[str, ...] = ()  # values that must not reach a log, a journal or a page

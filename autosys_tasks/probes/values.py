"""The values of probes: the service that is probed, and the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from autosys_tasks.core.clock import span
from autosys_tasks.core.verdict import NG

QUOTE_CHARS = 160


class Subject(NamedTuple):
    """The service that a probe belongs to, as far as probes need it; empty for a probe of its own."""

    heartbeat: str = ""  # the file that it touches
    log: str = ""
    log_offset: int = 0  # bytes that the log held when this instance was started
    started_at: float | None = None  # seconds since 1970 by the wall clock of that moment
    cwd: str = ""
    env: Mapping[str, str] | None = None  # None: this process's own
    skew_s: float = 0.0  # how far the wall clock was set forward (back: negative) since it was started
    secrets: tuple[str, ...] = ()  # values that are never quoted


class Answer(NamedTuple):
    """What was seen, and why that is the verdict. `why` is "" when all is as asked."""

    verdict: str
    evidence: str
    why: str = ""
    ms: float = 0.0
    status: int | None = None  # what an HTTP server answered
    retry_after_s: float | None = None  # what a throttling server asked for
    cached_s: float | None = None  # age of a shared result; None: asked just now
    absent: bool = False  # nobody was there to be asked: no listener, no file, no program

    @property
    def asked_wrongly(self) -> bool:
        """Whether the probe is misconfigured: a server that redirects or refuses is alive, a restart would not help."""
        return self.verdict == NG and self.status is not None and 300 <= self.status < 500


def took(ms: float) -> str:
    """Milliseconds for a person: whole ones, at least 1."""
    return f"{max(1, round(ms))} ms"


def lapse(seconds: float) -> str:
    """A duration beside a limit: to the second below ten minutes, so that the two can be compared.

    >>> lapse(95), lapse(7260)
    ('95 s', '2 h 1 min')
    """
    return f"{seconds:.0f} s" if 1 <= seconds < 600 else span(seconds)


def quote(text: str, subject: Subject, limit: int = QUOTE_CHARS) -> str:
    """Foreign text as one line for display: without secrets and control characters, at most `limit` characters."""
    for secret in subject.secrets:
        if secret:
            text = text.replace(secret, "***")
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"

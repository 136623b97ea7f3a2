"""What was seen of a window, and the figures that follow from it, as values. Pure.

Times are seconds since 1970; None is what nobody knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

Span = tuple[float, float]


class Window(NamedTuple):
    """The time that a report is about."""

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.ended - self.began


class Sample(NamedTuple):
    """One look of the monitor at one service."""

    at: float
    up: bool
    cpu_percent: float | None = None
    rss_bytes: int | None = None


class Machine(NamedTuple):
    """One look of the monitor at the machine."""

    at: float
    cpu_percent: float | None = None
    memory_percent: float | None = None
    disk_free_bytes: int | None = None


class Gap(NamedTuple):
    """A time in which nobody watched: neither up nor down."""

    began: float
    ended: float
    why: str


class Event(NamedTuple):
    """A line of a journal, as far as it matters here."""

    at: float
    task: str
    step: str
    target: str
    reason: str
    ok: bool | None
    detail: str
    ms: float
    not_so: frozenset[str] | None = None  # of a run's last line: what was not as wanted; None = nobody looked


class Service(NamedTuple):
    """A declared service and what it is at the end of the window."""

    name: str
    purpose: str = ""
    counted: bool = True  # False: a job, or not ours to start; it has no uptime
    may_end: bool = False  # exit code 0 is as it should be
    state: str = "unknown"
    verdict: str = "UNKNOWN"
    reason: str = ""
    alive: bool | None = None
    alive_since: float | None = None
    off_since: float | None = None  # since when it is meant to be down, or has ended as it should
    last_words: str = ""
    next: str = ""  # what to type


class Seen(NamedTuple):
    """Everything that a report is made of; `boot_at`: when the machine started."""

    window: Window
    services: tuple[Service, ...] = ()
    events: tuple[Event, ...] = ()
    machine: tuple[Machine, ...] = ()
    samples: Mapping[str, tuple[Sample, ...]] = {}
    gaps: tuple[Gap, ...] = ()
    boot_at: float = 0.0
    every_s: float = 300.0
    stable_after_s: float = 60.0
    skipped_lines: int = 0
    samples_trouble: str = ""  # why there are no samples to read, "" when there are


class Use(NamedTuple):
    """What was used, over so many samples that tell."""

    samples: int = 0
    cpu_percent_median: float | None = None
    cpu_percent_max: float | None = None
    rss_bytes_median: int | None = None
    rss_bytes_max: int | None = None


class Incident(NamedTuple):
    """A service that was not as wanted. `ended` None and `open`: it still is not."""

    service: str
    began: float
    ended: float | None
    open: bool
    cause: str | None
    restarts: int = 0
    stopped: bool = False  # it ended because a person stopped the service


class Line(NamedTuple):
    """One service over the window: up_s + down_s = observed_s, all with stopped_s within the window."""

    service: Service
    up_s: float
    down_s: float
    stopped_s: float
    restarts: Mapping[str, int]
    use: Use
    incidents: tuple[Incident, ...] = ()
    good: tuple[Span, ...] = ()
    bad: tuple[Span, ...] = ()
    off: tuple[Span, ...] = ()

    @property
    def observed_s(self) -> float:
        """How long it was watched while it was wanted up."""
        return self.up_s + self.down_s

    @property
    def uptime_percent(self) -> float | None:
        """Of the observed time, cut and never rounded up; None without any."""
        if not self.service.counted or self.observed_s <= 0:
            return None
        return int(100_000 * self.up_s / self.observed_s) / 1000


class Figures(NamedTuple):
    """The report as values."""

    window: Window
    observed_s: float
    gaps: tuple[Gap, ...]
    lines: tuple[Line, ...]
    machine: Machine  # medians
    machine_worst: Machine
    machine_samples: int
    verdict: str
    skipped_lines: int = 0
    samples_trouble: str = ""

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """All of them, the open ones first, then the latest."""
        found = [incident for line in self.lines for incident in line.incidents]
        return tuple(sorted(found, key=lambda incident: (not incident.open, -incident.began, incident.service)))

    @property
    def troubled(self) -> tuple[Line, ...]:
        """The services that are not well now."""
        return tuple(line for line in self.lines if line.service.verdict in ("NG", "WARN", "UNKNOWN"))

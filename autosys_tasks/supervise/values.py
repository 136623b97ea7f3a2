"""The values of the supervisor. Pure."""

from __future__ import annotations

from typing import NamedTuple

from autosys_tasks.host.types import Exit, Identity

GUARD = "@guard"


def label(name: str) -> str:
    """A service's name for display; the guard has another one internally."""
    return name.removeprefix("@")


class LastExit(NamedTuple):
    """How the previous instance ended; code and signal None when nobody could know."""

    code: int | None
    signal: int | None
    at: float | None  # seconds since 1970
    uptime_s: float | None
    log_tail: str
    why: str = ""  # what ended it, when we did: "liveness: ...", "stopped", "restart"


class Record(NamedTuple):
    """The last instance and its incident. Times ending in `_boot` are seconds of the boot clock."""

    instance: str
    pid: int | None = None  # None: the intent is written, the spawn not yet recorded
    token: str = ""
    boot: str = ""
    spec: str = ""
    started_at: float = 0.0
    started_boot: float = 0.0
    log_offset: int = 0
    starts: int = 0  # starts within the current incident, this one included
    restarts: int = 0
    dead: bool = False  # the death of this instance has been noted
    died_boot: float = 0.0
    last_exit: LastExit | None = None

    @property
    def leader(self) -> Identity | None:
        """Who this record says is running, alive or not."""
        return None if self.pid is None else Identity(self.pid, self.token, self.boot)


class Wanted(NamedTuple):
    """What a person wants of one service. `hold`: a process that restarts it; others leave it alone while it lives."""

    up: bool = True
    at: float = 0.0
    hold: Identity | None = None


class Now(NamedTuple):
    """The time on both clocks, in seconds: the wall clock for people, the boot clock for decisions.

    `wall` is what plans take for now (AUTOSYS_NOW), `ahead` of the real one by so much, as if that time had
    passed before this run began, at `since` of the boot clock. `boot` is always the real one.
    """

    wall: float
    boot: float
    boot_id: str
    ahead: float = 0.0
    since: float = float("inf")


class Reply(NamedTuple):
    """What a probe answered: as much of it as a decision needs."""

    ok: bool
    why: str = ""
    evidence: str = ""
    misconfigured: bool = False  # the question is wrong, whoever answers it may be well


class Facts(NamedTuple):
    """What was observed of one service at one time."""

    wanted: Wanted = Wanted()
    record: Record | None = None
    corrupt: bool = False
    spec: str = ""  # the hash of today's declaration
    leader: Identity | None = None  # alive now
    locked: bool = False
    leftovers: tuple[int, ...] = ()  # live pids of an instance whose leader is gone
    found: tuple[Identity, str] | None = None  # (leader, instance) running without a record: to be adopted
    being_started: bool = False  # its starter lives, and is about to write that record
    exit: Exit | None = None
    ready_seen: bool = False
    readiness: Reply | None = None  # None: not asked
    liveness: Reply | None = None  # not ok only when it failed often enough
    memory: int | None = None  # resident bytes of the whole family, when over the limit twice
    program: str | None = ""  # None: there is no such program
    foreign: tuple[int | None, str] | None = None  # who else holds its port
    held_by: int | None = None  # pid of a living restart that has its hands on it
    log_tail: str = ""


class Decision(NamedTuple):
    """The state of a service, the reason, and the next step (now, or from `due_boot` on)."""

    state: str
    reason: str
    step: str = ""  # start | stop | restart | adopt | note | ""
    due_boot: float | None = None
    after: tuple[str, ...] = ()  # dependencies that must be ready first

"""What a person declared, as values. Pure: no reading, no defaults that depend on a machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

NO_TEXTS: Mapping[str, str] = {}


class Probe(NamedTuple):
    """How to ask one thing whether it is well; `kind` names which of the six questions it is."""

    kind: str  # http | tcp | command | log | file | heartbeat
    target: str = ""  # url, host:port, regex or path (absolute)
    argv: tuple[str, ...] = ()
    status: tuple[int, ...] = ()  # empty: any 2xx
    json: Mapping[str, object] = NO_TEXTS
    text: str = ""
    method: str = "GET"
    body: str = ""
    headers: Mapping[str, str] = NO_TEXTS
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


class Environment(NamedTuple):
    """An environment that services run in; paths are absolute."""

    name: str
    kind: str = "python"  # python | node | command
    path: str = ""
    manifests: tuple[str, ...] = ()
    smoke: tuple[str, ...] = ()
    install: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


class Service(NamedTuple):
    """A process that is wanted up. `argv` and `env` hold final values, secrets included: never show them."""

    name: str
    argv: tuple[str, ...]
    purpose: str = ""
    shown: tuple[str, ...] = ()  # argv as written, `${env:X}` untouched: this is what may be shown
    environment: str = ""
    cwd: str = ""  # absolute
    env: Mapping[str, str] = NO_TEXTS  # env_file, then env
    secrets: tuple[str, ...] = ()  # values that must not reach a log, a journal or ps
    depends_on: tuple[str, ...] = ()
    restart: str = "always"  # always | on-failure | never
    oneshot: bool = False
    optional: bool = False
    managed: bool = True
    single_instance: bool = True
    priority: str = "normal"  # idle | low | normal | high
    memory_max: int | None = None  # bytes
    stop_timeout_s: float = 10.0
    stop_http: str = ""
    restart_on: tuple[str, ...] = ()
    log_max: int = 10_000_000  # bytes
    log_keep: int = 5
    readiness: Probe | None = None
    liveness: Probe | None = None

    @property
    def program(self) -> str:
        """The program as a person wrote it."""
        return self.shown[0] if self.shown else "?"


class Watchdog(NamedTuple):
    """How watching and restarting is done."""

    every_s: float = 300.0
    guard: bool = True
    retries: int = 3
    backoff_s: tuple[float, ...] = (0.0, 2.0, 4.0, 8.0)
    stable_after_s: float = 60.0


class Upgrade(NamedTuple):
    """What a pull sets in motion."""

    on_pull: bool = True
    scripts: tuple[str, ...] = ("**/*.sh",)
    ignore: tuple[str, ...] = ()  # manifests that are nobody's to install


class BackupSet(NamedTuple):
    """One named group of things to keep."""

    name: str
    include: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    required: bool = False
    newer_than_s: float | None = None


class Backup(NamedTuple):
    """What is kept every night, and for how long."""

    at: str = "03:30:00"
    keep_days: int = 14
    keep_last: int = 0
    keep_weekly: int = 0
    keep_monthly: int = 0
    copies: tuple[str, ...] = ()  # final addresses, passwords included: never show them
    copies_shown: tuple[str, ...] = ()  # the same as written, `${env:X}` untouched, passwords masked
    sets: Mapping[str, BackupSet] = {}
    git: bool = True


class Schedule(NamedTuple):
    """What the operating system starts: the master, so long after logon; and what may start beside it."""

    master_delay_s: float = 30.0
    beside: tuple[str, ...] = ()  # names, or patterns, of entries that a person made


class Config(NamedTuple):
    """The whole of autosys.toml, valid, with every default filled in."""

    path: str  # the workspace folder, absolute
    name: str
    language: str = "auto"
    environments: Mapping[str, Environment] = {}
    services: Mapping[str, Service] = {}
    probes: Mapping[str, Probe] = {}
    outputs: Mapping[str, float] = {}  # path as written -> greatest age in seconds
    watchdog: Watchdog = Watchdog()
    upgrade: Upgrade = Upgrade()
    backup: Backup = Backup()
    schedule: Schedule = Schedule()
    notify: Mapping[str, object] = {}
    sources: Mapping[str, str] = {}  # dotted key, when written -> "autosys.toml:12"
    written: Mapping[str, Any] = {}  # the document as written, `${env:X}` untouched

"""What a person declared, as values. Pure: no reading, no defaults that depend on a machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from autosys_tasks.core.probe import Probe


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
    env: Mapping[str, str] = {}  # env_file, then env
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


class Told(NamedTuple):
    """What may be shown of a text with `${env:X}` in it, and where each X came from."""

    text: str
    origins: tuple[str, ...]


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
    told: Mapping[tuple[str | int, ...], Told] = {}  # by keys: what each text with `${env:X}` in it stands for
    written: Mapping[str, Any] = {}  # the document as written, `${env:X}` untouched

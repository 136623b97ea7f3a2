"""Every table and key of autosys.toml, described once. Pure data: checks nothing, reads nothing.

The validator (shape.py), the reference and the JSON Schema (reference.py), the effective values
(effective.py) and what `inv init` writes (template.py) all read `TABLES`; the prose stands in entries.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple


class Key(NamedTuple):
    """One key of one table: what it may hold, and what holds without it."""

    name: str
    kind: str  # a name in kinds.KINDS, or `table` (one), or `tables` (one for each name)
    default: object = None  # as a person would write it; None: see `unset`
    unset: str = ""  # in words, what holds when nothing is written and there is no default
    required: bool = False
    least: float | None = None  # of a number, or of a list's or text's length; seconds for durations
    most: float | None = None
    choices: tuple[str, ...] = ()
    of: str = ""  # for `table` and `tables`: the entry of TABLES that describes what is inside
    env: bool = False  # `${env:X}` is replaced here


DAY_S = 86_400
AGE_S = 3660 * DAY_S

PROBE_KINDS = ("http", "tcp", "command", "log", "file", "heartbeat")
ONLY_FOR: Mapping[str, tuple[str, ...]] = {
    "status": ("http",),
    "json": ("http",),
    "text": ("http",),
    "method": ("http",),
    "body": ("http",),
    "headers": ("http",),
    "max_age_s": ("file", "heartbeat"),
}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
MANIFESTS: Mapping[str, tuple[str, ...]] = {
    "python": ("requirements*.txt", "pyproject.toml", "uv.lock"),
    "node": ("package.json", "package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock"),
    "command": (),
}
ENVIRONMENT_PATH: Mapping[str, str] = {"python": ".venv", "node": ".", "command": "."}

READINESS = (
    Key("http", "text", unset="not asked", least=1, env=True),
    Key("tcp", "text", unset="not asked", least=1, env=True),
    Key("command", "argv", unset="not asked", env=True),
    Key("log", "text", unset="not asked", least=1, env=True),
    Key("file", "text", unset="not asked", least=1, env=True),
    Key("heartbeat", "flag", unset="not asked"),
    Key("status", "status", unset="any from 200 to 299"),
    Key("json", "values", unset="not looked at", env=True),
    Key("text", "text", unset="not looked at", least=1, env=True),
    Key("method", "choice", "GET", choices=METHODS),
    Key("body", "text", unset="none", env=True),
    Key("headers", "headers", unset="none", env=True),
    Key("max_age_s", "number", unset="90 for `heartbeat`; `file` needs it written", least=0.1, most=AGE_S),
    Key("interval_s", "number", 0.2, least=0.01, most=DAY_S),
    Key("timeout_s", "number", 2, least=0.01, most=DAY_S),
    Key("start_timeout_s", "number", 60, least=0.01, most=DAY_S),
    Key("success_threshold", "count", 1, least=1, most=1000),
    Key("failure_threshold", "count", 3, least=1, most=1000),
)


def _without(keys: tuple[Key, ...], *names: str, **defaults: Key) -> tuple[Key, ...]:
    return tuple(defaults.get(key.name, key) for key in keys if key.name not in names)


LIVENESS = _without(READINESS, "log", interval_s=Key("interval_s", "number", 30, least=0.01, most=DAY_S))
LOOKS = (
    *_without(
        READINESS,
        "log",
        "heartbeat",
        max_age_s=Key("max_age_s", "number", unset="`file` needs it written", least=0.1, most=AGE_S),
        timeout_s=Key(
            "timeout_s", "number", unset="2, or `alert_ms` when that is longer", least=0.01, most=DAY_S
        ),
    ),
    Key("warn_ms", "number", unset="never slow", least=0, most=DAY_S * 1000),
    Key("alert_ms", "number", unset="never too slow", least=0, most=DAY_S * 1000),
    Key("budget", "budget", unset="every caller asks anew"),
)

TABLES: Mapping[str, tuple[Key, ...]] = {
    "": (
        Key("workspace", "table", {}, of="workspace"),
        Key("environments", "tables", {}, of="environments.*"),
        Key("services", "tables", {}, of="services.*"),
        Key("probes", "tables", {}, of="probes.*"),
        Key("outputs", "ages", {}),
        Key("watchdog", "table", {}, of="watchdog"),
        Key("upgrade", "table", {}, of="upgrade"),
        Key("backup", "table", {}, of="backup"),
        Key("schedule", "table", {}, of="schedule"),
        Key("notify", "values", {}),
    ),
    "workspace": (
        Key("name", "label", unset="the folder's name"),
        Key("language", "choice", "auto", choices=("en", "ko", "auto")),
    ),
    "environments.*": (
        Key("kind", "choice", "python", choices=("python", "node", "command")),
        Key("path", "text", unset="`.venv` for `python`, `.` for the others", least=1),
        Key("manifests", "texts", unset="what `kind` usually has; `command` needs it written", least=1),
        Key("smoke", "argv", unset="nothing is run"),
        Key("install", "argv", unset="what `kind` usually runs; `command` needs it written"),
        Key("outputs", "texts", unset="none are looked for"),
    ),
    "services.*": (
        Key("purpose", "line", ""),
        Key("command", "argv", unset="required, unless `managed = false`", env=True),
        Key("environment", "text", unset="the starter's PATH", least=1),
        Key("cwd", "text", ".", least=1, env=True),
        Key("env", "variables", {}, env=True),
        Key("env_file", "texts", (), env=True),
        Key("depends_on", "texts", ()),
        Key("restart", "choice", "always", choices=("always", "on-failure", "never")),
        Key("oneshot", "flag", False),
        Key("optional", "flag", False),
        Key("managed", "flag", True),
        Key("single_instance", "flag", True),
        Key("priority", "choice", "normal", choices=("idle", "low", "normal", "high")),
        Key("memory_max", "size", unset="no limit"),
        Key("stop_timeout_s", "number", 10, least=0, most=DAY_S),
        Key("stop_http", "text", unset="not asked over HTTP", least=1, env=True),
        Key("restart_on", "texts", ()),
        Key("log_max", "size", "10 MB"),
        Key("log_keep", "count", 5, least=0, most=1000),
        Key("readiness", "table", unset="ready when alive 0.3 s after its start", of="services.*.readiness"),
        Key("liveness", "table", unset="alive while its process lives", of="services.*.liveness"),
    ),
    "services.*.readiness": READINESS,
    "services.*.liveness": LIVENESS,
    "probes.*": LOOKS,
    "watchdog": (
        Key("every", "duration", "5min", least=0.1, most=DAY_S),
        Key("guard", "flag", True),
        Key("retries", "count", 3, least=0, most=1000),
        Key("backoff_s", "numbers", (0, 2, 4, 8), least=0, most=DAY_S),
        Key("stable_after_s", "number", 60, least=0, most=DAY_S),
    ),
    "upgrade": (
        Key("on_pull", "flag", True),
        Key("scripts", "texts", ("**/*.sh",)),
        Key("ignore", "texts", ()),
    ),
    "backup": (
        Key("at", "time", "03:30:00"),
        Key("keep_days", "count", 14, least=0, most=36_600),
        Key("keep_last", "count", 0, least=0, most=10_000),
        Key("keep_weekly", "count", 0, least=0, most=5_000),
        Key("keep_monthly", "count", 0, least=0, most=1_200),
        Key("copies", "places", (), env=True),
        Key("sets", "tables", {}, of="backup.sets.*"),
        Key("git", "table", {}, of="backup.git"),
    ),
    "backup.sets.*": (
        Key("include", "globs", required=True, least=1),
        Key("exclude", "globs", ()),
        Key("required", "flag", False),
        Key("newer_than", "duration", unset="files of any age", least=1, most=AGE_S),
    ),
    "backup.git": (Key("enabled", "flag", True),),
    "schedule": (
        Key("master", "table", {}, of="schedule.master"),
        Key("beside", "texts", ()),
    ),
    "schedule.master": (
        Key("at", "choice", "logon", choices=("logon",)),
        Key("delay", "duration", "30s", least=0, most=DAY_S),
    ),
}

ELSEWHERE: Mapping[tuple[str, str], str] = {
    ("services.*.liveness", "log"): "a log line tells that a service became ready; write it in `readiness`",
    ("probes.*", "log"): "a log belongs to a service; write it in `[services.NAME.readiness]`",
    ("probes.*", "heartbeat"): "a heartbeat belongs to a service; write it in `[services.NAME.liveness]`",
    **{
        (table, name): "only a probe of its own has this; write it in `[probes.NAME]`"
        for table in ("services.*.readiness", "services.*.liveness")
        for name in ("warn_ms", "alert_ms", "budget")
    },
}

# Probes take the keys of a readiness; these they accept and do not need.
IDLE: Mapping[str, tuple[str, ...]] = {
    "services.*.liveness": ("start_timeout_s",),
    "probes.*": ("interval_s", "start_timeout_s", "success_threshold", "failure_threshold"),
}


@cache
def named(table: str) -> dict[str, Key]:
    """The keys of one table by name; read-only."""
    return {key.name: key for key in TABLES[table]}

"""autosys.toml when it is broken: every kind of mistake with its exact place, words and hint."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from autosys_tasks.config.load import load
from autosys_tasks.config.model import Config
from autosys_tasks.core.errors import ConfigError

API = '[services.api]\ncommand = ["api"]\n'
MAKE = '[environments.{}]\nkind = "command"\npath = "a"\nmanifests = ["x"]\ninstall = ["make"]\noutputs = [{}]\n'


def problems(read: Callable[..., Config], text: str, **environ: str) -> list[tuple[str, str, str]]:
    """What is wrong with a text, as (where, message, hint)."""
    with pytest.raises(ConfigError) as caught:
        read(text, **environ)
    assert caught.value.code == 2
    return [tuple(problem) for problem in caught.value.problems]  # type: ignore[misc]


def only(read: Callable[..., Config], text: str, **environ: str) -> tuple[str, str, str]:
    """The one thing that is wrong with a text."""
    found = problems(read, text, **environ)
    assert len(found) == 1, found
    return found[0]


# What is broken: (text, where, message, hint), the hint by what it contains

BROKEN = [
    # keys and tables
    ("[service.api]\n", "service (autosys.toml:1)", "unknown key `service`",
     "did you mean `services`? known here: workspace,"),
    ("nonsense = 1\n", "nonsense (autosys.toml:1)", "unknown key `nonsense`",
     "known here: workspace, environments"),
    (API + 'comand = ["x"]\n', "services.api.comand (autosys.toml:3)", "unknown key `comand`",
     "did you mean `command`?"),
    (API + "[services.api.readyness]\n", "services.api.readyness (autosys.toml:3)", "unknown key `readyness`",
     "did you mean `readiness`?"),
    ('[services]\napi = "x"\n', "services.api (autosys.toml:2)", "must be a table, not text",
     "write it below a line [services.NAME]"),
    ("services = 3\n", "services (autosys.toml:1)", "must be tables, not a whole number",
     "write each below a line [services.NAME]"),
    ("[[services]]\n", "services (autosys.toml:1)", "must be tables, not a list that holds a table", ""),
    ("watchdog = true\n", "watchdog (autosys.toml:1)", "must be a table, not true or false", "[watchdog]"),
    # one mistake is told once
    (MAKE.format("deps", "").replace('"command"', '"comand"'), "environments.deps.kind (autosys.toml:2)",
     "must be one of python, node, command, and is `comand`", 'did you mean "command"?'),
    (MAKE.format("deps", "").replace('["x"]', '"x"'), "environments.deps.manifests (autosys.toml:4)",
     'must be a list of texts, as ["a", "b"] is, not text', 'write manifests = ["x"]'),
    (MAKE.format("deps", "").replace('["make"]', "[]"), "environments.deps.install (autosys.toml:5)", "is empty", ""),
    # types
    ('[services.api]\ncommand = "python -m app"\n', "services.api.command (autosys.toml:2)",
     'must be a list of a program and its arguments, as ["python", "-m", "app"] is, not text',
     'write command = ["python", "-m", "app"]'),
    ("[services.api]\ncommand = []\n", "services.api.command (autosys.toml:2)", "is empty", ""),
    ('[services.api]\ncommand = [""]\n', "services.api.command (autosys.toml:2)", "is empty", ""),
    ('[services.api]\ncommand = ["a", 1]\n', "services.api.command (autosys.toml:2)",
     'must be a list of a program and its arguments, as ["python", "-m", "app"] is, '
     "not a list of different things", ""),
    ('[services.api]\ncommand = ["a\\u0000"]\n', "services.api.command (autosys.toml:2)",
     "contains a NUL character", ""),
    ("[services.api]\n", "services.api.command (autosys.toml:1)", "is missing",
     'write command = ["program", "argument"]'),
    (API + 'env_file = ".env"\n', "services.api.env_file (autosys.toml:3)",
     'must be a list of texts, as ["a", "b"] is, not text', 'write env_file = [".env"]'),
    (API + 'cwd = " "\n', "services.api.cwd (autosys.toml:3)", "is empty", ""),
    (API + '[services.api.readiness]\nhttp = "http://h/"\nstatus = true\n',
     "services.api.readiness.status (autosys.toml:5)",
     "must be a whole number from 100 to 599, or a list of them, not true or false", ""),
    (API + 'depends_on = [""]\n', "services.api.depends_on (autosys.toml:3)", "is empty", ""),
    (API + 'oneshot = "yes"\n', "services.api.oneshot (autosys.toml:3)", "must be true or false, not text",
     "write it without quotes"),
    (API + "oneshot = 1\n", "services.api.oneshot (autosys.toml:3)",
     "must be true or false, not a whole number", ""),
    (API + 'purpose = "a\\nb"\n', "services.api.purpose (autosys.toml:3)", "must be one line", ""),
    (API + "env = { PORT = 8200 }\n", "services.api.env (autosys.toml:3)",
     "`PORT` must be text: put it in quotes", ""),
    (API + 'env = { "A=B" = "x" }\n', "services.api.env (autosys.toml:3)", "`A=B` is not a variable's name",
     ""),
    (API + 'env = { AUTOSYS_INSTANCE = "x" }\n', "services.api.env.AUTOSYS_INSTANCE (autosys.toml:3)",
     "`AUTOSYS_INSTANCE` is set by autosys itself", "take it out"),
    (API + 'restart = "allways"\n', "services.api.restart (autosys.toml:3)",
     "must be one of always, on-failure, never, and is `allways`", 'did you mean "always"?'),
    (API + "memory_max = 500\n", "services.api.memory_max (autosys.toml:3)",
     'must be a size in quotes, as "10 MB" is, not a whole number', 'write memory_max = "500 B"'),
    (API + 'memory_max = "much"\n', "services.api.memory_max (autosys.toml:3)",
     '`much` is not a size: write a number and one of B, kB, MB, GB, TB, KiB, MiB, GiB, TiB, as in "10 MB"', ""),
    (API + 'stop_timeout_s = "10"\n', "services.api.stop_timeout_s (autosys.toml:3)",
     "must be a number from 0 to 86400, not text", "write it without quotes"),
    (API + "stop_timeout_s = -1\n", "services.api.stop_timeout_s (autosys.toml:3)",
     "must be at least 0, and is -1", ""),
    (API + "stop_timeout_s = true\n", "services.api.stop_timeout_s (autosys.toml:3)",
     "must be a number from 0 to 86400, not true or false", ""),
    (API + "stop_timeout_s = nan\n", "services.api.stop_timeout_s (autosys.toml:3)",
     "must be a finite number, and is nan", ""),
    (API + "stop_timeout_s = inf\n", "services.api.stop_timeout_s (autosys.toml:3)",
     "must be a finite number, and is inf", ""),
    (API + "stop_timeout_s = 1e9\n", "services.api.stop_timeout_s (autosys.toml:3)",
     "must be at most 86400, and is 1000000000.0", ""),
    (API + "log_keep = 1.5\n", "services.api.log_keep (autosys.toml:3)",
     "must be a whole number from 0 to 1000, not 1.5", ""),
    (API + "log_keep = -1\n", "services.api.log_keep (autosys.toml:3)", "must be at least 0, and is -1", ""),
    ('[watchdog]\nevery = "5 minutes"\n', "watchdog.every (autosys.toml:2)",
     '`5 minutes` is not a duration: write a number and one of ms, s, min, h, d, as in "5min"', ""),
    ("[watchdog]\nevery = 300\n", "watchdog.every (autosys.toml:2)",
     'must be a duration in quotes, as "5min" is, not a whole number', 'write every = "300s"'),
    ('[watchdog]\nevery = "0s"\n', "watchdog.every (autosys.toml:2)", "must be at least 0.1 s, and is `0s`", ""),
    ("[watchdog]\nbackoff_s = [0, -2]\n", "watchdog.backoff_s (autosys.toml:2)", "must be at least 0", ""),
    ("[watchdog]\nbackoff_s = []\n", "watchdog.backoff_s (autosys.toml:2)", "is empty", ""),
    ("[watchdog]\nbackoff_s = 2\n", "watchdog.backoff_s (autosys.toml:2)",
     "must be a list of numbers, not a whole number", "write backoff_s = [2]"),
    ('[outputs]\n"a.json" = 24\n', "outputs (autosys.toml:1)",
     '`a.json` must be a duration in quotes, as "24h" is', ""),
    ('[outputs]\n"a.json" = "1 day"\n', "outputs (autosys.toml:1)",
     '`a.json`: `1 day` is not a duration: write a number and one of ms, s, min, h, d, as in "5min"', ""),
    ('[backup]\nat = "3:30"\n', "backup.at (autosys.toml:2)",
     "`3:30` is not a time of day: write hours, minutes and seconds, as in 03:30:00", ""),
    ("[backup]\nkeep_days = 1.5\n", "backup.keep_days (autosys.toml:2)",
     "must be a whole number from 0 to 36600, not 1.5", ""),
    ("[backup]\nat = 2026-01-01T03:30:00\n", "backup.at (autosys.toml:2)",
     "must be a time of day, as 03:30:00 is, not a date or a time", ""),
    ('[outputs]\n"" = "24h"\n', "outputs (autosys.toml:1)", "has an empty path", ""),
    ("[backup]\nat = 2026-01-01\n", "backup.at (autosys.toml:2)",
     "must be a time of day, as 03:30:00 is, not a date or a time", ""),
    ('[backup]\ncopies = ["D:/backup"]\n', "backup.copies (autosys.toml:2)",
     'must be addresses, as "file:///D:/backup", "s3://bucket/prefix" or "sftp://host/path" are', ""),
    ("[backup.sets.logs]\n", "backup.sets.logs.include (autosys.toml:1)", "is missing", ""),
    ("[backup.sets.logs]\ninclude = []\n", "backup.sets.logs.include (autosys.toml:2)", "is empty", ""),
    ('[backup.sets.logs]\ninclude = ["a.txt", "../b.txt"]\n', "backup.sets.logs.include (autosys.toml:2)",
     "`../b.txt` leads out of the workspace, and only what lies in it is kept", ""),
    ("[backup.sets.logs]\ninclude = ['C:\\x']\n", "backup.sets.logs.include (autosys.toml:2)",
     "`C:\\x` leads out of the workspace, and only what lies in it is kept", ""),
    ('[backup.sets.logs]\ninclude = ["*"]\nexclude = ["a/../../b"]\n', "backup.sets.logs.exclude (autosys.toml:3)",
     "`a/../../b` leads out of the workspace, and only what lies in it is kept", ""),
    ('[backup.sets.logs]\ninclude = ["/etc/x"]\n', "backup.sets.logs.include (autosys.toml:2)",
     "`/etc/x` leads out of the workspace, and only what lies in it is kept", ""),
    ('[backup.sets.logs]\ninclude = ["~/x"]\n', "backup.sets.logs.include (autosys.toml:2)",
     "`~/x` leads out of the workspace, and only what lies in it is kept", ""),
    ('[schedule]\nmaster = { at = "boot" }\n', "schedule.master.at (autosys.toml:2)",
     "must be one of logon, and is `boot`", ""),
    ('[workspace]\nname = "a/b"\n', "workspace.name (autosys.toml:2)",
     'must be a name: 1 to 60 characters, none of / \\ : * ? " < > |, no dot or space at an end', ""),
    ('[workspace]\nname = "${env:X}"\n', "workspace.name (autosys.toml:2)",
     "contains `${env:...}`, which is not replaced here", ""),
    ('[workspace]\nlanguage = "kr"\n', "workspace.language (autosys.toml:2)",
     "must be one of en, ko, auto, and is `kr`", ""),
    ('[environments.e]\nkind = "conda"\n', "environments.e.kind (autosys.toml:2)",
     "must be one of python, node, command, and is `conda`", ""),
    ('[environments.e]\ninstall = ["make"]\n', "environments.e.install (autosys.toml:2)",
     "only an environment of kind `command` has this", 'write kind = "command", or take it out'),
    ('[environments.e]\nkind = "command"\nmanifests = ["a"]\n', "environments.e.install (autosys.toml:1)",
     "is missing", "by which command"),
    # names
    ('[services."@guard"]\ncommand = ["x"]\n', 'services."@guard" (autosys.toml:1)',
     "`@guard` cannot be a name: letters and digits of any script, then also `_`, `-` and `.`", "rename it"),
    ('[services.guard]\ncommand = ["x"]\n', "services.guard (autosys.toml:1)",
     "outputs/logs/guard.log is autosys' own", "rename it"),
    ('[services."a b"]\ncommand = ["x"]\n', 'services."a b" (autosys.toml:1)',
     "`a b` cannot be a name: letters and digits of any script, then also `_`, `-` and `.`", ""),
    ('[services._a]\ncommand = ["x"]\n', "services._a (autosys.toml:1)",
     "`_a` cannot be a name: letters and digits of any script, then also `_`, `-` and `.`", ""),
    ('[services."../a"]\ncommand = ["x"]\n', 'services."../a" (autosys.toml:1)',
     "`../a` cannot be a name: letters and digits of any script, then also `_`, `-` and `.`", ""),
    ('[services."a."]\ncommand = ["x"]\n', 'services."a." (autosys.toml:1)',
     "`a.` cannot be a name: it ends in a dot", ""),
    ('[services.Nul]\ncommand = ["x"]\n', "services.Nul (autosys.toml:1)",
     "`Nul` cannot be a name: Windows keeps it for a device", ""),
    ('[services."com1.x"]\ncommand = ["x"]\n', 'services."com1.x" (autosys.toml:1)',
     "`com1.x` cannot be a name: Windows keeps it for a device", ""),
    (f'[services.{"a" * 61}]\ncommand = ["x"]\n', f"services.{'a' * 61} (autosys.toml:1)",
     f"`{'a' * 61}` cannot be a name: it is longer than 60 characters", ""),
    (API + '[services.Api]\ncommand = ["x"]\n', "services.Api (autosys.toml:3)",
     "`api` and `Api` are one name on Windows and macOS", "rename one"),
    # what points nowhere
    (API + '[services.db]\ncommand = ["x"]\ndepends_on = ["apj"]\n',
     "services.db.depends_on (autosys.toml:5)", "no service is named `apj`", "did you mean `api`?"),
    (API + 'environment = "main"\n', "services.api.environment (autosys.toml:3)",
     "no environment is named `main`", "declared: none"),
    (API + 'depends_on = ["api"]\n', "services.api.depends_on (autosys.toml:3)",
     "waits for itself: api -> api", ""),
    # what lies where another lies
    ('[environments.m]\npath = "v"\n[environments.n]\npath = "./w/../v/"\n', "environments.n.path (autosys.toml:4)",
     "is the folder of environments.m too", "give each a folder of its own"),
    ("[environments.m]\n[environments.n]\n", "environments.n.path (autosys.toml:2)",
     "is the folder of environments.m too", ""),
    ('[environments.m]\nkind = "node"\npath = "w"\n[environments.n]\nkind = "node"\npath = "w"\n',
     "environments.n.path (autosys.toml:6)", "is the folder of environments.m too", ""),
    (MAKE.format("m", '"b", "a"') + MAKE.format("n", '"a"'), "environments.n.outputs (autosys.toml:12)",
     "makes what environments.m makes in the same folder", "let one of them make it"),
    (API + 'cwd = "gone"\n', "services.api.cwd (autosys.toml:3)", "the folder `FOLDER/gone` does not exist",
     "make it, or correct the path"),
    (API + 'cwd = "autosys.toml"\n', "services.api.cwd (autosys.toml:3)",
     "the folder `FOLDER/autosys.toml` is not a folder", ""),
    (API + 'env_file = [".env"]\n', "services.api.env_file[0] (autosys.toml:3)", "`.env` does not exist",
     "mend it, or take it out of `env_file`"),
    (API + 'env_file = ["."]\n', "services.api.env_file[0] (autosys.toml:3)", "`.` is not a file", ""),
    # variables
    ('[services.api]\ncommand = ["a", "${env:NOPE}"]\n', "services.api.command[1] (autosys.toml:2)",
     "`${env:NOPE}` is not defined",
     "set NOPE in an `env_file` or before the command, or write ${env:NOPE:-default}"),
    ('[services.api]\ncommand = ["a", "${env:NOPE"]\n', "services.api.command[1] (autosys.toml:2)",
     "`${env:` lacks a name or its closing brace", "write ${env:NAME} or ${env:NAME:-default}"),
    ('[services.api]\ncommand = ["${env:}"]\n', "services.api.command[0] (autosys.toml:2)",
     "`${env:` lacks a name or its closing brace", ""),
    (API + 'env = { A = "1", B = "${env:A}" }\n', "services.api.env.B (autosys.toml:3)",
     "`${env:A}` is not defined", ""),
    (API + 'purpose = "${env:HOME}"\n', "services.api.purpose (autosys.toml:3)",
     "contains `${env:...}`, which is not replaced here", ""),
    # probes
    (API + "[services.api.readiness]\n", "services.api.readiness (autosys.toml:3)", "does not say how to ask",
     "write exactly one of http, tcp, command, log, file, heartbeat"),
    (API + "[services.api.liveness]\n", "services.api.liveness (autosys.toml:3)", "does not say how to ask",
     "write exactly one of http, tcp, command, file, heartbeat"),
    (API + '[services.api.readiness]\nhttp = "http://h/"\ntcp = "h:1"\n',
     "services.api.readiness (autosys.toml:3)", "asks in 2 ways: http, tcp", "keep exactly one of"),
    (API + '[services.api.liveness]\nlog = "x"\n', "services.api.liveness.log (autosys.toml:4)",
     "`log` does not belong here", "a log line tells that a service became ready"),
    (API + '[services.api.readiness]\ntcp = "h:1"\nwarn_ms = 5\n',
     "services.api.readiness.warn_ms (autosys.toml:5)", "`warn_ms` does not belong here", "[probes.NAME]"),
    ("[probes.p]\nheartbeat = true\n", "probes.p.heartbeat (autosys.toml:2)",
     "`heartbeat` does not belong here", "a heartbeat belongs to a service"),
    (API + "[services.api.liveness]\nheartbeat = false\n", "services.api.liveness.heartbeat (autosys.toml:4)",
     "must be true", ""),
    (API + '[services.api.readiness]\nfile = "x"\n', "services.api.readiness.max_age_s (autosys.toml:3)",
     "is missing", "max_age_s = 90"),
    (API + '[services.api.readiness]\nlog = "("\n', "services.api.readiness.log (autosys.toml:4)",
     "`(` is not a regular expression of Python", ""),
    (API + '[services.api.readiness]\ntcp = "h:1"\nstatus = 200\n',
     "services.api.readiness.status (autosys.toml:5)", "`status` belongs to http, and this asks by tcp",
     "take it out"),
    (API + '[services.api.readiness]\nhttp = "http://h/"\nstatus = 99\n',
     "services.api.readiness.status (autosys.toml:5)", "must be from 100 to 599, and is 99", ""),
    (API + '[services.api.readiness]\nhttp = "http://h/"\nstatus = []\n',
     "services.api.readiness.status (autosys.toml:5)", "must be from 100 to 599", ""),
    (API + '[services.api.readiness]\nhttp = "http://h/"\nstatus = "200"\n',
     "services.api.readiness.status (autosys.toml:5)",
     "must be a whole number from 100 to 599, or a list of them, not text", ""),
    (API + '[services.api.readiness]\nhttp = "http://h/"\njson = { at = 03:30:00 }\n',
     "services.api.readiness.json (autosys.toml:5)", "contains a date or a time, which JSON has not", ""),
    (API + '[services.api.readiness]\nhttp = "http://h/"\nheaders = { "a b" = "x" }\n',
     "services.api.readiness.headers (autosys.toml:5)", "`a b` is not a header's name", ""),
    (API + '[services.api.readiness]\nhttp = "http://h/"\nheaders = { a = "x\\r\\ny: z" }\n',
     "services.api.readiness.headers.a (autosys.toml:5)", "`a` must be one line", ""),
    (API + '[services.api.readiness]\nhttp = "http://h/"\nmethod = "get"\n',
     "services.api.readiness.method (autosys.toml:5)",
     "must be one of GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS, and is `get`", ""),
    (API + '[services.api.readiness]\nhttp = "http://h/"\ninterval_s = 0\n',
     "services.api.readiness.interval_s (autosys.toml:5)", "must be at least 0.01, and is 0", ""),
    (API + '[services.api.readiness]\nhttp = "http://h/"\nfailure_threshold = 0\n',
     "services.api.readiness.failure_threshold (autosys.toml:5)", "must be at least 1, and is 0", ""),
    (f"[notify{'.a' * 3000}]\n", "notify", "nests too deeply", ""),
    (API + 'stop_http = "127.0.0.1:8200/shutdown"\n', "services.api.stop_http (autosys.toml:3)",
     '`127.0.0.1:8200/shutdown` is not an http or https address, as "http://127.0.0.1:8200/readyz" is', ""),
    ('[probes.p]\nhttp = "ftp://h/"\n', "probes.p.http (autosys.toml:2)",
     '`ftp://h/` is not an http or https address, as "http://127.0.0.1:8200/readyz" is', ""),
    ('[probes.p]\nhttp = "http://h:70000/"\n', "probes.p.http (autosys.toml:2)",
     '`http://h:70000/` is not an http or https address, as "http://127.0.0.1:8200/readyz" is', ""),
    ('[probes.p]\ntcp = "5432"\n', "probes.p.tcp (autosys.toml:2)",
     '`5432` is not host:port, as "127.0.0.1:5432" is', ""),
    ('[probes.p]\ntcp = "h:0"\n', "probes.p.tcp (autosys.toml:2)",
     '`h:0` is not host:port, as "127.0.0.1:5432" is', ""),
    ('[probes.p]\ntcp = "h:1"\nbudget = "often"\n', "probes.p.budget (autosys.toml:3)",
     '`often` is not a budget: write calls / duration, as in "1/10min"', ""),
    ('[probes.p]\ntcp = "h:1"\nwarn_ms = 9\nalert_ms = 8\n', "probes.p.warn_ms (autosys.toml:3)",
     "is greater than `alert_ms`: a slow answer would never be a warning", "make it the smaller one"),
    ("[services.db]\nmanaged = false\n", "services.db.command (autosys.toml:1)", "is missing",
     "write a `command` or a `readiness`"),
    ("[services.db]\nmanaged = false\nreadiness = { heartbeat = true }\n",
     "services.db.readiness.heartbeat (autosys.toml:3)",
     "`heartbeat` needs a process that autosys starts, and `managed` is false", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "where", "message", "hint"), BROKEN, ids=[case[1] for case in BROKEN])
def test_a_broken_file_has_exactly_this_problem(
    read: Callable[..., Config], tmp_path: Path, text: str, where: str, message: str, hint: str
) -> None:
    found = only(read, text)
    assert found[:2] == (where, message.replace("FOLDER/", f"{tmp_path}{os.sep}"))
    assert hint in found[2]


SYNTAX = [
    ("[a\n", "autosys.toml:1:3", "is not TOML: Expected ']' at the end of a table declaration", ""),
    ("x = 1\ny = what\n", "autosys.toml:2:5", "is not TOML: Invalid value", "text stands in quotes"),
    ("[a]\n<<<<<<< HEAD\nb = 1\n", "autosys.toml:2:1", "is not TOML: Invalid statement", "a merge left a conflict"),
    ("[backup]\nat = 03:30  # night\n", "autosys.toml:2:", "is not TOML: ", "03:30:00"),
    ("x = 'C:\\work'\ny = \"C:\\work\"\n", "autosys.toml:2:", "is not TOML: Unescaped", "backslash"),
    ("[a]\n[a]\n", "autosys.toml:2:", "is not TOML: Cannot declare", "once"),
    ("a = [1,\n", "autosys.toml:1", "is not TOML: ", ""),
    ("a = " + "[" * 5000, "autosys.toml", "nests too deeply", ""),
    ("a = " + "9" * 5000, "autosys.toml", "is not TOML: Exceeds the limit", ""),
]


@pytest.mark.parametrize(("text", "where", "message", "hint"), SYNTAX, ids=[case[0][:20] for case in SYNTAX])
def test_what_is_not_toml_is_told_with_line_and_column(
    read: Callable[..., Config], text: str, where: str, message: str, hint: str
) -> None:
    found = only(read, text)
    assert found[0].startswith(where)
    assert found[1].startswith(message)
    assert hint in found[2]


@pytest.mark.parametrize(
    ("raw", "where", "message"),
    [
        (b"a = 1\n# \xc7\xd1\n", "autosys.toml:2", "is not UTF-8"),  # cp949
        ("a = 1\n".encode("utf-16"), "autosys.toml:1", "is not UTF-8 (it looks like UTF-16)"),
        (b"#" * 2_000_001, "autosys.toml", "is larger than 2 MB"),
    ],
)
def test_bytes_that_are_no_text_of_ours_are_told(
    tmp_path: Path, raw: bytes, where: str, message: str
) -> None:
    """P35, P41: files in the code page of a Korean console, or as PowerShell redirects them."""
    (tmp_path / "autosys.toml").write_bytes(raw)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {})
    assert [(problem.where, problem.message) for problem in caught.value.problems] == [(where, message)]


def test_all_problems_are_told_at_once_and_in_the_order_of_the_file(read: Callable[..., Config]) -> None:
    found = problems(
        read,
        "[workspace]\nlanguage = 3\n"
        '[services.b]\ndepends_on = ["c"]\ncommand = ["${env:NOPE}"]\ncwd = "gone"\n'
        "[services.a]\ncomand = 1\n[probes.p]\nhttp = 1\n",
    )
    with pytest.raises(ConfigError) as caught:
        read("a = 1\nb = 2\n")
    assert caught.value.message == "`autosys.toml` has 2 problems"
    assert [where for where, _, _ in found] == [
        "workspace.language (autosys.toml:2)",
        "services.b.depends_on (autosys.toml:4)",
        "services.b.command[0] (autosys.toml:5)",
        "services.b.cwd (autosys.toml:6)",
        "services.a.command (autosys.toml:7)",
        "services.a.comand (autosys.toml:8)",
        "probes.p.http (autosys.toml:10)",
    ]


def test_environments_share_a_folder_where_none_undoes_what_another_makes(read: Callable[..., Config]) -> None:
    node = '[environments.w]\nkind = "node"\npath = "a"\n'
    python = '[environments.p]\npath = "a"\n'
    makers = MAKE.format("m", '"a"') + MAKE.format("n", '"b"')
    assert len(read(node + python + makers).environments) == 4


def test_every_circle_is_named_in_full_and_once(read: Callable[..., Config]) -> None:
    needs = {"a": "b", "b": "c", "c": "a", "d": "e", "e": "d", "f": "a", "g": "h", "h": ""}
    text = "".join(
        f'[services.{name}]\ncommand = ["x"]\ndepends_on = [{repr(on) if on else ""}]\n'
        for name, on in needs.items()
    )
    assert [message for _, message, _ in problems(read, text)] == [
        "waits for itself: a -> b -> c -> a",
        "waits for itself: d -> e -> d",
    ]


def test_a_chain_of_a_thousand_is_no_circle_and_a_circle_of_a_thousand_is(
    read: Callable[..., Config],
) -> None:
    chain = "".join(f'[services.s{i}]\ncommand = ["x"]\ndepends_on = ["s{i + 1}"]\n' for i in range(1000))
    end = '[services.s1000]\ncommand = ["x"]\n'
    assert len(read(chain + end).services) == 1001
    assert only(read, chain + end + 'depends_on = ["s0"]\n')[1].endswith("s999 -> s1000 -> s0")


def test_a_broken_service_does_not_make_others_dangle(read: Callable[..., Config]) -> None:
    """One mistake is one problem: who depends on it is right."""
    found = problems(read, '[services.db]\n[services.api]\ncommand = ["x"]\ndepends_on = ["db"]\n')
    assert [where for where, _, _ in found] == ["services.db.command (autosys.toml:1)"]

"""The words of the reference for services and probes, and what an entry is. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Entry(NamedTuple):
    """The prose of one key; types, values and defaults are not repeated here: keys.py has them."""

    meaning: str
    implies: str = ""
    does_not: str = ""
    example: str = ""  # lines that are valid below the header of their table


SERVICES: Mapping[str, Entry] = {
    "purpose": Entry(
        "One line on what it is for, shown by `inv ps` and `inv health`.",
        example='purpose = "answers the dashboard"',
    ),
    "command": Entry(
        "The program and its arguments.",
        implies="`python`, `node`, `npm` and other programs of the named `environment` are that environment's own.",
        does_not="No shell: no globs, pipes, `&&` or `~`. What is shown is the command as written; `inv config` "
        "replaces an `${env:X}` that `env` or its default says, and none that comes from elsewhere.",
        example='command = ["python", "-m", "app.api", "--port", "${env:API_PORT:-8200}"]',
    ),
    "environment": Entry(
        "The `[environments.NAME]` it runs in.",
        implies="Its bin folder comes first in PATH.",
        example='environment = "main"\n\n[environments.main]\npath = ".venv"',
    ),
    "cwd": Entry("The folder it runs in. It must exist.", example='cwd = "app"'),
    "env": Entry(
        "Environment variables, on top of the starter's and of `env_file`.",
        implies="A value here wins over `env_file`; `${env:X}` elsewhere in the service sees it.",
        does_not="Cannot set AUTOSYS_SERVICE, AUTOSYS_INSTANCE and AUTOSYS_HEARTBEAT. A value written here is no "
        "secret: `inv config` shows it.",
        example='env = { API_PORT = "8200", LOG_LEVEL = "info" }',
    ),
    "env_file": Entry(
        "Files of KEY=VALUE lines (UTF-8; `export`, quotes and `#` comments are fine), later ones win. Each must "
        "exist.",
        implies="Every value of four characters or more is a secret: it reaches no log of ours, no journal and no "
        "`ps`.",
        does_not="Values are taken literally: no `$OTHER` inside them is replaced.",
        example='env_file = [".env"]',
    ),
    "depends_on": Entry(
        "Services that are started, and ready, before this one.",
        implies="Stopped in the reverse order. A service whose dependency is not ready is `waiting`. "
        "`inv bringup NAME` wants its dependencies too, and says so of one that a person had stopped.",
        does_not="Is not restarted when a dependency is. A circle is an error.",
        example='depends_on = ["db"]\n\n[services.db]\ncommand = ["postgres", "-D", "data"]',
    ),
    "restart": Entry(
        "When it is started again after it ended: `always`, `on-failure` (not after exit code 0), `never`.",
        does_not="Does not bring back what a person stopped with `inv down`.",
        example='restart = "on-failure"',
    ),
    "oneshot": Entry(
        "It is a job: ready when it has exited 0, and then `done`; what it leaves running is ended.",
        does_not="Does not run again in the same boot unless asked to.",
        example="oneshot = true",
    ),
    "optional": Entry(
        "Whether it may be absent.",
        implies="When its program is not installed it is SKIP, not NG.",
        example="optional = true",
    ),
    "managed": Entry(
        "`false`: somebody else starts and stops it; it is only watched.",
        implies="Its verdict is what its `readiness` says, and `command` may be left out.",
        does_not="Is never started or stopped by autosys, and has no log or heartbeat of ours.",
        example='managed = false\n[services.api.readiness]\ntcp = "127.0.0.1:5432"',
    ),
    "single_instance": Entry(
        "Whether a second process of this user with the same command and folder is a mistake.",
        implies="`inv health` names both processes and is NG.",
        does_not="Does not end the second one by itself.",
        example="single_instance = false",
    ),
    "priority": Entry(
        "How much of the processor it gets when others want it too.",
        does_not="Needs no rights; `high` is what the system grants a normal user.",
        example='priority = "low"',
    ),
    "memory_max": Entry(
        "The most memory that it and its children may use.",
        implies="Held by the kernel where the system can, else looked at and, when over twice in a row, restarted.",
        example='memory_max = "500 MB"',
    ),
    "stop_timeout_s": Entry(
        "How long it has to end after it was asked to.",
        implies="Then its whole tree of processes is ended; at once, if it cannot be asked (Windows, no console).",
        example="stop_timeout_s = 30",
    ),
    "stop_http": Entry(
        "An address that is asked (POST) to end it, before the system's polite signal.",
        implies="Of `localhost` 127.0.0.1 is asked first, then ::1.",
        does_not="A refusal is no failure: the polite signal follows.",
        example='stop_http = "http://127.0.0.1:8200/shutdown"',
    ),
    "restart_on": Entry(
        "Files (globs): a pull that changes one restarts it.",
        does_not="Saving a file in an editor restarts nothing.",
        example='restart_on = ["app/**/*.py"]',
    ),
    "log_max": Entry(
        "The size at which `outputs/logs/NAME.log` becomes `.1`.",
        implies="The guard looks every half minute, and every second while one is flooded.",
        does_not="No line is lost or cut by it; of a flood as much is kept as `log_keep` full logs hold.",
        example='log_max = "50 MB"',
    ),
    "log_keep": Entry("How many older logs are kept.", example="log_keep = 2"),
    "readiness": Entry(
        "How to ask whether it is ready to serve. See `[services.NAME.readiness]`.",
        implies="What depends on it waits for this.",
        example='readiness = { tcp = "127.0.0.1:8200" }',
    ),
    "liveness": Entry(
        "How to ask whether it still works although its process lives. See `[services.NAME.liveness]`.",
        implies="A service that fails it is restarted.",
        example="liveness = { heartbeat = true, max_age_s = 90 }",
    ),
}

ASK: Mapping[str, Entry] = {
    "http": Entry(
        "An http or https address that answers with `status`.",
        implies="Of `localhost` 127.0.0.1 is asked first, which spares the two seconds that IPv6 costs on Windows, "
        "then ::1.",
        example='http = "http://127.0.0.1:8200/readyz"',
    ),
    "tcp": Entry(
        "`host:port` that accepts a connection.",
        implies="Of `localhost` 127.0.0.1 is asked first, then ::1.",
        does_not="Nothing is sent; a port that somebody else holds would also answer.",
        example='tcp = "127.0.0.1:5432"',
    ),
    "command": Entry(
        "A command that exits 0.",
        implies="Runs in the service's folder and environment.",
        does_not="No shell.",
        example='command = ["pg_isready", "-q"]',
    ),
    "log": Entry(
        "A regular expression (Python's) that finds a line which the service wrote since this start.",
        does_not="Lines of an earlier start do not count.",
        example='log = "listening on .*:8200"',
    ),
    "file": Entry(
        "A path that exists and is younger than `max_age_s`.",
        example='file = "outputs/beat.json"\nmax_age_s = 90',
    ),
    "heartbeat": Entry(
        "The service touches the file that AUTOSYS_HEARTBEAT names, at least every `max_age_s`.",
        implies="An idle service that touches it is well.",
        example="heartbeat = true\nmax_age_s = 90",
    ),
    "status": Entry("The HTTP status, or statuses, that are well.", example="status = [200, 204]"),
    "json": Entry(
        "What the answer, as JSON, must hold: these keys with these values.",
        does_not="More keys in the answer are fine.",
        example='json = { "status" = "ok" }',
    ),
    "text": Entry("What the answer must contain.", example='text = "ready"'),
    "method": Entry("The HTTP method.", example='method = "HEAD"'),
    "body": Entry("What is sent.", example='method = "POST"\nbody = \'{"ping": 1}\''),
    "headers": Entry(
        "HTTP headers that are sent.",
        example='headers = { Authorization = "Bearer ${env:API_TOKEN:-none}" }',
    ),
    "max_age_s": Entry(
        "The greatest age of the file or heartbeat, in seconds.", example="heartbeat = true\nmax_age_s = 30"
    ),
    "interval_s": Entry("Seconds from one question to the next.", example="interval_s = 0.5"),
    "timeout_s": Entry(
        "Seconds that one question may take.", implies="Then it counts as failed.", example="timeout_s = 5"
    ),
    "start_timeout_s": Entry(
        "Seconds from its start within which a service must become ready.",
        implies="Then the start has failed: it is tried again or blocked, as `[watchdog]` says. Who sends on "
        "or refuses the question (status 300 to 499) is left running, `unready`: the question is wrong.",
        example="start_timeout_s = 120",
    ),
    "success_threshold": Entry(
        "So many good answers in a row make it well.", example="success_threshold = 2"
    ),
    "failure_threshold": Entry(
        "So many bad answers in a row make it unwell, once it was well.", example="failure_threshold = 5"
    ),
}
LIVENESS: Mapping[str, Entry] = {
    **{name: entry for name, entry in ASK.items() if name != "log"},
    "interval_s": Entry("Seconds from one question to the next.", example="interval_s = 10"),
}
PROBES: Mapping[str, Entry] = {
    **{name: entry for name, entry in ASK.items() if name not in ("log", "heartbeat")},
    "command": ASK["command"]._replace(implies="Runs in the workspace's folder."),
    "max_age_s": Entry(
        "The greatest age of the file, in seconds.", example='file = "outputs/beat.json"\nmax_age_s = 90'
    ),
    "warn_ms": Entry("An answer slower than this is WARN, in milliseconds.", example="warn_ms = 1500"),
    "alert_ms": Entry("An answer slower than this is NG, in milliseconds.", example="alert_ms = 5000"),
    "budget": Entry(
        "How many calls may be made in a time, because they cost money.",
        implies="Everybody shares the last result until the next call is allowed.",
        example='budget = "1/10min"',
    ),
}

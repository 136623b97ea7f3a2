"""systemd user units as text; the quoting of each place was measured with systemd 252. Pure."""

from __future__ import annotations

from autosys_tasks.core.errors import UsageError
from autosys_tasks.schedule.values import AtLogon, Daily, Entry, Every, File, Site

HEAD = "# Made by `inv schedule.register`; what is changed in here is lost.\n"


def unit_of(site: Site, name: str, kind: str) -> str:
    """The name of a unit; `kind` is service or timer."""
    return f"autosys-{site.id}-{name}.{kind}"


def files_of(site: Site, entry: Entry) -> tuple[File, File]:
    """The service that runs an entry's command, and its timer. Raises UsageError for a path with a line break."""
    return (
        File(entry.name, unit_of(site, entry.name, "service"), _service(site, entry)),
        File(entry.name, unit_of(site, entry.name, "timer"), _timer(site, entry)),
    )


def _service(site: Site, entry: Entry) -> str:
    program, *arguments = site.argv(entry)
    environment = "".join(f"Environment={_quoted(f'{key}={value}')}\n" for key, value in site.env)
    background = "Nice=10\nIOSchedulingClass=idle\n" if entry.background else ""
    # KillMode: for the run that the user manager did not let out of its unit (supervise/units.py). What it
    # started is no part of it all the same, and must outlive it.
    return (
        f"{HEAD}[Unit]\nDescription={_words(site, entry)}\nStartLimitIntervalSec=0\n\n"
        f"[Service]\nType=oneshot\nWorkingDirectory={_percent(site.folder)}\n{environment}"
        f"ExecStart={' '.join([_quoted(program), *(_argument(one) for one in arguments)])}\n"
        f"KillMode=process\nTimeoutStartSec={entry.limit_s}s\n{background}"
    )


def _timer(site: Site, entry: Entry) -> str:
    when = entry.when
    if isinstance(when, AtLogon):
        lines = f"OnStartupSec={when.delay_s:g}s\nAccuracySec=1s\n"
    elif isinstance(when, Every):
        lines = f"OnActiveSec={when.every_s:g}s\nOnUnitActiveSec={when.every_s:g}s\nAccuracySec={_accuracy(when)}s\n"
    else:
        lines = f"OnCalendar=*-*-* {when.at}\nPersistent=true\nAccuracySec=15s\n"
    return (
        f"{HEAD}[Unit]\nDescription={_words(site, entry)}\n\n[Timer]\n{lines}\n[Install]\nWantedBy=timers.target\n"
    )


def _accuracy(when: Every) -> int:
    return 15 if when.every_s >= 60 else 1


def _words(site: Site, entry: Entry) -> str:
    return _percent(f"autosys: {entry.purpose} ({site.id})")


def _percent(text: str) -> str:
    if "\n" in text or "\r" in text:
        raise UsageError(
            f"a systemd unit cannot hold a path with a line break: {ascii(text)[1:-1]}",
            hint="move or rename the workspace, then register again",
        )
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    """A value, or the program itself, where `$` means itself."""
    return '"' + _percent(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _argument(text: str) -> str:
    """A word behind the program, where `$` would be a variable."""
    return _quoted(text).replace("$", "$$")


def is_repeated(entry: Entry) -> bool:
    """Whether its timer should run from now on; one for the logon waits for the next one."""
    return isinstance(entry.when, Every | Daily)

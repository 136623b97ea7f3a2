"""systemd's user manager: units in this user's own folder, and what the manager says of them."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from autosys_tasks import host
from autosys_tasks.core.errors import StateError
from autosys_tasks.core.files import make_folder, read_bytes, remove_unfinished_of, write_atomic
from autosys_tasks.schedule import systemd_text
from autosys_tasks.schedule.systemd_text import unit_of
from autosys_tasks.schedule.values import Entry, File, Seen, Site

NAME = "systemd"
SHOWN = (
    "Id,LoadState,UnitFileState,ActiveState,NeedDaemonReload,ExecMainCode,ExecMainStatus,"
    "ExecMainStartTimestamp,ExecMainExitTimestamp,DropInPaths"
)
PATIENCE_S = 15.0
EXITED = "1"  # siginfo's CLD_EXITED
Block = dict[str, str]  # what `systemctl show` says of one unit


def show(site: Site, entry: Entry) -> tuple[File, ...]:
    """The files of one entry."""
    return systemd_text.files_of(site, entry)


def runs(site: Site, entry: Entry) -> tuple[str, ...]:
    """The program that an entry's service runs, and its words."""
    return site.argv(entry)


def why_not() -> str:
    """Why no unit can be registered here; empty when one can."""
    answer = _ask("show", "--property=Version")
    if answer.returncode == 0 and answer.stdout.strip() != "Version=":
        return ""
    return f"no systemd user manager answers ({answer.stderr.strip() or 'no reason given'})"


def way_out() -> str:
    """What a person does so that a manager answers; empty where systemd does not run the machine (sd_booted(3))."""
    if not os.path.isdir("/run/systemd/system"):
        return ""
    linger = f"loginctl enable-linger {host.user_name()}"
    return f"have a user manager answer (`{linger}`, as root where that is refused; or a logon of your own, no `su`)"


def look(site: Site, entries: Iterable[Entry]) -> dict[str, Seen]:
    """What the manager says of each entry; when it does not answer, unknown of those whose units are there."""
    wanted = list(entries)
    units = [unit_of(site, entry.name, kind) for entry in wanted for kind in ("timer", "service")]
    listing = _begin("list-timers", "--all", "--output=json")
    answer = _ask("show", *units, f"--property={SHOWN}")
    listed = _end(listing)
    if answer.returncode:
        why = answer.stderr.strip() or f"systemctl ended {answer.returncode}"
        return {entry.name: _unasked(site, entry, why) for entry in wanted}
    told = {block["Id"]: block for block in _blocks(answer.stdout) if "Id" in block}
    times = _times(listed.stdout)
    return {entry.name: _seen(site, entry, told, times) for entry in wanted}


def _unasked(site: Site, entry: Entry, why: str) -> Seen:
    there = _files(site, entry.name)
    return Seen(entry.name, "unknown" if there else "missing", why, NAME)


def _seen(site: Site, entry: Entry, told: dict[str, dict[str, str]], times: dict[str, tuple[float, float]]) -> Seen:
    timer, service = (told.get(unit_of(site, entry.name, kind), {}) for kind in ("timer", "service"))
    if timer.get("LoadState", "not-found") == "not-found":
        there = [file.name for file in show(site, entry) if (folder() / file.name).exists()]
        state, why = ("differs", f"{', '.join(there)} not loaded") if there else ("missing", "no such timer")
        return Seen(entry.name, state, why, NAME)
    added = _added(site, entry.name, timer, service)
    why = _drift(site, entry, timer, service, added)
    state, by_hand = "differs" if why else "registered", _revert(added)
    began, ended = (_utc(service.get(f"ExecMain{what}Timestamp", "")) for what in ("Start", "Exit"))
    next_run = times.get(unit_of(site, entry.name, "timer"), (0.0, 0.0))[0] or None
    if began is not None and ended is None:
        return Seen(entry.name, state, why or "it runs now", NAME, began, None, next_run, by_hand)
    result = None if ended is None else _result(service)
    return Seen(entry.name, state, why, NAME, ended, result, next_run, by_hand)


def _drift(site: Site, entry: Entry, timer: Block, service: Block, added: list[str]) -> str:
    """What is not as this version has it; empty when all is."""
    whys = [f"changed by {path}" for path in added]
    changed = [file.name for file in show(site, entry) if read_bytes(folder() / file.name) != file.data]
    if changed:
        whys.append(f"{', '.join(changed)} not as this version writes it")
    elif not added and "yes" in (timer.get("NeedDaemonReload"), service.get("NeedDaemonReload")):
        whys.append("systemd has not read the files again")
    elif timer.get("UnitFileState") != "enabled":
        whys.append(f"the timer is {timer.get('UnitFileState') or 'not enabled'}")
    elif systemd_text.is_repeated(entry) and timer.get("ActiveState") != "active":
        whys.append(f"the timer is {timer.get('ActiveState')}")
    return "; ".join(whys)


def _added(site: Site, name: str, *told: Block) -> list[str]:
    """The files beside our units that change them (`systemctl --user edit`): those that count, and those on the disk.

    What a system says of all units (`service.d`) is no change of ours.
    """
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{host.user_id()}", "systemd", "user")
    units = [unit_of(site, name, kind) for kind in ("timer", "service")]
    loaded = [path for block in told for path in re.split(r" (?=/)", block.get("DropInPaths", "")) if path]
    there = [str(path) for top in (folder(), runtime) for unit in units for path in top.glob(f"{unit}.d/*.conf")]
    return [path for path in dict.fromkeys([*loaded, *sorted(there)]) if Path(path).parent.name.startswith("autosys-")]


def _revert(added: list[str]) -> str:
    """What a person types to take back what they added; "" when there is nothing."""
    gone = shlex.join(["rm", *added])
    return f"`{gone}; systemctl --user daemon-reload` takes that back" if added else ""


def _result(service: Block) -> int:
    status = int(service.get("ExecMainStatus") or 0)
    return status if service.get("ExecMainCode") == EXITED else 128 + status


def install(site: Site, entry: Entry) -> str:
    """Write an entry's units and have them from now on; says what was done."""
    make_folder(folder())
    for file in show(site, entry):
        remove_unfinished_of(folder() / file.name, host.identity)
        write_atomic(folder() / file.name, file.text)
    _must("daemon-reload")
    timer = unit_of(site, entry.name, "timer")
    _must("enable", timer)
    if systemd_text.is_repeated(entry):
        _must("restart", timer)
    return f"{timer} enabled"


def remove(site: Site, name: str) -> str:
    """Take an entry's units away; nothing there is fine."""
    timer, service = (unit_of(site, name, kind) for kind in ("timer", "service"))
    there = _files(site, name)
    if not there:
        return "nothing to remove"
    _ask("disable", "--now", timer)
    _ask("stop", service)  # a run that outlived its file would end with the default KillMode, and take all with it
    for path in (*there, _stamps() / f"stamp-{timer}"):  # the link too, where no manager has answered
        path.unlink(missing_ok=True)
    _ask("daemon-reload")
    _ask("reset-failed", timer, service)
    stay = ", ".join(_added(site, name))
    return f"{timer} removed" + (f"; {stay} stays, which a person made" if stay else "")


def _files(site: Site, name: str) -> list[Path]:
    """What is there of an entry's units, and the link that enables it."""
    timer, service = (unit_of(site, name, kind) for kind in ("timer", "service"))
    places = (folder() / timer, folder() / service, folder() / "timers.target.wants" / timer)
    return [path for path in places if os.path.lexists(path)]


def stop(unit: str) -> None:
    """Have it do nothing more before the next logon; nobody there is fine."""
    _ask("stop", unit)


def ends_with_the_session(site: Site) -> bool:
    """Whether what it started for this workspace ends at this user's last log-out."""
    return any(folder().glob(f"autosys-{site.id}-*.timer")) and not host.units.lingers()


def folder() -> Path:
    """Where a user's own units are kept."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config", "systemd", "user")


def _stamps() -> Path:
    """Where systemd remembers when a timer that is caught up (`Persistent=true`) ran last."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share", "systemd", "timers")


def _ask(*words: str) -> subprocess.CompletedProcess[str]:
    return _end(_begin(*words))


def _begin(*words: str) -> subprocess.Popen[str] | OSError:
    where = {"XDG_RUNTIME_DIR": f"/run/user/{host.user_id()}"}  # which shells of cron and su are not told
    env = {**where, **os.environ, "LC_ALL": "C", "TZ": "UTC"}  # `--timestamp=utc` came with systemd 247
    argv = ["systemctl", "--user", "--no-pager", *words]
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(
            argv, env=env, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, encoding="utf-8", errors="replace"
        )
    except OSError as error:
        return error


def _end(begun: subprocess.Popen[str] | OSError) -> subprocess.CompletedProcess[str]:
    if isinstance(begun, OSError):
        why = "there is no `systemctl`" if isinstance(begun, FileNotFoundError) else str(begun)
        return subprocess.CompletedProcess("systemctl", 127, "", why)
    with begun:
        try:
            out, err = begun.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            begun.kill()
            return subprocess.CompletedProcess(begun.args, 127, "", f"no answer within {PATIENCE_S:g} s")
    return subprocess.CompletedProcess(begun.args, begun.returncode, out, err)


def _must(*words: str) -> None:
    answer = _ask(*words)
    if answer.returncode:
        text = answer.stderr.strip() or f"exit code {answer.returncode}"
        raise StateError(f"systemctl --user {' '.join(words)}: {text}", hint="systemctl --user status")


def _blocks(text: str) -> list[dict[str, str]]:
    return [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in text.split("\n\n")]


def _times(listed: str) -> dict[str, tuple[float, float]]:
    """(next, last) of each timer in seconds since 1970, 0 = never: show tells monotonic ones as spans only."""
    try:
        rows = json.loads(listed or "[]")
    except ValueError:
        return {}
    return {str(row.get("unit")): ((row.get("next") or 0) / 1e6, (row.get("last") or 0) / 1e6) for row in rows}


def _utc(text: str) -> float | None:
    """`Wed 2026-11-25 14:00:00 UTC` as seconds since 1970."""
    try:
        return datetime.strptime(text, "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None

"""Shows that every check can fail: breaks its subject in a scratch workspace, and looks before and after.

The scratch workspace lies in a temporary folder, with a state folder of its own; nothing of it outlives the
test, and the person's own workspace is not touched.
"""

from __future__ import annotations

import json
import os
import plistlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from autosys_tasks import host
from autosys_tasks.config.load import load
from autosys_tasks.core.clock import utc_text, wall
from autosys_tasks.core.verdict import NG, OK, SKIP, UNKNOWN, WARN, Check
from autosys_tasks.health import run
from autosys_tasks.schedule import registered_entries, starters
from autosys_tasks.schedule.values import Listing
from autosys_tasks.supervise import runs
from autosys_tasks.supervise.house import House, house_of
from autosys_tasks.supervise.state import Place, read_record
from autosys_tasks.supervise.values import GUARD
from autosys_tasks.vscode import act as editor
from autosys_tasks.vscode.values import FILE

LIVES_S = 60  # a scratch service ends by itself, should this process be killed
WAIT_S = 10.0
OUTPUT = "outputs/report.json"
ALMOST_FULL = (10**12, 10**8)  # (total, free) bytes


class Scratch(NamedTuple):
    """A workspace to break things in."""

    house: House
    folder: Path
    session: Path  # stands for the folder of what this user's session starts
    listener: socket.socket
    copies: list[subprocess.Popen[bytes]]


class Case(NamedTuple):
    """One check, how its subject is broken, and what has to be made ready before."""

    check: str
    broken: str
    spoil: Callable[[Scratch], None]
    ready: Callable[[Scratch], None] = lambda scratch: None
    full: bool = False  # the look afterwards is told that the disk is almost full


class Row(NamedTuple):
    """What became of one check when its subject was broken."""

    check: str
    broken: str
    before: str
    after: str
    why: str

    @property
    def verdict(self) -> str:
        """OK when it turned NG from what was no red."""
        return OK if self.before in (OK, SKIP) and self.after == NG else NG


def rows() -> list[Row]:
    """Every check kind broken once; leaves no process and no file behind."""
    folder = Path(tempfile.mkdtemp(prefix="autosys-selftest-"))
    listener = socket.create_server(("127.0.0.1", 0))
    try:
        scratch = _scratch(folder, listener)
        try:
            return [_row(scratch, case) for case in CASES]
        finally:
            _tidy(scratch)
    finally:
        listener.close()
        shutil.rmtree(folder, ignore_errors=True)


def _scratch(folder: Path, listener: socket.socket) -> Scratch:
    root = Path(os.path.realpath(folder)) / "workspace"
    for each in ("outputs", "made", "web/node_modules/left", "../session"):
        (root / each).mkdir(parents=True)
    _venv(root / "venv")
    _package(root, "1.0.0")
    (root / "web/node_modules/left/package.json").write_text("{}", encoding="utf-8")
    _report(root / OUTPUT, age_s=0.0)
    text = _toml(listener.getsockname()[1])
    (root / "autosys.toml").write_text(text, encoding="utf-8", newline="\n")
    house = house_of(load(root, {}))
    return Scratch(house._replace(place=Place(str(root.parent / "state"))), root, root.parent / "session", listener, [])


def _toml(port: int) -> str:
    sleeps = json.dumps([sys.executable, "-c", f"import time; time.sleep({LIVES_S})"])
    return f"""
[services.sleeper]
command = {sleeps}
stop_timeout_s = 2
[environments.python]
path = "venv"
manifests = ["autosys.toml"]
[environments.node]
kind = "node"
path = "web"
[environments.command]
kind = "command"
manifests = ["autosys.toml"]
install = ["true"]
outputs = ["made"]
[outputs]
"{OUTPUT}" = "1h"
[backup.sets.config]
include = ["autosys.toml"]
[probes.port]
tcp = "127.0.0.1:{port}"
"""


def _venv(path: Path) -> None:
    """A real one; without pip that takes a moment only."""
    base = getattr(sys, "_base_executable", None) or sys.executable
    flags: dict[str, Any] = host.spawn_flags()
    subprocess.run([base, "-m", "venv", "--without-pip", str(path)], check=True, stdin=subprocess.DEVNULL, **flags)


def _package(root: Path, version: str) -> None:
    text = json.dumps({"dependencies": {"left": version}})
    (root / "web/package.json").write_text(text, encoding="utf-8", newline="\n")


def _report(path: Path, *, age_s: float) -> None:
    text = json.dumps({"at": utc_text(wall() - age_s)})
    path.write_text(text, encoding="utf-8", newline="\n")


def _row(scratch: Scratch, case: Case) -> Row:
    case.ready(scratch)
    before = _look(scratch, case.check)
    case.spoil(scratch)
    after = _look(scratch, case.check, full=case.full)
    return Row(case.check, case.broken, before.verdict, after.verdict, after.why or before.why)


def _look(scratch: Scratch, check: str, *, full: bool = False) -> Check:
    """The check's verdict, once it is one that time alone would not change."""
    ends = time.monotonic() + WAIT_S
    while True:
        usage = (lambda path: ALMOST_FULL) if full else (lambda path: (10**12, 10**11))
        found = run.page(scratch.house, [check], usage=usage, listed=lambda site: [_session(scratch)])[0]
        if found.verdict not in (WARN, UNKNOWN) or time.monotonic() > ends:
            return found
        time.sleep(0.02)


def _session(scratch: Scratch) -> Listing:
    return starters.in_folder(scratch.session)


def _tidy(scratch: Scratch) -> None:
    for copy in scratch.copies:
        copy.kill()
        copy.wait()
    runs.take_down(scratch.house, [])


# --- how things break -------------------------------------------------------------------------------------


def _up(scratch: Scratch, *, guard: bool = False) -> None:
    runs.bring_up(scratch.house, ["sleeper"], wanted_only=False, guard=guard, timeout_s=WAIT_S)


def _kill(scratch: Scratch, name: str) -> None:
    record, _corrupt = read_record(scratch.house.place, name)
    leader = record.leader if record else None
    if leader is not None:
        host.end(leader)
        _until(lambda: host.alive(leader) is False)


def _until(fact: Callable[[], bool]) -> None:
    ends = time.monotonic() + WAIT_S
    while not fact() and time.monotonic() < ends:
        time.sleep(0.01)


def _copy(scratch: Scratch) -> None:
    argv = scratch.house.argv("sleeper")
    assert argv is not None
    cwd = scratch.house.service("sleeper").cwd
    nothing = subprocess.DEVNULL
    child = subprocess.Popen(argv, cwd=cwd, stdin=nothing, stdout=nothing, stderr=nothing)
    scratch.copies.append(child)


def _write(scratch: Scratch, name: str, text: str) -> None:
    (scratch.folder / name).write_text(text, encoding="utf-8", newline="\n")


def _want_autostart(scratch: Scratch) -> None:
    registered_entries.note(scratch.house.place, ["master"], registered=True)


def _start_too(scratch: Scratch) -> None:
    """What a person may have made long ago, in the form that this system's session takes."""
    agent = {"Label": "desk", "RunAtLoad": True, "ProgramArguments": ["inv"], "WorkingDirectory": str(scratch.folder)}
    name, text = {
        "windows": ("desk.cmd", f'cd /d "{scratch.folder}"\r\nstart /b inv bringup\r\n'),
        "macos": ("desk.plist", plistlib.dumps(agent).decode("utf-8")),
    }.get(host.PLATFORM, ("desk.desktop", f"[Desktop Entry]\nExec=inv bringup\nPath={scratch.folder}\n"))
    (scratch.session / name).write_text(text, encoding="utf-8", newline="")


def _sync_editor(scratch: Scratch) -> None:
    editor.carry_out(scratch.house, lambda: editor.planned_sync(scratch.house))


def _upgraded(scratch: Scratch) -> None:
    """As after an upgrade that ended well: what the files say now is what the environments were made from."""
    from autosys_tasks.upgrade import file_cache, look, stamps
    from autosys_tasks.upgrade.values import Done, Record

    place, root = scratch.house.place, scratch.house.config.path
    for seen in look.look(scratch.house, file_cache.FileCache(place, root)).environments:
        done = Done(seen.files, seen.command, seen.interpreter, wall())
        stamps.write_record(place, seen.name, Record(done))


def _backed_up(scratch: Scratch) -> None:
    from autosys_tasks.backup import commands
    from autosys_tasks.backup import run as backups

    backups.backup(scratch.house)
    commands.run_drill(scratch.house, lambda line: None)


def _cut_archive(scratch: Scratch) -> None:
    archive = next((scratch.folder / "backups").glob("*.7z"))
    os.truncate(archive, archive.stat().st_size // 2)


def _edit_block(scratch: Scratch) -> None:
    path = scratch.folder / FILE
    _write(scratch, FILE, path.read_text(encoding="utf-8").replace("--fix", "--fixx"))


CASES = (
    Case("service.sleeper", "killed", lambda s: _kill(s, "sleeper"), _up),
    Case("duplicates", "a second copy was started", _copy, _up),
    Case("watchdog", "the guard was killed", lambda s: _kill(s, GUARD), lambda s: _up(s, guard=True)),
    Case("upgrade", "a pull changed a dependency", lambda s: _package(s.folder, "2.0.0"), _upgraded),
    Case(
        "environment.python",
        "its interpreter was taken away",
        lambda s: Path(host.python_in(str(s.folder / "venv"))).unlink(),
    ),
    Case(
        "environment.node",
        "node_modules was taken away",
        lambda s: shutil.rmtree(s.folder / "web/node_modules"),
    ),
    Case(
        "environment.command",
        "what its command makes was taken away",
        lambda s: (s.folder / "made").rmdir(),
    ),
    Case(
        f"outputs.{OUTPUT}",
        "rewritten with the time of two hours ago in it",
        lambda s: _report(s.folder / OUTPUT, age_s=7200),
    ),
    Case("probe.port", "nobody listens on its port any more", lambda s: s.listener.close()),
    Case("disk", "told that 100 MB are free (no disk is filled for a test)", lambda s: None, full=True),
    Case("autostart", "what was registered is not there", _want_autostart),
    Case("rivals", "an entry of the session was made that starts the workspace", _start_too),
    Case("backup", "its archive was cut in two", _cut_archive, _backed_up),
    Case("vscode", "a task of the block was edited by hand", _edit_block, _sync_editor),
    Case("config", "autosys.toml has an unknown key", lambda s: _write(s, "autosys.toml", "colour = 1\n")),
)


def exit_code(found: list[Row]) -> int:
    """3 when a check could not be made to fail."""
    return 3 if any(row.verdict == NG for row in found) else 0


def fields(found: list[Row]) -> dict[str, object]:
    """The fields of the `selftest` document."""
    failed = [row.check for row in found if row.verdict == NG]
    checks = [{**row._asdict(), "verdict": row.verdict} for row in found]
    return {"verdict": NG if failed else OK, "could_not_fail": failed, "checks": checks}


def lines(found: list[Row]) -> list[str]:
    """The table for a person."""
    from autosys_tasks.supervise.show import aligned

    table = [["CHECK", "BROKEN BY", "BEFORE", "AFTER", "WHY"]]
    table += [[row.check, row.broken, row.before, row.after, row.why] for row in found]
    failed = [row.check for row in found if row.verdict == NG]
    turned = sum(1 for row in found if row.verdict == OK)
    verdict = f"NG: could not be made to fail: {', '.join(failed)}" if failed else "OK"
    return [*aligned(table), f"{verdict}: {turned} turned NG"]

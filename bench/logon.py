"""Measures what a person waits for: after logon, on opening the folder, on asking what is scheduled; Linux only.

python bench/logon.py [--times 7] [--write-docs]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cache
import machine
import procfs
from bare import bare, inv
from promises import Promise, told
from room import outside_environment
from timing import Command, in_turn, once, spread

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "tests"))  # which have a user manager of their own

SERVICES = {"queue", "worker", "monitor"}
PORTS = ("8091", "8092")
MANIFESTS = 'manifests = ["pyproject.toml"]'
SOON = '\n[schedule]\nmaster = { at = "logon", delay = "1s" }\n'
TASKS = "from autosys_tasks import ns\n"
LATEST_S, LOOK_S = 60.0, 0.02
REGISTERED = ("start", "last-good")  # of the state folder: what the registered command begins with
BARE = "bare inv noop"
PROMISES = (
    Promise("logon, by systemd's timer: all three services ready", "by_systemd", 10_000),
    Promise("logon, the registered command alone: all three services ready", "by_command", 10_000),
    Promise("`inv vscode.open` where all is well", "vscode.open", 5_000),
    Promise("`inv schedule.status`, over a bare `inv` task", "schedule.status", 150, over=BARE),
)

if TYPE_CHECKING:
    from user_manager import UserManager

Measured = dict[str, object]


class Desk(NamedTuple):
    """A copy of this repository's own workspace, and what its commands are given."""

    folder: Path
    env: Mapping[str, str]
    mark: str

    def ours(self, *words: str, env: Mapping[str, str] | None = None) -> Command:
        """`inv WORDS` in it."""
        return Command([str(Path(sys.executable).with_name("inv")), *words], self.folder, {**self.env, **(env or {})})


def main() -> int:
    """Measure, print, write down; 3 when a target is missed."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--times", type=int, default=7, help="how often each is measured, at least 5 for figures")
    asked.add_argument("--write-docs", action="store_true", help="write its section of docs/benchmarks.md")
    said = asked.parse_args()
    results: Measured = {"at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "machine": machine.describe()}
    cache.compile_environment()
    with desk() as made:
        results |= measure(made, said.times)
    return told("logon", PROMISES, results, write_docs=said.write_docs)


def measure(made: Desk, times: int) -> Measured:
    """Milliseconds of all three; the last logon leaves a healthy workspace to open."""
    import user_manager

    results: Measured = {}
    lacking = user_manager.lacking()
    if lacking:
        print(f"no logon through systemd: {lacking}", file=sys.stderr)
    else:
        results["by_systemd"] = spread(list(by_systemd(made, times)))
    results["by_command"] = spread([by_command(made) for _ in range(times)])
    once(made.ours("bringup"))
    once(made.ours("backup"))  # those that logons had begun in the background ended with their session
    with _scheduler(made, there=not lacking) as env, bare() as nothing:
        commands = {
            BARE: inv(nothing, "noop"),
            "vscode.open": made.ours("vscode.open", env=env),
            "schedule.status": made.ours("schedule.status", env=env),
        }
        return {**results, **in_turn(commands, times=times)}


@contextlib.contextmanager
def desk() -> Iterator[Desk]:
    """The workspace; whatever runs in it is ended, and it is removed afterwards."""
    import rig

    scratch = Path(tempfile.mkdtemp(prefix="bench-logon-"))
    folder, mark = scratch / "내 책상", uuid.uuid4().hex
    folder.mkdir()
    toml = (REPOSITORY / "autosys.toml").read_text(encoding="utf-8")
    toml = toml.replace(MANIFESTS, 'manifests = ["none.txt"]')  # its environment is this very one: nothing is installed
    for port in PORTS:
        toml = toml.replace(port, str(rig.free_port()))
    for name, text in (("autosys.toml", toml + SOON), ("tasks.py", TASKS)):
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    shutil.copy(REPOSITORY / "pyproject.toml", folder)
    (folder / ".venv").symlink_to(sys.prefix)
    os.environ["AUTOSYS_STATE"] = str(scratch / "state")  # we look at it too
    env = {**outside_environment(), procfs.MARK: mark, "AUTOSYS_STATE": str(scratch / "state")}
    try:
        yield Desk(folder, env, mark)
    finally:
        left = procfs.end_marked(mark)
        shutil.rmtree(scratch, ignore_errors=True)
        if left:
            raise RuntimeError(f"these processes could not be ended: {left}")


# From the moment at which the logon entry fires until all three services are ready


def by_systemd(made: Desk, times: int) -> Iterator[float]:
    """Milliseconds, each time after a logon: a user manager that starts. Its timer's delay is not counted."""
    home = made.folder.parent / "home"
    home.mkdir()
    with _manager(made, home) as manager:
        once(made.ours("schedule.register", env=manager.env))
    for _ in range(times):
        with _manager(made, home) as manager:
            ready = _all_ready(made)
            (unit,) = manager.units.glob("*-master.service")
            fired = manager.ctl("show", unit.name, "--property=InactiveExitTimestampMonotonic", "--value")
            yield ready * 1000 - int(fired) / 1000
            _as_before(made)


def by_command(made: Desk) -> float:
    """The same of the registered command alone, without a scheduler."""
    from autosys_tasks.config.load import load
    from autosys_tasks.schedule.site import chosen, site_of

    config = load(made.folder)
    (entry,) = chosen(config, "master")
    began = time.monotonic()
    started = subprocess.Popen(
        site_of(config).argv(entry), cwd=made.folder, env=made.env, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    took = (_all_ready(made) - began) * 1000
    started.wait(LATEST_S)
    _as_before(made)
    return took


def _as_before(made: Desk) -> None:
    """Everything ended, and that a person asked for it forgotten; what the schedule starts stays."""
    once(made.ours("down"))
    for path in (made.folder.parent / "state").iterdir():
        if path.is_dir() and path.name not in REGISTERED:
            _remove(path)


def _remove(folder: Path) -> None:
    """Remove a folder into which the backup of a missed night, that the logon began, may still write."""
    end = time.monotonic() + LATEST_S
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def _all_ready(made: Desk) -> float:
    """When all three were ready, by the clock that systemd tells times by; raises RuntimeError when they are not."""
    from autosys_tasks.config.load import load
    from autosys_tasks.supervise import show
    from autosys_tasks.supervise.house import house_of

    house, end = house_of(load(made.folder)), time.monotonic() + LATEST_S
    while time.monotonic() < end:
        seen = show.picture(house, SERVICES).decisions
        if all(seen[name].state == "ready" for name in SERVICES):
            return time.monotonic()
        time.sleep(LOOK_S)
    raise RuntimeError(f"not ready: {[(name, seen[name].state, seen[name].reason) for name in SERVICES]}")


@contextlib.contextmanager
def _manager(made: Desk, home: Path) -> Iterator[UserManager]:
    import user_manager

    shutil.rmtree(home / "run", ignore_errors=True)
    with user_manager.running(home, made.env) as manager:
        yield manager


@contextlib.contextmanager
def _scheduler(made: Desk, *, there: bool) -> Iterator[Mapping[str, str]]:
    """The environment in which the scheduler answers, where there is one; its logon is over."""
    if not there:
        yield {}
        return
    with _manager(made, made.folder.parent / "home") as manager:
        (unit,) = manager.units.glob("*-master.service")
        done = ("show", unit.name, "--property=ExecMainExitTimestampMonotonic", "--value")
        while manager.ctl(*done).strip() == "0":
            time.sleep(LOOK_S)
        yield manager.env


if __name__ == "__main__":
    sys.exit(main())

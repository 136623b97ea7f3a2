"""A scheduler of our own, for machines whose scheduler refuses: a process that starts each entry when it is due.

It runs the same commands that a scheduler would. One lives per workspace.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from autosys_tasks import host
from autosys_tasks.config.load import FILE, GONE_S, load
from autosys_tasks.core.clock import utc_text
from autosys_tasks.core.errors import AutosysError
from autosys_tasks.core.files import make_folder
from autosys_tasks.core.plan import Plan
from autosys_tasks.schedule import plan, resident_files
from autosys_tasks.schedule.due import NEVER, Moment, wait_s
from autosys_tasks.schedule.resident_files import Place, Run
from autosys_tasks.schedule.values import Entry, Site
from autosys_tasks.schedule.values import entries as entries_of
from autosys_tasks.supervise import commands
from autosys_tasks.supervise.environ import base_environ
from autosys_tasks.supervise.house import House

LOOK_S = 30.0  # a changed autosys.toml, a changed clock, a machine that slept
RUNNING_LOOK_S = 0.5
NOTHING = "nothing is registered any more"
AGAIN_S = 60.0  # when an end that was no end is tried again

Say = Callable[[str], None]


class Child(NamedTuple):
    """An entry that runs."""

    process: subprocess.Popen[bytes]
    limit: float  # by host.boot_clock


def planned(site: Site, entries: Iterable[Entry]) -> Plan:
    """What `keep` would start now, and when; changes nothing."""
    place = resident_files.place_of(site)
    names, who = resident_files.read_names(place), resident_files.holder(place)
    registered = [entry for entry in entries if names is None or entry.name in names]
    return plan.to_keep(registered, who.pid if who else None)


def keep(house: House, site: Site, entries: Iterable[Entry], say: Say | None = None) -> int:
    """Start each entry when it is due, until asked to end; 0, also at once when somebody keeps already.

    `say` is told what a person at a console should know; the workspace's log is told everything.
    """
    place, wanted = resident_files.place_of(site), tuple(entries)
    make_folder(Path(place.folder))
    told = _teller(site, say)
    while _kept_to_an_end(house, site, wanted, place, told) == NOTHING and resident_files.read_names(place) is not None:
        pass  # registered again while we were ending, by who saw that we live
    return 0


def _kept_to_an_end(house: House, site: Site, entries: tuple[Entry, ...], place: Place, told: Say) -> str:
    """Why it ended; empty when another one runs already."""
    lock = host.take_lock(place.lock)
    if lock is None:
        who = resident_files.holder(place)
        told(f"the times of this workspace are kept already (pid {who.pid if who else '?'})")
        return ""
    try:
        keeper = _Keeper(house, site, entries, place, told)
        host.on_polite_stop(keeper.end)
        told(f"keeping the times of {', '.join(entry.name for entry in keeper.entries) or 'nothing'}")
        reason = keeper.run()
        told(f"ended: {reason}")
        return reason
    finally:
        lock.release()


def _teller(site: Site, say: Say | None) -> Say:
    def told(text: str) -> None:
        with contextlib.suppress(OSError):
            fd = host.open_append(site.log)
            try:
                os.write(fd, f"{utc_text(time.time())} keeper: {text}\n".encode("utf-8", "backslashreplace"))
            finally:
                os.close(fd)
        if say is not None:
            say(text)

    return told


class _Keeper:
    """The loop of the resident scheduler, and its state."""

    def __init__(self, house: House, site: Site, entries: tuple[Entry, ...], place: Place, told: Say) -> None:
        self.site, self.place, self.told = site, place, told
        self.entries = entries
        self.names = resident_files.read_names(place)
        self.file = Path(house.config.path, FILE)
        self.stamp = _changed(self.file)
        self.gone_since: float | None = None
        self.began = resident_files.now()
        self.runs = resident_files.read_runs(place)[1]
        self.running: dict[str, Child] = {}
        self.asked = False
        self.waiter = host.Waiter()
        self.bell = host.Bell(place.bell)  # rung when something is registered, or no more
        self.waiter.listen(self.bell)

    def end(self) -> None:
        """Asked to end, from another thread or a signal handler."""
        self.asked = True
        self.waiter.wake()

    def run(self) -> str:
        """Run until there is a reason to end, which is returned. Entries that run then go on."""
        resident_files.write_runs(self.place, self.began, self.runs)
        try:
            while not (reason := self._reason()):
                self.waiter.wait(self._turn())
                self.bell.rung()
                self._note_ends()
            return reason
        finally:
            self.bell.close()
            self.waiter.close()

    def _reason(self) -> str:
        if self.asked:
            return "asked to"
        names = resident_files.read_names(self.place, self.names)
        if names is None and self.names is not None:
            if not self.running:
                return NOTHING
            names = set()  # what runs may come to its end, and nothing more is started
        self.names = names
        return self._read_again()

    def _read_again(self) -> str:
        """Take up a changed autosys.toml; a broken one is said once, and the last good one goes on."""
        stamp, clock = _changed(self.file), host.boot_clock()
        if stamp is None:
            self.gone_since = clock if self.gone_since is None else self.gone_since
            return "the workspace is gone" if clock - self.gone_since > GONE_S else ""
        self.gone_since = None
        if stamp != self.stamp:
            self.stamp = stamp
            try:
                self.entries = entries_of(load(self.file.parent))
                self.told(f"{FILE} was changed: its times count from now on")
            except AutosysError as error:
                self.told(f"{FILE} is broken, the last good one goes on: {error.message}")
        return ""

    def _turn(self) -> float:
        """Start what is due; seconds until the next turn."""
        now, waits = resident_files.now(), [LOOK_S]
        for entry in self.entries:
            if entry.name in self.running or (self.names is not None and entry.name not in self.names):
                continue
            last = self.runs.get(entry.name)
            wait = wait_s(entry, self.began, last.at if last else None, now)
            if wait <= 0.0:
                self._start(entry, now)
            elif wait != NEVER:
                waits.append(wait)
        if self.running or self.gone_since is not None:
            waits.append(RUNNING_LOOK_S)
        return max(0.01, min(waits))

    def _start(self, entry: Entry, now: Moment) -> None:
        self._note(entry.name, Run(now))  # before the start: what crashes us is not started for ever
        try:
            process = _started(self.site, entry)
        except OSError as error:
            self.told(f"{entry.name} cannot be started: {error}")
            self._note(entry.name, Run(now, 127))
            return
        self.running[entry.name] = Child(process, now.clock + entry.limit_s)

    def _note_ends(self) -> None:
        """Note how runs ended, and end those that take too long."""
        for name, child in list(self.running.items()):
            if child.process.poll() is None and host.boot_clock() > child.limit:
                self.told(f"{name} took longer than it may, and was ended")
                self.running[name] = child._replace(limit=child.limit + AGAIN_S)
                commands.end(child.process.pid)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.process.wait(commands.TREE_S)
            code = child.process.poll()
            if code is not None:
                del self.running[name]
                self._note(name, self.runs[name]._replace(code=code if code >= 0 else 128 - code))

    def _note(self, name: str, run: Run) -> None:
        self.runs[name] = run
        try:
            resident_files.write_runs(self.place, self.began, self.runs)
        except AutosysError as error:
            self.told(error.message)


def _started(site: Site, entry: Entry) -> subprocess.Popen[bytes]:
    """A run as a child of its own: no window, no input, its outputs at the end of the log."""
    flags: dict[str, Any] = host.spawn_flags()
    log = host.open_append(site.log)
    try:
        return subprocess.Popen(
            site.argv(entry), cwd=site.folder, env={**base_environ(os.environ), **dict(site.env)},
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, close_fds=True, **flags,
        )  # fmt: skip
    finally:
        os.close(log)


def _changed(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None

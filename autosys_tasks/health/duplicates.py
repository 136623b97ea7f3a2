"""Looks for second copies of services that may run once; ends none. A copy runs the same in the same place.

Matching a command line never ends anything by itself: what is found here is ended by identity, and only
beside a living process that the service's own record owns.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from autosys_tasks import host
from autosys_tasks.config.model import Service
from autosys_tasks.health.values import Copies, CopiesSeen
from autosys_tasks.supervise.house import House
from autosys_tasks.supervise.look import Marks
from autosys_tasks.supervise.state import read_record
from autosys_tasks.supervise.values import Record

Table = Mapping[int, host.Process]


class Kin(NamedTuple):
    """Who belongs to whom among the processes of one moment."""

    table: Table
    children: Mapping[int, list[int]]
    ours: Mapping[int, str]  # pid -> the service that it is, or descends from


def see_copies(house: House, marks: Marks) -> CopiesSeen:
    """Every service that may run once and runs more than once.

    The processes are listed first and the records read afterwards: whoever was started in between bears
    the mark of the instance that its record names.
    """
    table = {process.who.pid: process for process in host.processes()}
    records = {name: read_record(house.place, name)[0] for name in house.config.services}
    kin = _kin(table, records)
    single = [s for s in house.config.services.values() if s.single_instance and s.argv]
    found = []
    for service in single:
        ours = _leader(table, records[service.name])
        strangers = _strangers(house, service, ours, kin)
        strangers = _unmarked(strangers, records, marks) if strangers else ()
        if len(strangers) + (ours is not None) > 1:
            found.append(Copies(service.name, ours, tuple(strangers)))
    return CopiesSeen(len(table), len(single), tuple(found))


def descent(who: host.Identity) -> list[host.Identity]:
    """What that process has started and what those have, as far as it can be told now; without itself."""
    table = {process.who.pid: process for process in host.processes()}
    kin = _kin(table, {"": Record("", *who)})
    return [table[pid].who for pid in kin.ours if pid != who.pid]


def _leader(table: Table, record: Record | None) -> host.Identity | None:
    leader = record.leader if record and not record.dead else None
    process = table.get(leader.pid) if leader else None
    return leader if process and process.who == leader else None


def _kin(table: Table, records: Mapping[str, Record | None]) -> Kin:
    children: dict[int, list[int]] = {}
    for pid, process in table.items():
        children.setdefault(process.parent, []).append(pid)
    ours: dict[int, str] = {}
    for name, record in records.items():
        leader = _leader(table, record)
        todo = [leader.pid] if leader else []
        while todo:
            pid = todo.pop()
            if pid not in ours:
                ours[pid] = name
                todo += children.get(pid, ())
    return Kin(table, children, ours)


def _strangers(
    house: House, service: Service, ours: host.Identity | None, kin: Kin
) -> tuple[host.Identity, ...]:
    """Who runs what this service runs, where it runs it, and descends from none of our services."""
    cwd = os.path.realpath(service.cwd)
    wanted = _command_lines(house, service, ours, kin.table)
    same = {
        pid
        for pid, process in kin.table.items()
        if pid not in kin.ours
        and pid != os.getpid()
        and process.cwd == cwd
        and normal(process.argv, cwd) in wanted
        and not _launched(pid, ours, kin)
    }
    return tuple(kin.table[pid].who for pid in sorted(same) if not _has_ancestor(pid, same, kin.table))


def _command_lines(
    house: House, service: Service, ours: host.Identity | None, table: Table
) -> set[tuple[str, ...]]:
    """What it is declared to run, what that resolves to, and what our own instance shows that it runs."""
    lines = [service.argv, house.argv(service.name) or ()]
    if ours is not None:
        lines.append(table[ours.pid].argv)
    return {normal(argv, os.path.realpath(service.cwd)) for argv in lines if argv}


def normal(argv: tuple[str, ...], cwd: str) -> tuple[str, ...]:
    """A command line as it compares: paths absolute, the program by its name, any Python a Python."""
    if not argv:
        return ()
    name = os.path.basename(argv[0]).lower().removesuffix(".exe")
    program = "python" if name.startswith("python") else name
    return (program, *(_absolute(word, cwd) for word in argv[1:]))


def _absolute(word: str, cwd: str) -> str:
    is_path = (os.sep in word or (os.altsep or os.sep) in word) and "://" not in word
    return os.path.normpath(os.path.join(cwd, word)) if is_path else word


def _launched(pid: int, ours: host.Identity | None, kin: Kin) -> bool:
    """Whether this is only the launcher of our instance: its parent, with no other child."""
    return ours is not None and kin.children.get(pid) == [ours.pid]


def _has_ancestor(pid: int, among: set[int], table: Table) -> bool:
    """Whether one of these started it: launcher and interpreter, or server and workers, are one."""
    seen = {pid}
    while (process := table.get(pid)) is not None and process.parent not in seen:
        pid = process.parent
        seen.add(pid)
        if pid in among:
            return True
    return False


def _unmarked(
    strangers: Iterable[host.Identity], records: Mapping[str, Record | None], marks: Marks
) -> tuple[host.Identity, ...]:
    """Less those who bear the mark of a current instance (they left their leader's family), and the dead."""
    current = {
        mark.who
        for name, record in records.items()
        if record is not None
        for mark in marks.of(name)
        if mark.instance == record.instance
    }
    return tuple(who for who in strangers if who not in current and host.alive(who) is not False)

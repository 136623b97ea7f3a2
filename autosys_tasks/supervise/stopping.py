"""Ends one service with its process tree, politely first, then by force; records its death."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

from autosys_tasks import host
from autosys_tasks.core.faults import fault
from autosys_tasks.core.plan import Outcome, Step
from autosys_tasks.supervise import plan
from autosys_tasks.supervise.house import House
from autosys_tasks.supervise.look import last_words, look_at_one
from autosys_tasks.supervise.state import now, read_ready, read_record, write_record
from autosys_tasks.supervise.values import label

KILL_WAIT_S = 5.0
NOTE_WAIT_S = 0.5  # a guard that hears of the death holds the lock for a moment
STRAYS_WAIT_S = 2.0


def stop(
    house: House,
    name: str,
    reason: str,
    *,
    kind: str = "stop",
    forgiven: bool = True,
    ended: host.Exit | None = None,
    only: str | None = None,
) -> Outcome:
    """End a service: by its `stop_http`, then by the OS's polite signal, then by killing the whole process tree.

    True only when nothing of it lives and its lock is free. An instance that somebody was just starting is
    waited for and ended too. `forgiven`: a person asked for it, so no incident goes on. `ended`: how its leader did,
    where it has already and that counts. `only`: the instance whose failure is the reason; where another one runs by
    now, somebody else has healed it, and it is left alone (Outcome.ok None).
    """
    began = time.perf_counter()
    service = house.service(name)
    killed, instance = 0, ""
    deadline = time.monotonic() + service.stop_timeout_s + KILL_WAIT_S + STRAYS_WAIT_S
    while True:
        facts = look_at_one(house, name)
        leader = facts.leader or (facts.found[0] if facts.found else None)
        if leader is None and not facts.leftovers and not facts.locked:
            break
        if time.monotonic() > deadline:
            pids = ", ".join(map(str, plan.pids_of(facts))) or "?"
            return Outcome(Step(kind, label(name), reason), False, f"still running: pid {pids}")
        instance = facts.found[1] if facts.found else facts.record.instance if facts.record else ""
        if leader is not None and only not in (None, instance):
            return Outcome(Step(kind, label(name), reason), None, "another instance runs by now")
        if leader is not None:
            ended = _end_leader(house, name, leader, service.stop_timeout_s) or ended
            killed += bool(ended and ended.signal == 9)
        elif not facts.leftovers:
            time.sleep(0.01)  # somebody is between taking the lock and recording a start
            continue
        root = leader or (facts.record.leader if facts.record else None)
        if root is not None:
            killed += _end_family(root, instance)
    fault("supervise.after-stop")
    note_death(house, name, ended, reason, instance=instance, forgiven=forgiven)
    detail = f"ended, {killed} of its processes by force" if killed else "ended"
    return Outcome(Step(kind, label(name), reason), True, detail, round((time.perf_counter() - began) * 1000))


def _end_leader(house: House, name: str, leader: host.Identity, patience_s: float) -> host.Exit | None:
    """Ask the leader to end and wait for it; how it ended, None when it did not."""
    service = house.service(name)
    waiter = host.Waiter()
    try:
        if not waiter.watch("leader", leader):
            return host.exit_of(leader)
        deadline = time.monotonic() + patience_s
        if service.stop_http and _asked_to_stop(service.stop_http):
            gone = waiter.wait(max(0.0, patience_s / 2))
            if gone:
                return gone["leader"]
        asked = host.ask_to_end(leader)
        fault("supervise.after-polite-stop")
        while asked and (left := deadline - time.monotonic()) > 0:
            gone = waiter.wait(left)
            if gone:
                return gone["leader"]
        host.end(leader)
        return waiter.wait(KILL_WAIT_S).get("leader")
    finally:
        waiter.close()


def _asked_to_stop(url: str) -> bool:
    from autosys_tasks import probes
    from autosys_tasks.core.probe import Probe

    question = Probe("http", target=url, method="POST", timeout_s=2.0)
    return probes.ask(question, probes.Subject()).verdict in ("OK", "WARN")


def _end_family(root: host.Identity, instance: str) -> int:
    """End the processes that a leader left: politely, then by force, until none is left; how many needed force."""
    asked: dict[host.Identity, bool] = {}  # False: it cannot be asked
    polite_until = time.monotonic() + STRAYS_WAIT_S
    deadline = polite_until + KILL_WAIT_S
    forced: set[host.Identity] = set()
    while (living := host.family(root, instance)) and time.monotonic() < deadline:
        for who in living:
            if who not in asked:
                asked[who] = host.ask_to_end(who)
            if (not asked[who] or time.monotonic() > polite_until) and host.end(who):
                forced.add(who)
        _wait_for_any(living, 0.2)
    return len(forced)


def _wait_for_any(living: Iterable[host.Identity], timeout_s: float) -> None:
    waiter = host.Waiter()
    try:
        if all([waiter.watch(str(who.pid), who) for who in living]):
            waiter.wait(timeout_s)
    finally:
        waiter.close()


def note_death(house: House, name: str, ended: host.Exit | None, why: str, *, instance: str, forgiven: bool) -> None:
    """Record a death that we caused, that of `instance`.

    `forgiven`: a person asked for it, so no incident goes on.
    """
    path = house.place.lock(name)
    lock = host.take_lock(path, wait_s=NOTE_WAIT_S) if os.path.exists(path) else None
    if lock is None:
        return
    try:
        record, _corrupt = read_record(house.place, name, locked=True)
        if record is None or (record.dead and record.instance != instance):
            return
        seen = read_ready(house.place, name, record.instance)
        tail = last_words(house, name)
        record = plan.record_with_death(
            house.service(name), record, ended, now(), house.config.watchdog, ready_seen=seen, tail=tail, why=why
        )
        if record.last_exit and not record.last_exit.why:  # the guard saw it die first, and not why
            record = record._replace(last_exit=record.last_exit._replace(why=why))
        write_record(house.place, name, record._replace(starts=0) if forgiven else record)
    finally:
        lock.release()


def sweep(house: House, old: host.Identity, instance: str) -> int:
    """After a restart: end what the previous instance left outside its group; how many there were."""
    strays = [mark.who for mark in host.marked(house.place.folder) if mark.instance == instance]
    if strays:
        _end_family(old, instance)
    return len(strays)

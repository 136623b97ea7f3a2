"""Does one step to one service: start, note a death, adopt, stop. Every start is decided again under the lock."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable

from autosys_tasks import host
from autosys_tasks.core.faults import fault
from autosys_tasks.core.files import patiently
from autosys_tasks.core.plan import Outcome, Step
from autosys_tasks.supervise import environ, logs, plan
from autosys_tasks.supervise.house import House
from autosys_tasks.supervise.look import glance, last_words
from autosys_tasks.supervise.state import (
    now,
    prepare,
    read_ready,
    read_record,
    read_wanted,
    set_aside,
    spec_hash,
    write_record,
    write_wanted,
)
from autosys_tasks.supervise.values import Decision, Facts, LastExit, Now, Record, Wanted, label

KILL_WAIT_S = 5.0
BURY_WAIT_S = 0.5  # a guard that hears of the death holds the lock for a moment
STRAYS_WAIT_S = 2.0
ADOPTERS_S = 1.0  # who completes a record holds its lock for milliseconds


def start(
    house: House,
    name: str,
    reason: str,
    *,
    asked: bool = False,
    ended: host.Exit | None = None,
    only_note: bool = False,
) -> Outcome:
    """Start a service, or note why not. Outcome.ok None: somebody else has it in hand, or it is not due.

    The lock is taken, everything is read and decided again under it, the intent is written, the child is
    given the lock; from then on the service alone holds it. Killed at any line, nothing starts twice.
    """
    began = time.perf_counter()
    step = Step("start", label(name), reason)
    prepare(house.place, [name])
    fault("supervise.before-lock")
    lock = host.take_lock(house.place.lock(name))
    if lock is None:
        return Outcome(step, None, "it runs, or somebody is starting it")
    try:
        fault("supervise.after-lock")
        ok, detail = _start_locked(house, name, lock, asked=asked, ended=ended, only_note=only_note)
    finally:
        lock.release()
    return Outcome(step, ok, detail, round((time.perf_counter() - began) * 1000))


def _start_locked(
    house: House, name: str, lock: host.Lock, *, asked: bool, ended: host.Exit | None, only_note: bool
) -> tuple[bool | None, str]:
    service, place, moment = house.service(name), house.place, now()
    record, corrupt = read_record(place, name, locked=True)
    if corrupt:
        set_aside(place, name)
    wanted = read_wanted(place, name)
    spec = spec_hash(service)
    decision, record = _decide_again(house, name, record, wanted, moment, asked=asked, ended=ended)
    if only_note or decision.step != "start" or (decision.due_boot or 0.0) > moment.boot:
        if record is not None:
            write_record(place, name, record)
        return None, decision.reason
    argv = house.argv(name)
    if argv is None:
        return False, plan.no_program(service)
    again = record is not None and not asked and not plan.fresh(record, spec, moment)
    intent = Record(
        instance=new_instance(),
        boot=moment.boot_id,
        spec=spec,
        started_at=time.time(),
        started_boot=moment.boot,
        log_offset=logs.rotate_stopped(house.log(name), service.log_max, service.log_keep),
        starts=(record.starts if again and record else 0) + 1,
        restarts=record.restarts + 1 if again and record else 0,
        last_exit=record.last_exit if record else None,
    )
    with contextlib.suppress(FileNotFoundError):
        patiently(lambda: os.unlink(place.of(name, "heartbeat")))
    write_record(place, name, intent)
    fault("supervise.after-intent")
    return _spawn(house, name, argv, intent, lock)


def _decide_again(
    house: House, name: str, record: Record | None, wanted: Wanted, moment: Now, *, asked: bool, ended: host.Exit | None
) -> tuple[Decision, Record | None]:
    """The same brain, with what is true under the lock: who holds it knows that no instance does."""
    service = house.service(name)
    leader = record.leader if record and not record.dead else None
    if record and leader and host.alive(leader) is not False:
        return Decision("ready", "it runs", ""), None  # it let go of its lock, yet it lives
    if leader and host.group_lives(leader.pid) and host.family(leader, record.instance if record else ""):
        return Decision("leftover", "what its leader left behind is still running"), None
    holder = wanted.hold
    held = holder.pid if holder and holder.pid != os.getpid() and host.alive(holder) else None
    facts = Facts(
        wanted=wanted,
        record=record,
        spec=spec_hash(service),
        held_by=held,
        exit=ended,
        ready_seen=record is not None and read_ready(house.place, name, record.instance),
        log_tail=last_words(house, name) if record and not record.dead else "",
    )
    if not wanted.up:
        decision = Decision("stopped", "no longer wanted")
    else:
        decision = plan.decide(service, facts, moment, house.config.watchdog, asked=asked)
    if record is not None:
        record = plan.noted(
            service, record, ended, moment, house.config.watchdog, ready_seen=facts.ready_seen, tail=facts.log_tail
        )
    return decision, record


def _spawn(house: House, name: str, argv: tuple[str, ...], intent: Record, lock: host.Lock) -> tuple[bool, str]:
    service = house.service(name)
    env = {**house.env(name), **environ.marks(house.place, house.config, name, intent.instance)}
    order = host.Launch(argv, env, service.cwd, house.log(name), service.priority, service.memory_max)
    starting = host.take_lock(house.place.starting(name), wait_s=ADOPTERS_S)
    try:
        pid = host.spawn(order, lock)
    except OSError as error:
        which = f": {error.filename}" if error.filename not in (None, argv[0]) else ""  # its log, or its folder
        why = f"cannot run `{service.program}`: {error.strerror}{which}"
        died = LastExit(None, None, time.time(), 0.0, "", why)
        write_record(
            house.place, name, intent._replace(dead=True, died_boot=intent.started_boot, last_exit=died)
        )
        return False, why
    else:
        fault("supervise.after-spawn")
        who = host.identity(pid) or host.Identity(pid, "", intent.boot)  # "": it has died already
        write_record(house.place, name, intent._replace(pid=pid, token=who.token))
        fault("supervise.after-record")
        return True, f"pid {pid}"
    finally:
        if starting is not None:
            starting.release()


def new_instance() -> str:
    """A fresh UUID (version 4) as text; the module `uuid` alone would take 30 ms to import."""
    raw = bytearray(os.urandom(16))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def adopt(house: House, name: str, found: tuple[host.Identity, str], reason: str) -> Outcome:
    """Complete the record of a service that runs without one: its environment says whose it is.

    Outcome.ok None: its starter is at it, or was faster.
    """
    step = Step("adopt", label(name), reason)
    prepare(house.place, [name])
    lock = host.take_lock(house.place.starting(name))
    if lock is None:
        return Outcome(step, None, "somebody is starting it")
    try:
        return Outcome(step, *_adopted(house, name, *found))
    finally:
        lock.release()


def _adopted(house: House, name: str, who: host.Identity, instance: str) -> tuple[bool | None, str]:
    moment = now()
    record, corrupt = read_record(house.place, name, locked=True)
    if corrupt:
        set_aside(house.place, name)
        record = None
    if record and (record.pid is not None or record.instance != instance):
        return None, "it has a record meanwhile"
    started = host.started_wall(who)
    write_record(
        house.place,
        name,
        (record or Record(instance, spec=spec_hash(house.service(name)), starts=1))._replace(
            pid=who.pid,
            token=who.token,
            boot=who.boot,
            started_at=started,
            started_boot=moment.boot - max(0.0, time.time() - started),
        ),
    )
    return True, f"pid {who.pid}"


def note(house: House, name: str, reason: str, ended: host.Exit | None = None) -> Outcome:
    """Write a death down without starting anything yet."""
    outcome = start(house, name, reason, ended=ended, only_note=True)
    return outcome._replace(step=outcome.step._replace(kind="note"))


def stop(house: House, name: str, reason: str, *, kind: str = "stop", forgiven: bool = True) -> Outcome:
    """End a service and all that it brought: asked first, then the OS's polite signal, then the whole tree.

    True only when nothing of it lives and its lock is free. An instance that somebody was just starting is
    waited for and ended too. `forgiven`: a person asked for it, so no incident goes on.
    """
    began = time.perf_counter()
    service = house.service(name)
    killed, ended, instance = 0, None, ""
    deadline = time.monotonic() + service.stop_timeout_s + KILL_WAIT_S + STRAYS_WAIT_S
    while True:
        facts = glance(house, name)
        leader = facts.leader or (facts.found[0] if facts.found else None)
        if leader is None and not facts.leftovers and not facts.locked:
            break
        if time.monotonic() > deadline:
            pids = ", ".join(map(str, plan.pids_of(facts))) or "?"
            return Outcome(Step(kind, label(name), reason), False, f"still running: pid {pids}")
        instance = facts.found[1] if facts.found else facts.record.instance if facts.record else ""
        if leader is not None:
            ended = _end_leader(house, name, leader, service.stop_timeout_s) or ended
            killed += bool(ended and ended.signal == 9)
        elif not facts.leftovers:
            time.sleep(0.01)  # somebody is between taking the lock and recording a start
            continue
        root = leader or (facts.record.leader if facts.record else None)
        if root is not None:
            killed += end_family(root, instance)
    fault("supervise.after-stop")
    bury(house, name, ended, reason, instance=instance, forgiven=forgiven)
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


def end_family(root: host.Identity, instance: str) -> int:
    """End what a leader left behind: asked, then by force; how many needed force. Looks again until none is left."""
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


def bury(house: House, name: str, ended: host.Exit | None, why: str, *, instance: str, forgiven: bool) -> None:
    """Note a death that we brought about, that of `instance`.

    `forgiven`: a person asked for it, so no incident goes on.
    """
    path = house.place.lock(name)
    lock = host.take_lock(path, wait_s=BURY_WAIT_S) if os.path.exists(path) else None
    if lock is None:
        return
    try:
        record, _corrupt = read_record(house.place, name, locked=True)
        if record is None or (record.dead and record.instance != instance):
            return
        seen = read_ready(house.place, name, record.instance)
        tail = last_words(house, name)
        record = plan.noted(
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
        end_family(old, instance)
    return len(strays)


def want(house: House, names: Iterable[str], *, up: bool, hold: bool = False) -> None:
    """Write down what a person wants, before anything is done about it."""
    names = list(names)
    prepare(house.place, names)
    me = host.identity(os.getpid()) if hold else None
    for name in names:
        before = read_wanted(house.place, name)
        if (before.up, before.hold) != (up, me) or not os.path.exists(house.place.of(name, "wanted.json")):
            write_wanted(house.place, name, Wanted(up, time.time(), me))
    fault("supervise.after-wanted")
    host.ring(house.place.bell)

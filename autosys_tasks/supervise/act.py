"""Starts one service, records its death, adopts it. Every start is decided again under the lock."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterable

from autosys_tasks import host
from autosys_tasks.core.errors import StateError
from autosys_tasks.core.faults import fault
from autosys_tasks.core.files import decode, retry_while_held
from autosys_tasks.core.plan import Outcome, Step
from autosys_tasks.core.printable import printable
from autosys_tasks.supervise import environ, logs, plan
from autosys_tasks.supervise.house import House
from autosys_tasks.supervise.look import last_words
from autosys_tasks.supervise.program_text import no_program
from autosys_tasks.supervise.state import (
    keep_corrupt,
    now,
    prepare,
    read_ready,
    read_record,
    read_wanted,
    spec_hash,
    write_record,
    write_wanted,
)
from autosys_tasks.supervise.values import Decision, Facts, LastExit, Now, Record, Wanted, label

ADOPTERS_S = 1.0  # another process that completes the record holds the lock for milliseconds


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
    prepare(house.place, name)
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
        keep_corrupt(place, name)
    wanted = read_wanted(place, name)
    spec = spec_hash(service)
    decision, record = _decide_again(house, name, record, wanted, moment, asked=asked, ended=ended)
    if only_note or decision.step != "start" or (decision.due_boot or 0.0) > moment.boot:
        if record is not None:
            write_record(place, name, record)
        return None, decision.reason
    argv = house.argv(name)
    if argv is None:
        return False, no_program(service)
    again = record is not None and not asked and not plan.is_new_incident(record, spec, moment)
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
        retry_while_held(lambda: os.unlink(place.of(name, "heartbeat")))
    write_record(place, name, intent)
    fault("supervise.after-intent")
    return _spawn(house, name, argv, intent, lock)


def _decide_again(
    house: House, name: str, record: Record | None, wanted: Wanted, moment: Now, *, asked: bool, ended: host.Exit | None
) -> tuple[Decision, Record | None]:
    """`plan.decide` again with the facts under the lock: whoever holds it knows that no instance does."""
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
        record = plan.record_with_death(
            service, record, ended, moment, house.config.watchdog, ready_seen=facts.ready_seen, tail=facts.log_tail
        )
    return decision, record


def _why_not(error: OSError, program: str, folder: str) -> str:
    if error.filename not in (None, program):
        return f"{error.strerror}: {error.filename}"  # its log, or its folder
    first = _first_line(os.path.join(folder, program)) if isinstance(error, FileNotFoundError) else b""
    if first.startswith(b"#!"):
        ends = " (that line ends with CR LF: save it with LF)" if first.endswith(b"\r\n") else ""
        return f"there is no `{printable(decode(first[2:]).strip())}`, which its first line names{ends}"
    if error.errno == errno.ENOEXEC:
        return f"{error.strerror} (a script needs a first line such as `#!/bin/sh`)"
    return str(error.strerror)


def _first_line(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.readline(200)
    except OSError:
        return b""


def _spawn(house: House, name: str, argv: tuple[str, ...], intent: Record, lock: host.Lock) -> tuple[bool, str]:
    service = house.service(name)
    env = {**house.env(name), **environ.marks(house.place, house.config, name, intent.instance)}
    order = host.Launch(argv, env, service.cwd, house.log(name), service.priority, service.memory_max)
    starting = host.take_lock(house.place.starting(name), wait_s=ADOPTERS_S)
    try:
        pid = host.spawn(order, lock)
    except OSError as error:
        why = f"cannot run `{service.program}`: {_why_not(error, argv[0], service.cwd)}"
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
    """Complete the record of a service that runs without one: its environment names the workspace and the service.

    Outcome.ok None: its starter is at it, or was faster.
    """
    step = Step("adopt", label(name), reason)
    prepare(house.place, name)
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
        keep_corrupt(house.place, name)
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
    """Record a death without starting anything."""
    outcome = start(house, name, reason, ended=ended, only_note=True)
    return outcome._replace(step=outcome.step._replace(kind="note"))


def want(house: House, names: Iterable[str], *, up: bool, hold: bool = False) -> None:
    """Write down what a person wants, before anything is done about it.

    Raises StateError, when all the others are written, for the first that could not be.
    """
    trouble: StateError | None = None
    me = host.identity(os.getpid()) if hold else None
    for name in names:
        before = read_wanted(house.place, name)
        if (before.up, before.hold) != (up, me) or not os.path.exists(house.place.of(name, "wanted.json")):
            try:
                prepare(house.place, name)
                write_wanted(house.place, name, Wanted(up, time.time(), me))
            except StateError as error:
                trouble = trouble or error
    fault("supervise.after-wanted")
    host.ring(house.place.bell)
    if trouble:
        raise trouble

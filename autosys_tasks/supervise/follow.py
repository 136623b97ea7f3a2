"""`inv watchdog --follow`: this very process becomes the guard, holding the guard's lock like any other service."""

from __future__ import annotations

import os
import sys
import time

from autosys_tasks import host
from autosys_tasks.core.errors import StateError
from autosys_tasks.supervise import act, environ
from autosys_tasks.supervise.house import House
from autosys_tasks.supervise.state import now, prepare, read_record, spec_hash, write_record
from autosys_tasks.supervise.values import GUARD, Record


def follow(house: House) -> int:
    """Become the guard; returns 0 at once when one is watching already."""
    act.want(house, [GUARD], up=True)
    prepare(house.place, GUARD)
    lock = host.take_lock(house.place.lock(GUARD))
    if lock is None:
        record, _corrupt = read_record(house.place, GUARD)
        print(f"the guard is watching already (pid {record.pid if record else '?'})", file=sys.stderr)  # noqa: T201
        return 0
    me = host.identity(os.getpid())
    if me is None:
        raise StateError("cannot tell who this process is", where="/proc")
    moment, instance = now(), act.new_instance()
    write_record(
        house.place,
        GUARD,
        Record(
            instance, me.pid, me.token, me.boot, spec_hash(house.guard), time.time(), moment.boot, starts=1
        ),
    )
    fault = {name: os.environ[name] for name in ("AUTOSYS_FAULT",) if name in os.environ}  # it is the same process
    env = {**house.env(GUARD), **environ.marks(house.place, house.config, GUARD, instance), **fault}
    return host.become(house.guard.argv, env, lock)

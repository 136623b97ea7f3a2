"""systemd scopes: what we start gets scopes of its own, outside the unit that started us (a scheduled run, a terminal).

Whoever is about to start something first leaves the unit that it is in, so that its children are born outside
of it; then each child is put into a scope of its own, so that what befalls one (memory, `systemctl stop`)
befalls no other. Where there is no user manager to ask, both do nothing.
"""

from __future__ import annotations

import functools
import os
import re

from autosys_tasks import host
from autosys_tasks.supervise.house import House
from autosys_tasks.supervise.state import site_id
from autosys_tasks.supervise.values import label

RUN_STOP_S = 10.0  # as long as a service has by default, at log-off


def leave_unit(house: House) -> str:
    """Move this process out of a unit that is not ours; returns why that failed, "" when it is in none."""
    unit = host.units.unit_of(os.getpid())
    return _leave_unit(unit, _ours(house), house.config.name) if unit and not _is_ours(unit, house) else ""


@functools.cache  # a manager that does not answer is asked once
def _leave_unit(unit: str, ours: str, workspace: str) -> str:
    scope, about = f"{ours}run-{os.urandom(4).hex()}.scope", f"autosys: a run for {workspace}"
    why = host.units.move_to_scope([os.getpid()], scope, about, RUN_STOP_S)
    return f"inside {unit}: {why}" if why else ""


def is_in_own_scope(house: House, pid: int) -> bool:
    """Whether a process that we started is in the scope of its starter."""
    return _is_ours(host.units.unit_of(pid), house)


def move_to_scope(house: House, name: str, leader: host.Identity, instance: str) -> None:
    """Move a service, with all its processes so far, into a scope of its own.

    Who cannot be moved stays where it was born, beside its starter: no unit of others holds it there either.
    """
    scope = f"{_ours(house)}{re.sub('[^A-Za-z0-9_.-]', '_', label(name))}-{instance[:8]}.scope"
    about = f"autosys: {label(name)} of {house.config.name}"
    brought = [who.pid for who in host.family(leader, instance) if who != leader]
    patience_s = house.service(name).stop_timeout_s
    for pids in ([leader.pid, *brought], [leader.pid]):  # one of them may just have ended
        if not host.alive(leader) or not host.units.move_to_scope(pids, scope, about, patience_s):
            return


def _ours(house: House) -> str:
    return f"autosys-{site_id(house.config)}-"


def _is_ours(unit: str, house: House) -> bool:
    return unit.startswith("autosys-") and unit.endswith(".scope") and unit.startswith(_ours(house))

"""Tells a tick whether an upgrade is due, by one stat for each file; starts it as a process of its own.

A tick cares for environments that an upgrade has made before; the first upgrade is started by a person or `master`.
Modules that a look needs are imported when a file has changed: a tick with nothing to do must stay quick.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import TYPE_CHECKING

from autosys_tasks.core.errors import Busy
from autosys_tasks.core.plan import Step
from autosys_tasks.supervise import commands, run_lock
from autosys_tasks.supervise.house import House
from autosys_tasks.supervise.state import now

if TYPE_CHECKING:
    from autosys_tasks.upgrade.values import EnvironmentSeen, Failed

RETRY_S = 300.0  # after a failure: so long, then twice as long each time
RETRY_MOST_S = 3600.0
LOG = "upgrade.log"


def why_due(house: House, *, dry: bool = False) -> str:
    """Why an upgrade is due, "" when it is not. `dry`: not one byte may change."""
    if not _may_be_due(house):
        return ""
    from autosys_tasks.upgrade import run

    seen = run.planned(house)
    installs = {step.target for step in seen.plan.steps if step.kind == "install"}
    waiting = [each for each in seen.facts.environments if each.name in installs and not _is_due(each)]
    tried = {name for name, commit in seen.facts.owed.items() if commit == seen.facts.pulled.new}
    steps = [step for step in seen.plan.steps if not (step.target in tried or _waits(step, waiting, house))]
    if not (steps or dry):
        seen.memory.save()  # else whoever upgrades does, at its end: killed before, it is due again
    return "; ".join(f"{step.target}: {step.reason}" for step in steps)


def _may_be_due(house: House) -> bool:
    """Whether any file has changed, or a failed upgrade may be retried; False before the first look."""
    if not house.config.upgrade.on_pull or not os.path.isdir(f"{house.place.folder}/upgrade"):
        return False
    from autosys_tasks.upgrade import stamps

    names = stamps.known_names(house.place)
    if not names and stamps.read_kept(house.place) is None:
        return False
    records = [stamps.read_record(house.place, name) for name in names]
    again = any(each.pending or (each.failed and _may_retry(each.failed)) for each in records)
    return again or stamps.has_changed(house.place, house.config.path)


def _waits(step: Step, waiting: Collection[EnvironmentSeen], house: House) -> bool:
    """Whether a step has to wait for an environment whose install failed and is not to be tried again yet."""
    from autosys_tasks.upgrade import plan

    if step.kind == "restart":
        return any(plan.is_bound(house.config.services[step.target], each.environment) for each in waiting)
    return step.target in {each.name for each in waiting} or (bool(waiting) and step.kind in plan.OF_SCRIPTS)


def _is_due(seen: EnvironmentSeen) -> bool:
    record = seen.record
    if record.failed is not None and record.failed.wanted == seen.wanted:
        return _may_retry(record.failed)
    return record.done is not None or bool(record.refused)


def _may_retry(failed: Failed) -> bool:
    wait_s: float = min(RETRY_MOST_S, RETRY_S * 2 ** (min(failed.tries, 10) - 1))
    return not 0 <= now().wall - failed.at < wait_s


def stale(house: House) -> dict[str, str]:
    """Why each environment is stale whose last upgrade failed; nothing is looked at when none failed."""
    from autosys_tasks.upgrade import stamps

    names = stamps.known_names(house.place) if house.config.upgrade.on_pull else ()
    if not any(stamps.read_record(house.place, name).failed for name in names):
        return {}
    from autosys_tasks.upgrade import look
    from autosys_tasks.upgrade.file_cache import FileCache

    facts = look.look(house, FileCache(house.place, house.config.path))
    failed = {seen.name: (seen.record.failed, seen.wanted) for seen in facts.environments}
    return {name: last.why for name, (last, wanted) in failed.items() if last and last.wanted == wanted}


def start(house: House) -> str:
    """Start an upgrade when one is due; returns a line that says so. It runs in the background."""
    if not _may_be_due(house):
        return ""
    try:
        with run_lock.held(house.place, "watchdog", wait_s=0.0, lock=run_lock.UPGRADES):
            why = why_due(house)
    except Busy as busy:
        return f"upgrade: {busy.message}"
    if not why:
        return ""
    pid = commands.start_detached(house, LOG, "upgrade")
    return f"upgrade: begun as pid {pid} ({why}); what it says: outputs/logs/{LOG}"

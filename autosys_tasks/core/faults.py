"""Fault points: where a test can kill this process, or make it raise; nothing happens without AUTOSYS_FAULT.

`AUTOSYS_FAULT=POINT:kill|raise|enospc[:N]` acts at the N-th pass (default 1), in the process it was given
to alone: children do not inherit it (see supervise.environ).
"""

from __future__ import annotations

import errno
import itertools
import os
import signal
from collections.abc import Callable, Iterator

from autosys_tasks.core.errors import UsageError, unknown_name

POINTS = {
    "copies.during-put": "backup",
    "copies.after-put": "backup",
    "copies.before-finish": "backup",
    "copies.after-archive": "backup",
    "copies.before-remove": "backup",
    "copies.during-remove": "backup",
    "files.before-write": "core",
    "files.before-replace": "core",
    "journal.before-append": "core",
    "supervise.before-lock": "supervise",
    "supervise.after-lock": "supervise",
    "supervise.after-intent": "supervise",
    "supervise.after-spawn": "supervise",
    "supervise.after-record": "supervise",
    "supervise.after-wanted": "supervise",
    "supervise.after-polite-stop": "supervise",
    "supervise.after-stop": "supervise",
    "supervise.during-wait": "supervise",
    "guard.after-death": "supervise",
    "guard.before-pass": "supervise",
    "logs.after-copy": "supervise",
    "restore.during-write": "backup",
    "restore.before-rename": "backup",
    "restore.after-rename": "backup",
    "restore.before-folders": "backup",
    "backup.before-write": "backup",
    "backup.during-write": "backup",
    "backup.after-write": "backup",
    "backup.after-verify": "backup",
    "backup.before-rename": "backup",
    "backup.after-archive-rename": "backup",
    "backup.after-rename": "backup",
    "backup.before-remove": "backup",
    "upgrade.after-save": "upgrade",
    "upgrade.before-install": "upgrade",
    "upgrade.after-install": "upgrade",
    "upgrade.after-switch": "upgrade",
}

ACTIONS = ("kill", "raise", "enospc")

_passes: dict[str, Iterator[int]] = {}


def check_variable() -> None:
    """Raises UsageError when AUTOSYS_FAULT is malformed: else a test would pass without any fault."""
    order = os.environ.get("AUTOSYS_FAULT")
    if not order:
        return
    point, how, count = _parts(order)
    if point not in POINTS:
        raise unknown_name("fault point", point, POINTS)
    if how not in ACTIONS or not (count.isdecimal() and int(count)):
        hint = f"AUTOSYS_FAULT={point}:{'|'.join(ACTIONS)}[:N]"
        raise UsageError("AUTOSYS_FAULT says not what to do, or when", where="AUTOSYS_FAULT", hint=hint)


def fault(point: str) -> None:
    """Does nothing, unless AUTOSYS_FAULT names this point; then kill -9, RuntimeError or ENOSPC."""
    order = os.environ.get("AUTOSYS_FAULT")
    if not order:
        return
    name, how, count = _parts(order)
    if name != point:
        return
    if next(_passes.setdefault(point, itertools.count(1))) != int(count):  # one step: two threads never have one number
        return
    if how == "kill":
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    elif how == "enospc":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    else:
        raise RuntimeError(f"fault injected at {point}")


def fault_or_nothing() -> Callable[[str], None]:
    """`fault`, or a function that does nothing when no fault is set: for loops of a hundred thousand passes."""
    return fault if is_active() else lambda point: None


def is_active() -> bool:
    """Whether AUTOSYS_FAULT is set."""
    return bool(os.environ.get("AUTOSYS_FAULT"))


def _parts(order: str) -> tuple[str, str, str]:
    point, _, rest = order.partition(":")
    how, _, count = rest.partition(":")
    return point, how, count or "1"

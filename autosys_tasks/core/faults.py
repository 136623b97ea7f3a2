"""Named points at which a test can end, break or starve this very process; nothing happens without AUTOSYS_FAULT.

`AUTOSYS_FAULT=POINT:kill|raise|enospc[:N]` acts at the N-th pass (default 1), in the process it was given
to alone: children do not inherit it (see supervise.environ).
"""

from __future__ import annotations

import errno
import os
import signal

POINTS = {
    "copies.during-put": "backup",
    "copies.after-put": "backup",
    "copies.before-finish": "backup",
    "copies.after-archive": "backup",
    "copies.before-remove": "backup",
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
    "upgrade.after-save": "upgrade",
    "upgrade.before-install": "upgrade",
    "upgrade.after-install": "upgrade",
    "upgrade.after-switch": "upgrade",
    "backup.during-write": "backup",
}

_passes: dict[str, int] = {}


def fault(point: str) -> None:
    """Does nothing, unless AUTOSYS_FAULT names this point; then kill -9, RuntimeError or ENOSPC."""
    order = os.environ.get("AUTOSYS_FAULT")
    if not order:
        return
    name, _, rest = order.partition(":")
    if name != point:
        return
    how, _, count = rest.partition(":")
    _passes[point] = _passes.get(point, 0) + 1
    if _passes[point] != int(count or 1):
        return
    if how == "kill":
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    elif how == "enospc":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    else:
        raise RuntimeError(f"fault injected at {point}")

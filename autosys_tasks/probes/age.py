"""Probes the age of files: kind `file`, and kind `heartbeat`, a file that a service touches while it lives."""

from __future__ import annotations

import os
import time

from autosys_tasks.core.probe import Probe
from autosys_tasks.core.verdict import NG, OK, UNKNOWN
from autosys_tasks.probes.values import Answer, Subject, lapse, quote

GRAIN_S = 0.05  # a file's time comes from the kernel's coarse clock, up to one tick behind time.time()


def age(mtime: float, now: float, skew_s: float) -> float:
    """Seconds since `mtime`, by the clock now or before it was set: the smaller one that is possible.

    The clock was set forward by `skew_s` at an unknown moment; a time ahead of both clocks is age 0.

    >>> age(100.0, 103.0, 0.0), age(100.0, 86503.0, 86400.0), age(86500.0, 160.0, -86400.0)
    (3.0, 3.0, 60.0)
    """
    return min((seconds for seconds in (now - mtime, now - skew_s - mtime) if seconds >= 0), default=0.0)


def ask_file(probe: Probe, subject: Subject) -> Answer:
    """Whether a file or folder exists and is young enough. One that we may not look at is UNKNOWN."""
    path = os.path.join(subject.cwd, probe.target)
    try:
        mtime = os.stat(path).st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return Answer(NG, f"no file `{quote(probe.target, subject)}`", "file absent", absent=True)
    old = age(mtime, time.time(), subject.skew_s)
    evidence = f"file {lapse(old)} old"
    if probe.max_age_s is not None and old > probe.max_age_s:
        return Answer(NG, evidence, f"{evidence}, allowed {lapse(probe.max_age_s)}")
    return Answer(OK, evidence)


def ask_heartbeat(probe: Probe, subject: Subject) -> Answer:
    """Whether the service touched its file lately. UNKNOWN until the first beat is overdue, then NG."""
    if not subject.heartbeat:
        return Answer(UNKNOWN, "not asked", "a heartbeat belongs to a service, and this is none")
    now = time.time()
    beat = _beat(subject)
    if beat is None:
        return _never(probe, subject, now)
    old = age(beat, now, subject.skew_s)
    evidence = f"last beat {lapse(old)} ago"
    if probe.max_age_s is not None and old > probe.max_age_s:
        return Answer(NG, evidence, f"no heartbeat for {lapse(old)}, allowed {lapse(probe.max_age_s)}")
    return Answer(OK, evidence)


def _beat(subject: Subject) -> float | None:
    """When this instance last beat; a file that an earlier one left behind is no beat of this one."""
    try:
        mtime = os.stat(subject.heartbeat).st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return None
    if subject.started_at is None:
        return mtime
    return mtime if mtime >= subject.started_at + min(0.0, subject.skew_s) - GRAIN_S else None


def _never(probe: Probe, subject: Subject, now: float) -> Answer:
    if subject.started_at is None:
        return Answer(NG, "no heartbeat", "it never beat")
    up = max(0.0, now - subject.skew_s - subject.started_at)  # exact: the start lies before any setting
    if probe.max_age_s is not None and up > probe.max_age_s:
        why = f"it never beat in the {lapse(up)} since its start, allowed {lapse(probe.max_age_s)}"
        return Answer(NG, "no heartbeat", why)
    return Answer(UNKNOWN, "no heartbeat yet", f"no heartbeat yet, {lapse(up)} after its start")

"""Times, sizes and counts: as numbers, and as text for a person.

`AUTOSYS_NOW` is what plans take for now; facts keep the real clock.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from datetime import UTC, datetime

from autosys_tasks.core.errors import UsageError


def wall() -> float:
    """Seconds since 1970, or what AUTOSYS_NOW says; raises UsageError when that is no time."""
    said = os.environ.get("AUTOSYS_NOW")
    if not said:
        return time.time()
    try:
        return parse_utc(said)
    except (ValueError, OverflowError):
        hint = "write it as 2026-11-25T04:00:00Z, or unset it"
        raise UsageError(f"AUTOSYS_NOW is no ISO 8601 time: `{said}`", where="AUTOSYS_NOW", hint=hint) from None


def shift() -> float:
    """How far AUTOSYS_NOW lies ahead of the real clock, in seconds; 0 without it."""
    return wall() - time.time() if os.environ.get("AUTOSYS_NOW") else 0.0


def utc_text(at: float | None = None) -> str:
    """`at` (seconds since 1970, default the plans' now) as `2026-11-25T04:22:29.123Z`."""
    at = wall() if at is None else at
    seconds = int(at // 1)
    there = time.gmtime(seconds)  # Linux writes the year 1 as `1`
    return f"{there.tm_year:04d}{time.strftime('-%m-%dT%H:%M:%S', there)}.{int((at - seconds) * 1000):03d}Z"


def parse_utc(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 text; one without a zone is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def span(seconds: float) -> str:
    """A duration for a person: `4 s`, `3 min`, `2 h 5 min`, `3 d`."""
    seconds = max(0.0, seconds)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} d"


def counted(number: int, one: str, many: str = "") -> str:
    """A number of things for a person: `1 file`, `3 files`."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def few(things: Collection[str], most: int = 3) -> str:
    """The first of many things for a person: `a, b, c and 2 more`."""
    first = ", ".join(list(things)[:most])
    return first if len(things) <= most else f"{first} and {len(things) - most} more"


def size(count: float) -> str:
    """Bytes for a person: `512 B`, `12.3 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"

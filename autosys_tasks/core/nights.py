"""A time of the day by the person's clock, as a moment. Pure: this moment and the zone are arguments."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo


def moment(day: date, at: str, zone: tzinfo | None = None) -> float:
    """Seconds since 1970 of `at` (HH:MM:SS) on that day; `zone` None is this machine's."""
    return datetime.combine(day, time.fromisoformat(at), zone).timestamp()


def around(at: str, now: float, zone: tzinfo | None = None) -> tuple[float, float]:
    """The latest such time that has come, and the next one."""
    today = datetime.fromtimestamp(now, zone).date()
    slots = [moment(today + timedelta(days=days), at, zone) for days in (-1, 0, 1, 2)]
    return max(slot for slot in slots if slot <= now), min(slot for slot in slots if slot > now)

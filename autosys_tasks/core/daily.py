"""Daily times in local time as seconds since 1970. Pure: now and the zone are arguments."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo


def local_time(day: date, at: str, zone: tzinfo | None = None) -> float:
    """Seconds since 1970 of `at` (HH:MM:SS) on that day; `zone` None is this machine's."""
    return datetime.combine(day, time.fromisoformat(at), zone).timestamp()


def previous_and_next(at: str, now: float, zone: tzinfo | None = None) -> tuple[float, float]:
    """The last occurrence of the daily time `at` (HH:MM:SS) up to `now`, and the next one; seconds since 1970."""
    today = datetime.fromtimestamp(now, zone).date()
    slots = [local_time(today + timedelta(days=days), at, zone) for days in (-1, 0, 1, 2)]
    return max(slot for slot in slots if slot <= now), min(slot for slot in slots if slot > now)

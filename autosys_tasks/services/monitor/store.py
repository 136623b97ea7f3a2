"""The samples in one SQLite file: write, read thinned out, drop what is old. Takes no samples itself."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from autosys_tasks.core.errors import StateError
from autosys_tasks.services.monitor.sample import ServiceSample, System
from autosys_tasks.services.paths import private_parent

KEEP_S = 48 * 3600.0
SLEEP_FACTOR = 3
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS system (at REAL NOT NULL, {", ".join(System._fields)});
CREATE INDEX IF NOT EXISTS system_at ON system (at);
CREATE TABLE IF NOT EXISTS services (at REAL NOT NULL, {", ".join(ServiceSample._fields)});
CREATE INDEX IF NOT EXISTS services_at ON services (at);
CREATE TABLE IF NOT EXISTS gaps (began REAL NOT NULL, ended REAL NOT NULL, why TEXT NOT NULL);
"""


class Gap(NamedTuple):
    """A time in which nobody looked: neither up nor down."""

    began: float
    ended: float
    why: str


class Page(NamedTuple):
    """Averages over `step_s` seconds: rows (at, *System) and (at, *SERVICE_AVERAGES), and the gaps."""

    step_s: float
    system: list[tuple[object, ...]]
    services: list[tuple[object, ...]]
    gaps: list[Gap]


SERVICE_AVERAGES = ("name", "up", "cpu_percent", "rss")


def gap_between(last: float | None, now: float, period_s: float, why: str) -> Gap | None:
    """The gap before a sample at `now`, when the last one is more than three periods (or less than 0) ago."""
    if last is None or -period_s < now - last <= SLEEP_FACTOR * period_s:
        return None
    return Gap(last, now, why if now > last else "the clock moved back")


class Store:
    """The open file. WAL/NORMAL: a kill loses nothing, a power cut the last samples, 0.1 ms a commit."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            self._sql = sqlite3.connect(
                private_parent(path), timeout=5, isolation_level=None, check_same_thread=False
            )
            for pragma in ("auto_vacuum=INCREMENTAL", "journal_mode=WAL", "synchronous=NORMAL"):
                self._sql.execute(f"PRAGMA {pragma}")
            self._sql.execute("PRAGMA journal_size_limit=1048576")
            self._sql.executescript(SCHEMA)
        except sqlite3.Error as error:
            hint = "move the file away, or choose another with --db"
            raise StateError(
                f"cannot use the database `{path}`: {error}", where=str(path), hint=hint
            ) from error

    def add(self, at: float, system: System, services: Sequence[ServiceSample], gap: Gap | None) -> None:
        """Keep one sample, and the gap before it; all or nothing. Raises sqlite3.Error."""
        with self._lock, self._sql:
            self._sql.execute("BEGIN IMMEDIATE")
            if gap:
                self._sql.execute("INSERT INTO gaps VALUES (?, ?, ?)", gap)
            self._sql.execute(f"INSERT INTO system VALUES ({_marks(System)})", (at, *system))
            self._sql.executemany(
                f"INSERT INTO services VALUES ({_marks(ServiceSample)})", [(at, *one) for one in services]
            )

    def last_at(self) -> float | None:
        """When the newest sample was taken."""
        with self._lock:
            at: float | None = self._sql.execute("SELECT max(at) FROM system").fetchone()[0]
        return at

    def prune(self, now: float) -> int:
        """Drop what is older than 48 h and give the room back; returns the number of rows."""
        with self._lock:
            gone = sum(
                self._sql.execute(f"DELETE FROM {table} WHERE {column} < ?", (now - KEEP_S,)).rowcount
                for table, column in (("system", "at"), ("services", "at"), ("gaps", "ended"))
            )
            self._sql.execute("PRAGMA incremental_vacuum").fetchall()
        return gone

    def page(self, since: float, step_s: float) -> Page:
        """All from `since` on, averaged over steps of `step_s`. Raises sqlite3.Error."""
        slot, given = "CAST(at / :step AS INTEGER) * :step", {"since": since, "step": step_s}
        averages = ", ".join(f"round(avg({name}), 2)" for name in System._fields)
        with self._lock:
            system = self._sql.execute(
                f"SELECT {slot} AS slot, {averages} FROM system WHERE at >= :since"
                " GROUP BY slot ORDER BY slot",
                given,
            ).fetchall()
            services = self._sql.execute(
                f"SELECT {slot} AS slot, name, round(avg(up), 3), round(avg(cpu_percent), 2), round(avg(rss))"
                " FROM services WHERE at >= :since GROUP BY slot, name ORDER BY slot, name",
                given,
            ).fetchall()
            gaps = self._sql.execute(
                "SELECT * FROM gaps WHERE ended >= ? ORDER BY began", (since,)
            ).fetchall()
        return Page(step_s, system, services, [Gap(*row) for row in gaps])

    def close(self) -> None:
        """Close after the running statement."""
        with self._lock:
            self._sql.close()


def _marks(row: type[System] | type[ServiceSample]) -> str:
    return ", ".join("?" * (len(row._fields) + 1))

"""Reads the monitor's samples: its SQLite file, by its format. Changes nothing, and needs no monitor to run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from autosys_tasks.report.values import Gap, Machine, Sample

FILE = "monitor/samples.sqlite3"  # below the state folder


class Samples(NamedTuple):
    """What was read, and why nothing was ("" when something could be)."""

    machine: tuple[Machine, ...] = ()
    services: Mapping[str, tuple[Sample, ...]] = {}
    gaps: tuple[Gap, ...] = ()
    trouble: str = ""


def read(state: Path, began: float, ended: float) -> Samples:
    """The samples of that time, in its order; a missing or broken file is trouble that is said."""
    import sqlite3

    path = state / FILE
    if not path.exists():
        return Samples(trouble="there is no file of samples: no monitor has run here")
    quiet = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"  # leaves no files behind
    try:
        sql = sqlite3.connect(f"{path.as_uri()}?mode=ro{quiet}", uri=True, timeout=2)
        try:
            return _read(sql, (began, ended))
        finally:
            sql.close()
    except (sqlite3.Error, TypeError, ValueError) as error:
        return Samples(trouble=f"the monitor's samples cannot be read: {error}")


def _read(sql, span: tuple[float, float]) -> Samples:  # type: ignore[no-untyped-def]
    when = "at >= ? AND at <= ? ORDER BY at"
    machine = sql.execute(
        f"SELECT at, cpu_percent, memory_percent, disk_free FROM system WHERE {when}", span
    ).fetchall()
    services: dict[str, list[Sample]] = {}
    for name, *rest in sql.execute(f"SELECT name, at, up, cpu_percent, rss FROM services WHERE {when}", span):
        services.setdefault(str(name), []).append(Sample._make(rest))
    gaps = sql.execute("SELECT began, ended, why FROM gaps WHERE ended >= ? AND began <= ? ORDER BY began", span)
    return Samples(
        tuple(map(Machine._make, machine)),
        {name: tuple(found) for name, found in services.items()},
        tuple(Gap(float(began), float(end), str(why)) for began, end, why in gaps if end > began),
    )

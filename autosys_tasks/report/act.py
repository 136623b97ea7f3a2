"""Writes the report's files, each whole or not at all, and reads the health page that the dashboard shows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from autosys_tasks.core.errors import UsageError, unknown_name
from autosys_tasks.core.files import make_folder, read_json, write_atomic
from autosys_tasks.core.plan import Plan, Step
from autosys_tasks.supervise.house import House

REPORT = "monitoring_report_latest"
DASHBOARD = "dashboard_latest.html"
HEALTH = "health_latest.json"
FORMATS = ("md", "html", "json")
HOURS_MOST = 24.0 * 31
STALE_S = 600.0


def formats(said: str) -> tuple[str, ...]:
    """The formats in a comma-separated text, each once; raises UsageError."""
    words = tuple(dict.fromkeys(word for word in (part.strip() for part in said.split(",")) if word))
    for word in words:
        if word not in FORMATS:
            raise unknown_name("format", word, FORMATS)
    if not words:
        raise UsageError("no format is named", hint=f"--format {','.join(FORMATS)}")
    return words


def hours_of(said: float) -> float:
    """How far back, in hours; raises UsageError."""
    if not 0 < said <= HOURS_MOST:
        raise UsageError(f"--hours `{said:g}` is out of range", hint=f"more than 0, at most {HOURS_MOST:g}")
    return said


def report_files(house: House, kinds: Iterable[str]) -> dict[str, Path]:
    """Which file holds which format."""
    return {kind: house.outputs / f"{REPORT}.{kind}" for kind in kinds}


def planned(task: str, paths: Iterable[Path]) -> Plan:
    """What a run would write."""
    return Plan(task, tuple(Step("write", f"outputs/{path.name}", "the latest figures") for path in paths))


def write(path: Path, text: str) -> None:
    """Replace one file; raises StateError."""
    make_folder(path.parent)
    write_atomic(path, text)


def as_json(document: Mapping[str, object]) -> str:
    """A document as its file's text."""
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def latest_health(house: House) -> dict[str, object] | None:
    """The health page that was kept last; None when there is none that can be read."""
    try:
        document = read_json(house.outputs / HEALTH)
    except (ValueError, OSError):
        return None
    whole = isinstance(document, dict) and isinstance(document.get("checks"), list)
    return document if whole and isinstance(document, dict) else None

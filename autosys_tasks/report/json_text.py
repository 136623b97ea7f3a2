"""The figures as fields of the `report` document; every number carries its unit, what is not known is None. Pure."""

from __future__ import annotations

from autosys_tasks.core.clock import utc_text
from autosys_tasks.report.rows_text import part
from autosys_tasks.report.values import Figures, Gap, Incident, Line

Json = dict[str, object]


def fields(figures: Figures) -> Json:
    """All figures."""
    window = figures.window
    return {
        "verdict": figures.verdict,
        "covers": "services",  # the verdict is on nothing else
        "window": {
            "began": utc_text(window.began),
            "ended": utc_text(window.ended),
            "seconds": round(window.seconds, 3),
        },
        "observed": {
            "evidence": figures.observed_s > 0,
            "seconds": round(figures.observed_s, 3),
            "percent": part(figures.observed_s, window.seconds) if figures.observed_s > 0 else None,
            "gaps": [gap_json(gap) for gap in figures.gaps],
        },
        "services": [line_json(line) for line in figures.lines],
        "incidents": [incident_json(one) for one in figures.incidents],
        "machine": machine_json(figures),
        "next": [
            {
                "service": line.service.name,
                "why": line.service.reason or None,
                "type": line.service.next or "inv health",
            }
            for line in figures.troubled
        ],
        "skipped_lines": figures.skipped_lines,
        "samples_trouble": figures.samples_trouble or None,
    }


def gap_json(gap: Gap) -> Json:
    """A time in which nobody watched."""
    seconds = round(gap.ended - gap.began, 3)
    return {"began": utc_text(gap.began), "ended": utc_text(gap.ended), "seconds": seconds, "why": gap.why}


def line_json(line: Line) -> Json:
    """One service. Without observed time there is no uptime; without samples no use."""
    known = line.service.counted and line.observed_s > 0
    return {
        "name": line.service.name,
        "purpose": line.service.purpose or None,
        "state": line.service.state,
        "verdict": line.service.verdict,
        "reason": line.service.reason or None,
        "uptime_percent": line.uptime_percent,
        "observed_s": round(line.observed_s, 3),
        "up_s": round(line.up_s, 3) if known else None,
        "down_s": round(line.down_s, 3) if known else None,
        "stopped_s": round(line.stopped_s, 3),
        "incidents": len(line.incidents),
        "restarts": {"total": sum(line.restarts.values()), "by_reason": dict(line.restarts)},
        **line.use._asdict(),
        "last_words": line.service.last_words or None,
    }


def incident_json(incident: Incident) -> Json:
    """One incident; `recovered` and `recovery_s` are None while it is open, and when a person stopped the service."""
    over = incident.ended is not None and not incident.open and not incident.stopped
    ended = incident.ended if over else None
    return {
        "service": incident.service,
        "began": utc_text(incident.began),
        "recovered": None if ended is None else utc_text(ended),
        "recovery_s": None if ended is None else round(ended - incident.began, 3),
        "open": incident.open,
        "stopped_by_person": incident.stopped,
        "cause": incident.cause,
        "restarts": incident.restarts,
    }


def machine_json(figures: Figures) -> Json:
    """The machine over the samples of the window."""
    median, worst = figures.machine, figures.machine_worst
    return {
        "samples": figures.machine_samples,
        "cpu_percent_median": median.cpu_percent,
        "cpu_percent_max": worst.cpu_percent,
        "memory_percent_median": median.memory_percent,
        "memory_percent_max": worst.memory_percent,
        "disk_free_bytes_min": worst.disk_free_bytes,
    }

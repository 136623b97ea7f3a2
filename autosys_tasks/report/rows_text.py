"""The figures as short texts, the same for every format: md, html and terminal only lay them out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from autosys_tasks.core.clock import size, span, utc_text
from autosys_tasks.report.texts import known, say
from autosys_tasks.report.values import Figures, Incident, Line

UNKNOWN = "-"
KEPT_H = 48
ROWS_MOST = 50  # of one table: a page stays small, the document has them all


class Table(NamedTuple):
    """A section: its title's key, its headings, its cells."""

    key: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def moment(at: float) -> str:
    """A time as people read it, in UTC to the second: `2026-11-25 04:22:29Z`."""
    return utc_text(at)[:19].replace("T", " ") + "Z"


def percent(value: float | None) -> str:
    """A percentage as short as it can be; what nobody knows is a dash."""
    return UNKNOWN if value is None else f"{value:g} %"


def part(observed_s: float, window_s: float) -> float:
    """Which part of the window was observed, in percent, cut."""
    return int(1000 * observed_s / window_s) / 10 if window_s > 0 else 0.0


def headline(figures: Figures, language: str) -> str:
    """The verdict on the services in one sentence; nothing observed is no evidence, whatever else."""
    if figures.verdict == "UNKNOWN" and figures.observed_s <= 0:
        return f"UNKNOWN: {say('no_evidence', language)}"
    return f"{figures.verdict}: {say(f'services_{figures.verdict}', language)}"


def sentences(figures: Figures, language: str) -> list[str]:
    """What was observed, and what happened."""
    window = span(figures.window.seconds)
    count = len(figures.incidents)
    if figures.observed_s <= 0:
        said = [say("unobserved", language, window=window)]
    else:
        share = percent(part(figures.observed_s, figures.window.seconds))
        values = {"observed": span(figures.observed_s), "window": window, "percent": share, "gaps": len(figures.gaps)}
        said = [say("observed", language, **values)]
    is_open = sum(1 for incident in figures.incidents if incident.open)
    if count:
        said.append(say("incident_count", language, count=count, open=is_open))
    elif figures.observed_s > 0:
        said.append(say("no_incidents", language))
    return said


def notes(figures: Figures, language: str) -> list[str]:
    """What the reader should know of the evidence."""
    said = []
    if figures.skipped_lines:
        said.append(say("torn_lines", language, count=figures.skipped_lines))
    if figures.samples_trouble:
        said.append(say("samples", language, why=known(figures.samples_trouble, language)))
    if figures.window.seconds > KEPT_H * 3600:
        said.append(say("kept_hours", language, hours=KEPT_H))
    return said


def tables(figures: Figures, language: str) -> list[Table]:
    """All sections that have something to say."""
    found = [
        _table("next", ("service", "why", "type"), _next(figures, language), language),
        _table(
            "services",
            ("service", "state", "uptime", "seen_for", "down_for", "stopped_for", "cpu", "memory", "purpose"),
            [service_row(line, language) for line in figures.lines],
            language,
        ),
        _table(
            "incidents",
            ("service", "began", "lasted", "cause"),
            [incident_row(one, language) for one in figures.incidents],
            language,
        ),
        _table("restarts", ("service", "why", "count"), _restarts(figures, language), language),
        _table("machine", ("cpu", "memory", "disk_free"), _machine(figures), language),
        _table("gaps", ("began", "ended", "length", "why"), _gaps(figures, language), language),
    ]
    return [table for table in found if table.rows]


def _table(key: str, columns: tuple[str, ...], rows: list[tuple[str, ...]], language: str) -> Table:
    more = [("...", f"+{len(rows) - ROWS_MOST}", *[""] * (len(columns) - 2))] if len(rows) > ROWS_MOST else []
    return Table(key, tuple(say(column, language) for column in columns), (*rows[:ROWS_MOST], *more))


def service_row(line: Line, language: str) -> tuple[str, ...]:
    """One service as cells."""
    use = line.use
    up = say("no_evidence", language) if line.service.counted and not line.observed_s else percent(line.uptime_percent)
    return (
        line.service.name,
        f"{line.service.verdict} {line.service.state}",
        up,
        span(line.observed_s) if line.observed_s else UNKNOWN,
        span(line.down_s) if line.observed_s else UNKNOWN,
        span(line.stopped_s) if line.stopped_s else UNKNOWN,
        f"{percent(use.cpu_percent_median)} / {percent(use.cpu_percent_max)}",
        f"{_size(use.rss_bytes_median)} / {_size(use.rss_bytes_max)}",
        line.service.purpose,
    )


def incident_row(incident: Incident, language: str) -> tuple[str, ...]:
    """One incident as cells."""
    if incident.open or incident.ended is None:
        lasted = say("open", language)
    elif incident.stopped:
        lasted = say("stopped_by_person", language)
    else:
        lasted = span(incident.ended - incident.began)
    return incident.service, moment(incident.began), lasted, incident.cause or say("unknown", language)


def _next(figures: Figures, language: str) -> list[tuple[str, ...]]:
    return [
        (line.service.name, line.service.reason or line.service.state, line.service.next or "inv health")
        for line in figures.troubled
    ]


def _restarts(figures: Figures, language: str) -> list[tuple[str, ...]]:
    return [
        (line.service.name, known(why, language), str(count))
        for line in figures.lines
        for why, count in sorted(line.restarts.items())
    ]


def _machine(figures: Figures) -> list[tuple[str, ...]]:
    if not figures.machine_samples:
        return []
    median, most = figures.machine, figures.machine_worst
    return [
        (
            f"{percent(median.cpu_percent)} / {percent(most.cpu_percent)}",
            f"{percent(median.memory_percent)} / {percent(most.memory_percent)}",
            _size(most.disk_free_bytes),
        )
    ]


def _gaps(figures: Figures, language: str) -> list[tuple[str, ...]]:
    return [(moment(g.began), moment(g.ended), span(g.ended - g.began), known(g.why, language)) for g in figures.gaps]


def _size(count: int | None) -> str:
    return UNKNOWN if count is None else size(count)


def row_cells(row: Mapping[str, object], language: str) -> tuple[str, ...]:
    """A row of `ps` as cells of the dashboard."""
    up, rss, ports = row.get("uptime_s"), row.get("rss_bytes"), row.get("ports")
    return (
        str(row.get("name")),
        str(row.get("state")),
        UNKNOWN if row.get("pid") is None else str(row.get("pid")),
        span(up) if isinstance(up, int | float) else UNKNOWN,
        size(rss) if isinstance(rss, int | float) else UNKNOWN,
        ", ".join(map(str, ports)) if isinstance(ports, list) and ports else UNKNOWN,
        say("yes" if row.get("safe_to_close") else "no", language),
        str(row.get("purpose") or ""),
        str(row.get("reason") or ""),
    )


ROW_KEYS = ("service", "state", "pid", "up_since", "memory_now", "ports", "may_close", "purpose", "why")

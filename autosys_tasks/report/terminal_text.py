"""The report in a few lines for a terminal. Pure."""

from __future__ import annotations

from autosys_tasks.report.rows_text import headline, incident_row, notes, sentences, service_row
from autosys_tasks.report.texts import say
from autosys_tasks.report.values import Figures

INCIDENTS_MOST = 5


def lines(figures: Figures, name: str, language: str) -> list[str]:
    """The verdict, what was observed, each service, the latest incidents, and what to type."""
    said = [f"{name}: {headline(figures, language)}", say("services_alone", language), *sentences(figures, language)]
    for line in figures.lines:
        cells = service_row(line, language)
        said.append(f"{cells[0]}: {cells[1]}, {say('uptime', language)} {cells[2]}")
    for incident in figures.incidents[:INCIDENTS_MOST]:
        who, began, lasted, cause = incident_row(incident, language)
        said.append(f"{began} {who}: {cause}; {say('lasted', language)}: {lasted}")
    for line in figures.troubled:
        said.append(f"{line.service.verdict} {line.service.name}: {line.service.reason or line.service.state}")
        said.append(f"   -> {line.service.next or 'inv health'}")
    return [*said, *notes(figures, language)]

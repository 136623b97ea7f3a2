"""The report as Markdown. Pure."""

from __future__ import annotations

import re

from autosys_tasks.report.rows_text import Table, headline, moment, notes, sentences, tables
from autosys_tasks.report.texts import say
from autosys_tasks.report.values import Figures

SPECIAL = re.compile(r"([\\`*\[\]<>|])")


def page(figures: Figures, name: str, language: str) -> str:
    """The whole file."""
    window = figures.window
    hours = f"{window.seconds / 3600:g}"
    blocks = [
        f"# {headline(figures, language)}",
        f"{plain(name)}: {say('last_hours', language, hours=hours, at=moment(window.ended))}",
        plain(say("services_alone", language)),
        "\n".join(f"- {plain(sentence)}" for sentence in sentences(figures, language)),
        *(_section(table, language) for table in tables(figures, language)),
    ]
    said = notes(figures, language)
    if said:
        blocks.append(f"## {say('notes', language)}\n\n" + "\n".join(f"- {plain(note)}" for note in said))
    return "\n\n".join(blocks) + "\n"


def _section(table: Table, language: str) -> str:
    rows = [table.headings, ("---",) * len(table.headings), *(tuple(map(plain, row)) for row in table.rows)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return f"## {say(table.key, language)}\n\n" + "\n".join(lines)


def plain(text: str) -> str:
    """A text on one line that no Markdown reader takes for anything but text."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))

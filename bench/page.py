"""Lays tables out: aligned for a terminal, in Markdown for docs/benchmarks.md. Writes nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tables import MADE, Table, table
from verdicts import Results

WORDS = Path(__file__).with_name("page.md")
OTHERS = ("upgrade", "logon", "backup")  # what scripts of their own measure, each writing its section of the page
NONE = "*Not measured in this run.*"


def terminal(results: Results) -> str:
    """Every table that there are figures for, as aligned text."""
    made = {part: table(part, results) for part in MADE}
    return "\n\n".join(f"{part}\n{aligned(shown)}" for part, shown in made.items() if shown)


def document(results: Results, before: str) -> str:
    """The page docs/benchmarks.md; the sections of other scripts are those of the page as it was."""

    def fill(place: re.Match[str]) -> str:
        if place[1] == "machine":
            return measured_on(results)
        if place[1] in OTHERS:
            found = _section(place[1]).search(before)
            return found[0] if found else _marked(place[1], NONE)
        shown = table(place[1], results)
        return markdown(shown) if shown else NONE

    return re.sub(r"^\{(\w+)\}$", fill, WORDS.read_text(encoding="utf-8"), flags=re.MULTILINE)


def with_section(before: str, name: str, text: str) -> str:
    """The page with that section of another script as given."""
    return _section(name).sub(lambda _: _marked(name, text), before)


def _section(name: str) -> re.Pattern[str]:
    return re.compile(rf"<!-- {name} -->.*<!-- /{name} -->", re.DOTALL)


def _marked(name: str, text: str) -> str:
    return f"<!-- {name} -->\n\n{text}\n\n<!-- /{name} -->"


def measured_on(results: Results) -> str:
    """When and on what."""
    facts = results["machine"]
    if not isinstance(facts, Mapping):
        raise TypeError("`machine` must be a table")
    quick = " **A quick run: too few repetitions for figures.**" if results.get("quick") else ""
    return (
        f"Measured {results['at']} on {facts['cpus']} cores ({facts['cpu']}), {facts['memory_gb']} GB, "
        f"{facts['kernel']}, Python {facts['python']}; the load was {facts['load']} when it began.{quick}"
    )


def markdown(shown: Table) -> str:
    """A table as Markdown."""
    lines = [list(shown.heads), ["---"] + ["---:"] * (len(shown.heads) - 1), *shown.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def aligned(shown: Table) -> str:
    """A table for a terminal."""
    lines = [list(shown.heads), *shown.rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(shown.heads))]
    padded = ([cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines)
    return "\n".join("  ".join(line).rstrip() for line in padded)

"""Lays tables out: aligned for a terminal, in Markdown for docs/benchmarks.md. Writes nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tables import MADE, Table, table
from verdicts import Results

WORDS = Path(__file__).with_name("page.md")
NONE = "*Not measured in this run.*"


def terminal(results: Results) -> str:
    """Every table that there are figures for, as aligned text."""
    made = {part: table(part, results) for part in MADE}
    return "\n\n".join(f"{part}\n{_aligned(shown)}" for part, shown in made.items() if shown)


def document(results: Results) -> str:
    """The page docs/benchmarks.md."""

    def fill(place: re.Match[str]) -> str:
        if place[1] == "machine":
            return _machine(results)
        shown = table(place[1], results)
        return _markdown(shown) if shown else NONE

    return re.sub(r"^\{(\w+)\}$", fill, WORDS.read_text(encoding="utf-8"), flags=re.MULTILINE)


def _machine(results: Results) -> str:
    facts = results["machine"]
    if not isinstance(facts, Mapping):
        raise TypeError("`machine` must be a table")
    quick = " **A quick run: too few repetitions for figures.**" if results.get("quick") else ""
    return (
        f"Measured {results['at']} on {facts['cpus']} cores ({facts['cpu']}), {facts['memory_gb']} GB, "
        f"{facts['kernel']}, Python {facts['python']}; the load was {facts['load']} when it began.{quick}"
    )


def _markdown(shown: Table) -> str:
    lines = [list(shown.heads), ["---"] + ["---:"] * (len(shown.heads) - 1), *shown.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _aligned(shown: Table) -> str:
    lines = [list(shown.heads), *shown.rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(shown.heads))]
    padded = ([cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines)
    return "\n".join("  ".join(line).rstrip() for line in padded)

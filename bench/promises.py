"""What a script of its own holds its figures against, and its section of docs/benchmarks.md."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import page
from tables import DASH, MET, Table, plain, spread_text
from verdicts import Results, number

DOCS = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"


class Promise(NamedTuple):
    """A figure in milliseconds, and what its median must not be above; `most` 0 = nothing was promised."""

    text: str
    key: str
    most: float = 0.0
    over: str = ""  # less what this one costs


def told(name: str, promises: Sequence[Promise], results: Results, *, write_docs: bool) -> int:
    """Print the table, write it into its section where asked; the exit code is 3 when a promise is missed."""
    shown = table(promises, results)
    print(page.aligned(shown))
    if write_docs:
        text = f"{page.measured_on(results)}\n\n{page.markdown(shown)}"
        DOCS.write_text(page.with_section(DOCS.read_text("utf-8"), name, text), encoding="utf-8", newline="\n")
    missed = [one.text for one in promises if one.most and one.key in results and ms(results, one) > one.most]
    for text in missed:
        print(f"missed: {text}", file=sys.stderr)
    return 3 if missed else 0


def ms(results: Results, promise: Promise) -> float:
    """The median that counts; raises LookupError when it was not measured."""
    less = number(results, promise.over, "median") if promise.over else 0.0
    return number(results, promise.key, "median") - less


def table(promises: Sequence[Promise], results: Results) -> Table:
    """Each promise with its figure."""
    return Table(("what", "ms", "must be", "is", "met"), [_row(results, promise) for promise in promises])


def _row(results: Results, promise: Promise) -> list[str]:
    most = f"≤ {promise.most:,g}" if promise.most else DASH
    try:
        value = ms(results, promise)
    except LookupError:
        return [promise.text, DASH, most, DASH, MET[None]]
    met = MET[value <= promise.most] if promise.most else DASH
    return [promise.text, spread_text(results, promise.key), most, plain(value), met]

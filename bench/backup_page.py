"""Lays out what bench/backup.py measured, and holds it against what it must reach. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import page
from tables import DASH, MET, Table, plain
from verdicts import Results, number

MEASURED = ("7zz", "autosys deflate", "autosys lzma2", "py7zr", "restic", "borg")
DEFLATE, LZMA2 = "autosys deflate", "autosys lzma2"


class Promise(NamedTuple):
    """On one tree, what of ours may be at most so many times another tool's."""

    tree: str
    ours: str
    doing: str  # create | verify | restore: seconds; size: bytes; rss: MB, not a ratio
    than: str
    most: float

    @property
    def text(self) -> str:
        """It in words."""
        what = {"size": "all that is stored", "rss": "MB resident"}.get(self.doing, self.doing)
        return f"{self.tree}: {self.ours}, {what}" + (f", x of {self.than}" if self.than else "")


def _promises() -> list[Promise]:
    made = []
    for tree, deflate, lzma2, verify, restore in (
        ("workspace", 0.8, 2.5, 3, 1.3), ("many", 0.45, 1.2, 3, 1.6), ("logs", 0.25, 2.2, 1.3, 1.1),
    ):  # fmt: skip
        made += [
            Promise(tree, DEFLATE, "create", "7zz", deflate),
            Promise(tree, DEFLATE, "create", "restic", 0.5),
            Promise(tree, DEFLATE, "size", "7zz", 1.35),
            Promise(tree, DEFLATE, "size", "restic", 1.2),
            Promise(tree, LZMA2, "create", "7zz", lzma2),
            Promise(tree, LZMA2, "create", "py7zr", 0.55),
            Promise(tree, LZMA2, "size", "7zz", 0.97),
            Promise(tree, LZMA2, "size", "restic", 0.9),
            Promise(tree, DEFLATE, "verify", "7zz", 1.6),
            Promise(tree, DEFLATE, "verify", "restic", 1.4),
            Promise(tree, LZMA2, "verify", "7zz", verify),
            Promise(tree, DEFLATE, "restore", "7zz", restore),
            Promise(tree, DEFLATE, "restore", "restic", 1.05),
        ]
    made.append(Promise("logs", DEFLATE, "rss", "", 160))
    made.append(Promise("many", DEFLATE, "rss", "", 280))
    return made


PROMISES = _promises()


def value(results: Results, one: Promise) -> float:
    """The figure that a promise is about; raises LookupError when it was not measured."""
    if one.than == "py7zr" and busy(results):
        raise LookupError("what is promised against it is what threads bring, which CPU seconds do not show")
    ours = _figure(results, one.tree, one.ours, one.doing)
    return ours / _figure(results, one.tree, one.than, one.doing) if one.than else ours


def _figure(results: Results, tree: str, tool: str, doing: str) -> float:
    if doing == "size":
        return number(results, "corpora", tree, "sizes", tool)
    if doing == "rss":
        return number(results, "corpora", tree, "costs", tool, "create", "rss_mb")
    return number(results, "corpora", tree, "costs", tool, doing, "cpu_s" if busy(results) else "wall_s")


def busy(results: Results) -> bool:
    """Whether the machine had other work: then the clock tells of that, and the CPU seconds count."""
    with suppress(LookupError):
        load = max(number(results, "machine", "load"), number(results, "load_after"))
        return load > number(results, "machine", "cpus")
    return False


def missed(results: Results) -> list[str]:
    """The promises that were measured and are not kept."""
    return [one.text for one, _, met in _judged(results) if met is False]


def _judged(results: Results) -> list[tuple[Promise, float | None, bool | None]]:
    rows: list[tuple[Promise, float | None, bool | None]] = []
    for one in PROMISES:
        try:
            figure = value(results, one)
        except LookupError:
            rows.append((one, None, None))
        else:
            rows.append((one, figure, round(figure, 2) <= one.most))
    return rows


def tables(results: Results) -> list[Table]:
    """The versions, one table a tree, and the promises."""
    versions = results.get("versions")
    rows = [[name, str(said)] for name, said in versions.items()] if isinstance(versions, Mapping) else []
    trees = results.get("corpora")
    names: Sequence[str] = list(trees) if isinstance(trees, Mapping) else []
    return [Table(("", "version"), rows), *(_tree(results, name) for name in names), _promised(results)]


def _tree(results: Results, tree: str) -> Table:
    heads = (tree, "MB", "made: s (CPU s)", "MB resident", "verified", "restored", "one file of it")
    return Table(heads, [_row(results, tree, tool) for tool in MEASURED])


def _row(results: Results, tree: str, tool: str) -> list[str]:
    size = rss = DASH
    with suppress(LookupError):
        size = f"{_figure(results, tree, tool, 'size') / 1e6:.1f}"
        rss = plain(round(_figure(results, tree, tool, "rss")))
    timed = {doing: _seconds(results, tree, tool, doing) for doing in ("create", "verify", "restore", "one")}
    return [tool, size, timed["create"], rss, timed["verify"], timed["restore"], timed["one"]]


def _seconds(results: Results, tree: str, tool: str, doing: str) -> str:
    with suppress(LookupError):
        wall, cpu = (number(results, "corpora", tree, "costs", tool, doing, key) for key in ("wall_s", "cpu_s"))
        return f"{wall:.2f} ({cpu:.2f})"
    return DASH


def _promised(results: Results) -> Table:
    rows = [[one.text, f"≤ {one.most:g}", plain(figure), MET[met]] for one, figure, met in _judged(results)]
    return Table(("what", "must be", "is", "met"), rows)


def section(results: Results) -> str:
    """Its part of docs/benchmarks.md."""
    after = f"Rounds: {results.get('times', 1)}. The load was {results['load_after']} when it ended."
    if busy(results):
        after += " **The machine had other work: the ratios below are of CPU seconds, not of the clock.**"
    return "\n\n".join((f"{page.measured_on(results)} {after}", *map(page.markdown, tables(results))))

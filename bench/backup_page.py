"""Lays out what bench/backup.py measured, and holds it against what it must reach. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import page
from tables import DASH, MET, Table, plain
from verdicts import Results, number

MEASURED = ("7zz", "autosys deflate", "autosys lzma2", "py7zr", "restic", "borg")
OURS = DEFLATE, LZMA2 = "autosys deflate", "autosys lzma2"
NIGHTLY = "autosys"
NIGHTS = ("first", "unchanged", "changed")


MOST_OF_OTHERS = 0.1  # of all CPUs: writing to the disk for us is a part of it


class Promise(NamedTuple):
    """On one tree, what of ours may be at most so many times another tool's."""

    tree: str
    ours: str
    doing: str  # create | verify | restore | picked | a night: seconds; size | added: bytes; rss: MB, not a ratio
    than: str
    most: float

    @property
    def text(self) -> str:
        """It in words."""
        words = {
            "size": "the archive's size", "rss": "MB resident", "picked": "CPU seconds of py7zr for one file of it",
            "unchanged": "a night without a change", "changed": "a night with 1 % changed",
            "added": "bytes added with 1 % changed",
        }  # fmt: skip
        unit = f", x of {self.than}" if self.than else ", s" if self.doing in NIGHTS else ""
        return f"{self.tree}: {self.ours}, {words.get(self.doing, self.doing)}{unit}"


def _promises() -> list[Promise]:
    made = []
    for tree, deflate, lzma2, restore in (
        ("workspace", 0.8, 2.5, 1.3), ("many", 0.45, 1.2, 1.6), ("logs", 0.2, 2.2, 1.1),
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
            Promise(tree, DEFLATE, "restore", "7zz", restore),
            Promise(tree, LZMA2, "restore", "7zz", restore),
            Promise(tree, DEFLATE, "restore", "restic", 1.05),
        ]
        made += [Promise(tree, NIGHTLY, night, "restic", 0.35) for night in ("unchanged", "changed")]
        made.append(Promise(tree, NIGHTLY, "added", "restic", 1.5 if tree == "logs" else 0.5))
    made.append(Promise("many", NIGHTLY, "unchanged", "", 1.0))
    made.append(Promise("workspace", LZMA2, "verify", "7zz", 3))
    made.append(Promise("logs", LZMA2, "verify", "7zz", 1.3))
    made.append(Promise("logs", DEFLATE, "picked", "7zz", 0.35))
    made += [Promise(tree, ours, "rss", "", most) for tree, most in (("logs", 160), ("many", 280)) for ours in OURS]
    return made


PROMISES = _promises()


def value(results: Results, one: Promise) -> float:
    """The figure that a promise is about; raises LookupError when it was not measured."""
    if one.than == "py7zr" and busy(results):
        raise LookupError("what is promised against it is what threads bring, which CPU seconds do not show")
    ours = _figure(results, one.tree, one.ours, one.doing)
    return ours / _figure(results, one.tree, one.than, one.doing) if one.than else ours


def _figure(results: Results, tree: str, tool: str, doing: str) -> float:
    if doing in ("size", "stored"):
        return number(results, "corpora", tree, "archives" if doing == "size" else "sizes", tool)
    if doing == "rss":
        return number(results, "corpora", tree, "costs", tool, "create", "rss_mb")
    if doing == "added":
        return number(results, "corpora", tree, "nights", tool, "changed", "added")
    of = ("nights", tool, doing) if doing in NIGHTS else ("costs", tool, doing)
    return number(results, "corpora", tree, *of, "cpu_s" if doing == "picked" or busy(results) else "wall_s")


def busy(results: Results) -> bool:
    """Whether the machine had other work: then the clock tells of that, and the CPU seconds count."""
    with suppress(LookupError):
        return number(results, "others") > MOST_OF_OTHERS
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
    made = [table(results, name) for name in names for table in (_tree, _nights)]
    return [Table(("", "version"), rows), *made, _promised(results)]


def _tree(results: Results, tree: str) -> Table:
    heads = (
        tree, "archive MB", "all MB", "made: s (CPU s)", "MB resident", "verified", "restored", "one file of it",
        "by py7zr",
    )  # fmt: skip
    return Table(heads, [_row(results, tree, tool) for tool in MEASURED])


def _row(results: Results, tree: str, tool: str) -> list[str]:
    size = stored = rss = DASH
    with suppress(LookupError):
        size, stored = (f"{_figure(results, tree, tool, what) / 1e6:.1f}" for what in ("size", "stored"))
        rss = plain(round(_figure(results, tree, tool, "rss")))
    timed = {doing: _seconds(results, tree, tool, doing) for doing in ("create", "verify", "restore", "one", "picked")}
    made, *others = timed.values()
    return [tool, size, stored, made, rss, *others]


def _nights(results: Results, tree: str) -> Table:
    heads = (f"{tree}, night after night", "first: s (CPU s)", "MB", "nothing changed", "MB", "1 % changed", "MB")
    return Table(heads, [_night_row(results, tree, tool) for tool in (NIGHTLY, "restic", "borg")])


def _night_row(results: Results, tree: str, tool: str) -> list[str]:
    row = [tool]
    for night in NIGHTS:
        added = DASH
        with suppress(LookupError):
            added = f"{number(results, 'corpora', tree, 'nights', tool, night, 'added') / 1e6:.2f}"
        row += [_seconds(results, tree, tool, night, of="nights"), added]
    return row


def _seconds(results: Results, tree: str, tool: str, doing: str, of: str = "costs") -> str:
    with suppress(LookupError):
        wall, cpu = (number(results, "corpora", tree, of, tool, doing, key) for key in ("wall_s", "cpu_s"))
        return f"{wall:.2f} ({cpu:.2f})"
    return DASH


def _promised(results: Results) -> Table:
    rows = [[one.text, f"≤ {one.most:g}", plain(figure), MET[met]] for one, figure, met in _judged(results)]
    return Table(("what", "must be", "is", "met"), rows)


def section(results: Results) -> str:
    """Its part of docs/benchmarks.md: what was missed comes first."""
    after = f"Rounds: {results.get('times', 1)}."
    with suppress(LookupError):
        after += f" Other programs had {number(results, 'others'):.0%} of the CPUs."
    if busy(results):
        after += " **The machine had other work: the ratios below are of CPU seconds, not of the clock.**"
    names = missed(results)
    said = f"**Missed, {len(names)} of {len(PROMISES)}:** {'; '.join(names)}." if names else "What was measured is met."
    return "\n\n".join((f"{page.measured_on(results)} {after}", said, *map(page.markdown, tables(results))))

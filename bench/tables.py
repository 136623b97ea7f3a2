"""Turns results into tables of cells. Pure: measures and writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from verdicts import Results, number


class Table(NamedTuple):
    """Heads, and rows of as many cells."""

    heads: Sequence[str]
    rows: list[list[str]]


DASH = "–"
MET = {True: "yes", False: "**no**", None: "not measured"}
SETTINGS = {
    "services_8": "8 services",
    "hung_endpoint": "8, one endpoint hung",
    "services_200": "200 services",
}
OF_INV = "x of a bare `inv` task"


def table(part: str, results: Results) -> Table | None:
    """The table of one part of the results; None when that part was not measured."""
    return MADE[part](results) if results.get(part) else None


def _targets(results: Results) -> Table:
    rows = [
        [str(one["target"]), f"≤ {one['most']:g}", plain(one["value"]), MET[one["met"]]]
        for one in _list(results, "targets")
    ]
    return Table(("what", "must be", "is", "met"), rows)


def _kill(results: Results) -> Table:
    sizes = list(_part(results, "kill"))
    heads = ["", *(f"among {size}" for size in sizes), *(f"x of runit, {size}" for size in sizes)]
    return Table(heads, [_kill_row(results, name, sizes) for name in _peers(results)])


def _kill_row(results: Results, name: str, sizes: Sequence[str]) -> list[str]:
    spreads = [spread_text(results, "kill", size, name) for size in sizes]
    base = "runit"
    ratios = [
        _ratio(results, ("kill", size, name, "median"), ("kill", size, base, "median")) for size in sizes
    ]
    return [name, *spreads, *ratios]


def _bringup(results: Results) -> Table:
    columns = [
        (shape, key) for shape in ("independent", "chain") for key in ("ready_over_ms", "told_over_ms")
    ]
    rows = []
    for name in _peers(results):
        cells = [spread_text(results, "bringup", name, *column) for column in columns]
        rows.append([name, *cells, _cell(results, "bringup", name, "chain", "too_early")])
    bare = _cell(results, "bringup", "bare_inv_ms", "median")
    rows.append(["(a bare `inv` task)", bare, bare, bare, bare, ""])
    heads = ("", "20: last ready", "20: said so", "chain: last ready", "chain: said so", "started too early")
    return Table(heads, rows)


def _survival(results: Results) -> Table:
    keys = ("kept", "duplicates", "pids_changed", "missing", "watched_again_ms")
    heads = ("", "alive after it", "second copies", "started anew", "missing", "killed then, back after ms")
    return Table(heads, _rows(results, "survival", keys))


def _memory(results: Results) -> Table:
    keys = ("processes", "rss_mb", "pss_mb", "idle_cpu_s", "wakeups", "seconds")
    heads = ("", "processes", "RSS, MB", "PSS, MB", "idle CPU, s", "wake-ups", "in s")
    return Table(heads, _rows(results, "memory", keys))


def _rows(results: Results, part: str, keys: Sequence[str]) -> list[list[str]]:
    return [[name, *(_cell(results, part, name, key) for key in keys)] for name in _peers(results)]


def _status(results: Results) -> Table:
    rows = [
        [name, spread_text(results, "status", name), _cell(results, "status", name, "ratio")]
        for name in _peers(results)
    ]
    return Table(("", "ms", OF_INV), rows)


def _commands(results: Results) -> Table:
    rows = []
    for setting, commands in _part(results, "commands").items():
        for name in commands if isinstance(commands, Mapping) else ():
            path = ("commands", setting, name)
            shown = SETTINGS.get(setting, setting)
            rows.append([shown, f"`{name}`", spread_text(results, *path), _cell(results, *path, "ratio")])
    return Table(("", "command", "ms", OF_INV), rows)


def _startup(results: Results) -> Table:
    base = ("startup", "bare inv noop", "median")
    rows = [
        [f"`{name}`", spread_text(results, "startup", name), _ratio(results, ("startup", name, "median"), base)]
        for name in _part(results, "startup")
    ]
    return Table(("command", "ms", OF_INV), rows)


def _chaos(results: Results) -> Table:
    keys = ("commands", "commands_killed", "services_killed", "starts", "duplicates", "strays", "lost_lines")
    heads = ("", "commands", "of them killed", "services killed", "starts", "second copies", "strays", "lost lines")
    rows = [[name, *(_cell(results, "chaos", name, key) for key in keys)] for name in ("autosys", "pid file")]
    return Table(heads, rows)


def _versions(results: Results) -> Table:
    rows = [[name, str(version)] for name, version in _part(results, "versions").items()]
    rows += [
        [name, f"not measured; to be had with {how}"] for name, how in _part(results, "not_measured").items()
    ]
    return Table(("", "version"), rows)


MADE: Mapping[str, Callable[[Results], Table]] = {
    "versions": _versions,
    "targets": _targets,
    "kill": _kill,
    "bringup": _bringup,
    "survival": _survival,
    "memory": _memory,
    "status": _status,
    "commands": _commands,
    "startup": _startup,
    "chaos": _chaos,
}


def _peers(results: Results) -> list[str]:
    return list(_part(results, "versions"))


def _part(results: Results, name: str) -> Mapping[str, object]:
    part = results.get(name)
    return part if isinstance(part, Mapping) else {}


def _list(results: Results, name: str) -> list[dict[str, object]]:
    part = results.get(name)
    return part if isinstance(part, list) else []


def spread_text(results: Results, *path: str) -> str:
    """`2.81 (2.50–5.90, p95 5.10)`, or a dash."""
    with suppress(LookupError):
        median, least, most, p95 = (
            plain(number(results, *path, key)) for key in ("median", "min", "max", "p95")
        )
        return f"{median} ({least}–{most}, p95 {p95})"
    return DASH


def _cell(results: Results, *path: str) -> str:
    with suppress(LookupError):
        return plain(number(results, *path))
    return DASH


def _ratio(results: Results, path: Sequence[str], base: Sequence[str]) -> str:
    with suppress(LookupError):
        return f"{number(results, *path) / number(results, *base):,.2f}"
    return DASH


def plain(value: object) -> str:
    """A number for people: three digits that matter, no more."""
    if not isinstance(value, int | float):
        return DASH
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 0.005 else f"{value:.4f}"

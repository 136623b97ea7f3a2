"""Holds results against what autosys must reach. Pure: measures and writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

Results = Mapping[str, object]


class Target(NamedTuple):
    """One promise: `value` reads it from the results, and it must not be above `most`."""

    text: str
    most: float
    value: Callable[[Results], float]


def verdicts(results: Results) -> list[dict[str, object]]:
    """Each target with its figure; `met` is None where nothing was measured."""
    return [_verdict(target, results) for target in TARGETS]


def number(results: Results, *path: str) -> float:
    """The number at `path`; raises LookupError when it was not measured."""
    here: object = results
    for key in path:
        if not isinstance(here, Mapping):
            raise LookupError(key)
        here = here[key]
    if not isinstance(here, int | float):
        raise LookupError(path[-1])
    return here


def _verdict(target: Target, results: Results) -> dict[str, object]:
    try:
        value = round(target.value(results), 3)
    except LookupError:
        return {"target": target.text, "most": target.most, "value": None, "met": None}
    return {"target": target.text, "most": target.most, "value": value, "met": value <= target.most}


def _of_runit(services: str) -> Target:
    def ratio(results: Results) -> float:
        return number(results, "kill", services, "autosys", "median") / number(
            results, "kill", services, "runit", "median"
        )

    return Target(f"kill -9 to replacement among {services}: x of runit", 0.9, ratio)


def _over_inv(shape: str, most: float) -> Target:
    def over(results: Results) -> float:
        ready = number(results, "bringup", "autosys", shape, "ready_over_ms", "median")
        return ready - number(results, "bringup", "bare_inv_ms", "median")

    return Target(f"bring-up, {shape}: all ready, ms over the ideal and a bare `inv`", most, over)


def _at(text: str, most: float, *path: str) -> Target:
    return Target(text, most, lambda results: number(results, *path))


def _ps_over(results: Results) -> float:
    few = ("commands", "services_8")
    return number(results, *few, "inv ps", "median") - number(results, *few, "bare inv noop", "median")


def _list_ratio(results: Results) -> float:
    return number(results, "startup", "inv --list", "median") / number(
        results, "startup", "bare inv --list", "median"
    )


def _idle_ms_per_minute(results: Results) -> float:
    spent = number(results, "memory", "autosys", "idle_cpu_s")
    return spent * 1000 * 60 / number(results, "memory", "autosys", "seconds")


def _lost(results: Results) -> float:
    here = ("survival", "autosys")
    return number(results, *here, "services") - number(results, *here, "kept")


TARGETS = (
    _of_runit("1"),
    _of_runit("20"),
    _of_runit("100"),
    _over_inv("independent", 150),
    _over_inv("chain", 200),
    _at("bring-up, chain: services started too early", 0, "bringup", "autosys", "chain", "too_early"),
    _at(
        "`inv watchdog`, 8 services: x of a bare `inv` task",
        1.4,
        "commands",
        "services_8",
        "inv watchdog",
        "ratio",
    ),
    Target("`inv ps`, 8 services: ms over a bare `inv` task", 80, _ps_over),
    _at(
        "`inv health`, 8 services: x of a bare `inv` task", 2, "commands", "services_8", "inv health", "ratio"
    ),
    _at("`inv health`, one endpoint hung: ms", 2500, "commands", "hung_endpoint", "inv health", "median"),
    Target("`inv --list`: x of a bare `inv --list`", 1.3, _list_ratio),
    _at("`inv watchdog`, 200 services: ms", 1000, "commands", "services_200", "inv watchdog", "median"),
    _at("`inv ps`, 200 services: ms", 1000, "commands", "services_200", "inv ps", "median"),
    _at("guard: MB resident", 20, "memory", "autosys", "rss_mb"),
    Target("guard: ms of CPU in a quiet minute", 10, _idle_ms_per_minute),
    Target("guard killed: services lost", 0, _lost),
    _at("guard killed, next tick: second copies", 0, "survival", "autosys", "duplicates"),
    _at("guard killed, next tick: services started anew", 0, "survival", "autosys", "pids_changed"),
)

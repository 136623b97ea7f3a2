"""Entries that point at others: dangling names, dependencies in a circle, environments in one folder. Pure."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping

from autosys_tasks.config.model import Config, Environment
from autosys_tasks.config.shape import Fault
from autosys_tasks.core.errors import nearest

OUR_LOGS = ("guard", "scheduled")  # what else writes a log beside those of services


def cross_faults(config: Config, services: Collection[str], environments: Collection[str]) -> list[Fault]:
    """Every dangling name and every circle; `services` and `environments` are all names that are written."""
    faults = []
    for service in config.services.values():
        at = ("services", service.name)
        if service.name.casefold() in OUR_LOGS:
            faults.append(Fault(at, f"outputs/logs/{service.name}.log is autosys' own", "rename it"))
        if service.environment and service.environment not in environments:
            faults.append(_dangling((*at, "environment"), "environment", service.environment, environments))
        for name in service.depends_on:
            if name not in services:
                faults.append(_dangling((*at, "depends_on"), "service", name, services))
    needs = {name: service.depends_on for name, service in config.services.items()}
    for circle in circles(needs):
        way = " -> ".join((*circle, circle[0]))
        faults.append(
            Fault(("services", circle[0], "depends_on"), f"waits for itself: {way}", "take one of these out")
        )
    return [*faults, *_shared(config.environments.values())]


def _shared(environments: Iterable[Environment]) -> Iterator[Fault]:
    """Environments that would be made where another already is: each install would undo the other's."""
    makers: dict[tuple[str, ...], str] = {}
    for each in environments:
        folder = os.path.normcase(os.path.normpath(each.path))
        made = [(folder, each.kind)] if each.kind != "command" else [(folder, "", one) for one in each.outputs]
        first = next((makers[what] for what in made if what in makers), "")
        if first and each.kind == "command":
            message, hint = f"makes what environments.{first} makes in the same folder", "let one of them make it"
            yield Fault(("environments", each.name, "outputs"), message, hint)
        elif first:
            message = f"is the folder of environments.{first} too"
            yield Fault(("environments", each.name, "path"), message, "give each a folder of its own")
        makers |= {what: each.name for what in made if what not in makers}


def _dangling(at: tuple[str, ...], what: str, name: str, known: Iterable[str]) -> Fault:
    near = nearest(name, known)
    hint = f"did you mean `{near}`?" if near else f"declared: {', '.join(sorted(known)) or 'none'}"
    return Fault(at, f"no {what} is named `{name}`", hint)


def circles(needs: Mapping[str, Iterable[str]]) -> list[tuple[str, ...]]:
    """Names that wait for themselves, each circle in full; no name is in two of them."""
    left = {name: [each for each in needed if each in needs] for name, needed in needs.items()}
    found = []
    while left := _without_the_free(left):
        circle = _circle(left)
        found.append(circle)
        left = {name: needed for name, needed in left.items() if name not in circle}
    return found


def _without_the_free(needs: dict[str, list[str]]) -> dict[str, list[str]]:
    """What remains when all that waits for nothing that is left has gone."""
    waiting = {name: len([each for each in needed if each in needs]) for name, needed in needs.items()}
    dependants: dict[str, list[str]] = {name: [] for name in needs}
    for name, needed in needs.items():
        for each in needed:
            if each in needs:
                dependants[each].append(name)
    free = [name for name, count in waiting.items() if count == 0]
    for name in free:
        for dependant in dependants[name]:
            waiting[dependant] -= 1
            if waiting[dependant] == 0:
                free.append(dependant)
    gone = set(free)
    return {name: needed for name, needed in needs.items() if name not in gone}


def _circle(needs: Mapping[str, list[str]]) -> tuple[str, ...]:
    """One circle; everything in `needs` leads into one."""
    way = [next(iter(needs))]
    while (after := next(each for each in needs[way[-1]] if each in needs)) not in way:
        way.append(after)
    return tuple(way[way.index(after) :])

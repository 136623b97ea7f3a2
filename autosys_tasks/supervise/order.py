"""Who stands before whom, by what each service depends on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from autosys_tasks.config.model import Service


def ordered(services: Mapping[str, Service]) -> list[str]:
    """Services so that each stands after all that it depends on (cycles were refused when reading)."""
    order: dict[str, None] = {}

    def visit(name: str) -> None:
        for dependency in services[name].depends_on:
            if dependency not in order:
                visit(dependency)
        order[name] = None

    for name in services:
        if name not in order:
            visit(name)
    return list(order)


def closure(services: Mapping[str, Service], names: Iterable[str]) -> set[str]:
    """These services and all that they depend on."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += services[name].depends_on
    return found

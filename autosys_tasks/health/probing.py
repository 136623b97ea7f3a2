"""Asks the things that we only look at, all at once; what costs money within its budget, and shared."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from autosys_tasks import probes
from autosys_tasks.core.clock import wall
from autosys_tasks.core.errors import unknown_name
from autosys_tasks.core.probe import Probe
from autosys_tasks.core.verdict import UNKNOWN
from autosys_tasks.probes.concurrent import ask_all
from autosys_tasks.probes.values import Answer
from autosys_tasks.supervise.house import House

GRACE_S = 0.3
SHARING_S = 2.0  # whoever finds another asking waits for that answer


class Row(NamedTuple):
    """One probe and its answer."""

    name: str
    answer: Answer


def ask(house: House, probe: Probe, *, fresh: bool = False, dry: bool = False) -> Answer:
    """One probe's answer. `dry`: one that would be written down for others is not asked."""
    subject = probes.Subject(cwd=house.config.path, env=house.base, secrets=probe.secrets)
    if probe.budget is None:
        return probes.ask(probe, subject)
    if dry:
        return Answer(UNKNOWN, "not asked", "its answer is shared through a file, and a dry run writes none")
    from autosys_tasks.probes.budget import ask_within_budget

    return ask_within_budget(probe, subject, Path(house.place.folder, "probes"), wall(), fresh=fresh)


def checks(house: House, names: Iterable[str], *, fresh: bool = False) -> list[Row]:
    """The answers of the named probes, or of all, in the order declared; UsageError for an unknown name."""
    declared = house.config.probes
    named = list(dict.fromkeys(names))
    for name in named:
        if name not in declared:
            raise unknown_name("probe", name, declared)
    chosen = {name: declared[name] for name in named} if named else declared
    longest = max((probe.timeout_s for probe in chosen.values()), default=0.0)
    calls = {name: partial(ask, house, probe, fresh=fresh) for name, probe in chosen.items()}
    return [Row(name, answer) for name, answer in ask_all(calls, longest + SHARING_S + GRACE_S).items()]


def row(found: Row) -> dict[str, object]:
    """One probe of the `probe` document."""
    answer = found.answer
    return {
        "name": found.name,
        "verdict": answer.verdict,
        "evidence": answer.evidence,
        "why": answer.why or None,
        "ms": round(answer.ms),
    }


def lines(found: Iterable[Row]) -> list[str]:
    """The answers for a person."""
    said = []
    for name, answer in found:
        why = f": {answer.why}" if answer.why and answer.why != answer.evidence else ""
        said.append(f"{answer.verdict:<7} {name}  {answer.evidence}{why}")
    return said or ["no probe is declared"]

"""Verdicts, and how they add up: a summary can never contradict its parts. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

OK, WARN, NG, UNKNOWN, SKIP = "OK", "WARN", "NG", "UNKNOWN", "SKIP"
ALL = (OK, WARN, NG, UNKNOWN, SKIP)


class Fix(NamedTuple):
    """What to do about a red: a command that is declared safe, or a sentence for a person (never both)."""

    command: tuple[str, ...] = ()
    text: str = ""


class Check(NamedTuple):
    """One line of the health page: what was looked at, what was seen, and why that is its verdict."""

    id: str
    title: str
    verdict: str
    evidence: str
    why: str = ""
    fix: Fix | None = None
    ms: int = 0
    fixed: str | None = None


def overall(verdicts: Iterable[str]) -> str:
    """The worst of its parts: any NG is NG, else any WARN or UNKNOWN is WARN, else OK."""
    seen = set(verdicts)
    if NG in seen:
        return NG
    return WARN if seen & {WARN, UNKNOWN} else OK


def counts(verdicts: Iterable[str]) -> dict[str, int]:
    """How many of each; their sum is the number of verdicts given."""
    tally = dict.fromkeys(ALL, 0)
    for verdict in verdicts:
        tally[verdict] += 1
    return tally

"""Sums and differences of spans of time. Pure. What comes out is sorted and overlaps nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from autosys_tasks.report.values import Span


def merged(spans: Iterable[Span], gap_s: float = 0.0) -> list[Span]:
    """The spans as one set, those at most `gap_s` apart as one span; empty ones are left out."""
    whole: list[Span] = []
    for began, ended in sorted(span for span in spans if span[1] > span[0]):
        if whole and began <= whole[-1][1] + gap_s:
            whole[-1] = (whole[-1][0], max(whole[-1][1], ended))
        else:
            whole.append((began, ended))
    return whole


def within(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """What both sets hold; both as `merged` gives them."""
    both, i, j = [], 0, 0
    while i < len(spans) and j < len(others):
        began, ended = max(spans[i][0], others[j][0]), min(spans[i][1], others[j][1])
        if ended > began:
            both.append((began, ended))
        if spans[i][1] < others[j][1]:
            i += 1
        else:
            j += 1
    return both


def without(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """What the first set holds and the second does not; both as `merged` gives them."""
    left, j = [], 0
    for began, ended in spans:
        while j < len(others) and others[j][1] <= began:
            j += 1
        at = j
        while at < len(others) and others[at][0] < ended:
            if others[at][0] > began:
                left.append((began, others[at][0]))
            began = max(began, others[at][1])
            at += 1
        if ended > began:
            left.append((began, ended))
    return left


def total(spans: Iterable[Span]) -> float:
    """How long they are together, in seconds."""
    return sum(ended - began for began, ended in spans)

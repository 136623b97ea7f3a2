"""Works out the report: what was up of what was watched, incidents, restarts, use. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import TypeVar

from autosys_tasks.core.verdict import NG, OK, UNKNOWN, overall
from autosys_tasks.report.deaths import Death, kind_of, of_service, told
from autosys_tasks.report.observation import Looked, Watch, gaps_of, looked_at, watch_of
from autosys_tasks.report.spans import merged, total, within, without
from autosys_tasks.report.values import (
    Event,
    Figures,
    Incident,
    Line,
    Machine,
    Sample,
    Seen,
    Service,
    Span,
    Use,
)

N = TypeVar("N", int, float)


def figures(seen: Seen) -> Figures:
    """The report of what was seen."""
    watch = watch_of(seen)
    events = of_service(event for event in seen.events if seen.window.began <= event.at <= seen.window.ended)
    lines = tuple(line(seen, service, watch, events.get(service.name, ())) for service in seen.services)
    observed_s = total(watch.spans)
    return Figures(
        seen.window,
        observed_s,
        gaps_of(seen, watch),
        lines,
        *_machine(seen),
        len(seen.machine),
        _verdict(lines, observed_s),
        seen.skipped_lines,
        seen.samples_trouble,
    )


def _verdict(lines: Iterable[Line], observed_s: float) -> str:
    """Of what is now; without any observation an OK would be a guess."""
    verdicts = [each.service.verdict for each in lines]
    worst = overall([*verdicts, *(NG for each in lines for one in each.incidents if one.open)])
    return UNKNOWN if worst == OK and (not verdicts or observed_s <= 0) else worst


def line(seen: Seen, service: Service, watch: Watch, events: Sequence[Event]) -> Line:
    """One service over the window."""
    window: Span = (seen.window.began, seen.window.ended)
    ended_well = [one for one in events if service.may_end and (one.step, one.reason) == ("start", "exited 0")]
    said = told([one for one in events if one not in ended_well], watch.spans, window, seen.boot_at)
    looked = looked_at(seen, service, watch, events)
    off = within(merged([*said.off, *_at_rest(service, looked, watch, ended_well, window)]), [window])
    dead = [(death.began, death.ended or _end_of(death, service, looked, window[1])) for death in said.deaths]
    if not service.counted:
        off, dead, looked = [], [], Looked([], [])
    bad_ever = without(within(merged([*within(looked.bad, watch.spans), *dead]), [window]), off)
    bad = within(bad_ever, watch.spans)
    good = without(without(within(looked.good, watch.spans), bad_ever), off)
    incidents = _incidents(service, bad_ever, good, off, said.deaths, seen)
    use = use_of(seen.samples.get(service.name, ()))
    figures_s = (total(good), total(bad), total(off))
    return Line(service, *figures_s, said.restarts, use, incidents, tuple(good), tuple(bad), tuple(off))


def _at_rest(
    service: Service, looked: Looked, watch: Watch, ended_well: Sequence[Event], window: Span
) -> Iterable[Span]:
    """When it was not wanted up although no journal says so: stopped until now, or ended as it should."""
    if service.off_since is not None:
        yield max(window[0], service.off_since), window[1]
    for began, ended in looked.bad:
        if any(began <= event.at <= ended + watch.sample_limit_s for event in ended_well):
            yield began, ended


def _end_of(death: Death, service: Service, looked: Looked, end: float) -> float:
    """When a death that no start ended was over: with the first look that found it up again."""
    after = [began for began, _ended in looked.good if began > death.began]
    after += [since for since in (service.alive_since,) if since is not None and since > death.began]
    return min(after, default=end)


def _incidents(
    service: Service,
    bad: Sequence[Span],
    good: Sequence[Span],
    off: Sequence[Span],
    deaths: Sequence[Death],
    seen: Seen,
) -> tuple[Incident, ...]:
    """Bad spans less than a stable life apart are one incident; what is wrong now is an open one."""
    ill = service.verdict == NG
    known = merged(bad, seen.stable_after_s)
    if ill:
        known = _until_now(known, [*good, *off], seen)
    found, well = [], merged([*good, *off])
    dead, starts = sorted(deaths, key=lambda death: death.began), [began for began, _ended in off]
    times = [death.began for death in dead]
    for number, (began, ended) in enumerate(known):
        is_open = ill and number == len(known) - 1
        mine = dead[bisect_left(times, began) : bisect_right(times, ended)]
        stopped = bisect_left(starts, ended + 1) > bisect_right(starts, ended - 1)
        found.append(
            Incident(
                service.name,
                began,
                None if is_open else _well_again(ended, well),
                is_open,
                (mine[0].cause if mine else None) or (service.reason or None if is_open else None),
                sum(1 for death in mine if death.ended is not None and kind_of(death.cause)),
                stopped and not is_open,
            )
        )
    return tuple(found)


def _until_now(known: list[Span], well: Iterable[Span], seen: Seen) -> list[Span]:
    """The last incident goes on when nothing was seen well since; else a new one began after the last good look."""
    end, last_well = seen.window.ended, max((ended for _began, ended in well), default=None)
    if known and (known[-1][1] >= end - seen.stable_after_s or last_well is None or last_well <= known[-1][1]):
        return [*known[:-1], (known[-1][0], end)]
    return [*known, (end if last_well is None else min(last_well, end), end)]


def _well_again(ended: float, well: Sequence[Span]) -> float:
    """When it was first seen well: at the end of the bad span, or after the gap that hides the recovery."""
    first = bisect_right(well, ended, key=lambda span: span[1])
    return max(ended, well[first][0]) if first < len(well) else ended


def use_of(samples: Sequence[Sample]) -> Use:
    """Median and greatest, over the samples of the living service that tell."""
    cpu = [one.cpu_percent for one in samples if one.cpu_percent is not None]
    rss = [one.rss_bytes for one in samples if one.rss_bytes is not None]
    return Use(len(rss), median(cpu), max(cpu, default=None), median(rss), max(rss, default=None))


def median(known: Iterable[N]) -> N | None:
    """The middle one (the lower of two), None of none."""
    ordered = sorted(known)
    return ordered[(len(ordered) - 1) // 2] if ordered else None


def _machine(seen: Seen) -> tuple[Machine, Machine]:
    """The machine's medians and its worst: the greatest of each, and the least free disk."""
    at = seen.machine[-1].at if seen.machine else 0.0
    cpu = [one.cpu_percent for one in seen.machine if one.cpu_percent is not None]
    memory = [one.memory_percent for one in seen.machine if one.memory_percent is not None]
    free = [one.disk_free_bytes for one in seen.machine if one.disk_free_bytes is not None]
    worst = Machine(at, max(cpu, default=None), max(memory, default=None), min(free, default=None))
    return Machine(at, median(cpu), median(memory), median(free)), worst

"""When anybody watched, and what was seen of one service then. Pure.

Two kinds of looks count: the monitor's samples, and the ticks of the watchdog. A span between two looks is up
only when both ends say so, and down when its beginning does; between up and down nobody knows when it died.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from autosys_tasks.report.deaths import kind_of
from autosys_tasks.report.spans import merged, within, without
from autosys_tasks.report.values import Event, Gap, Sample, Seen, Service, Span

LEAST_LIMIT_S = 30.0
SLACK_S = 60.0
NOBODY = "nobody watched"
HEALERS = ("guard", "watchdog")


class Look(NamedTuple):
    """One tick: when, and which services were not as wanted."""

    at: float
    not_so: frozenset[str]


class Watch(NamedTuple):
    """The spans in which somebody watched, and how far apart two looks of one watch may be."""

    spans: list[Span]
    looks: list[Look]
    ticked: list[Span]  # between looks that are close enough, whatever they saw
    ill: Mapping[str, list[int]]  # which looks found a service not as wanted
    sample_limit_s: float
    tick_limit_s: float


def watch_of(seen: Seen) -> Watch:
    """When somebody watched. The report looks too, but a last look long ago is not stretched to now."""
    looks = [*ticks(seen.events), _now(seen)]
    times = [one.at for one in seen.machine]
    limit_s = sample_limit_s(times)
    tick_limit_s = 2 * seen.every_s + SLACK_S
    sampled = close([*times, seen.window.ended], limit_s) if times else []
    sampled = without(sampled, merged((gap.began, gap.ended) for gap in seen.gaps))
    slept = merged((gap.began, gap.ended) for gap in seen.gaps if "slept" in gap.why or "clock" in gap.why)
    ticked = close([look.at for look in looks], tick_limit_s)
    spans = within(merged([*sampled, *without(ticked, slept)]), [(seen.window.began, seen.window.ended)])
    return Watch(spans, looks, ticked, _ill(looks), limit_s, tick_limit_s)


def close(times: Sequence[float], limit_s: float) -> list[Span]:
    """The spans between neighbours that are at most so far apart, as one where they touch; times are in order."""
    spans: list[Span] = []
    began = times[0] if times else 0.0
    for before, at in pairwise(times):
        if at - before > limit_s:
            spans.append((began, before))
            began = at
    return merged([*spans, (began, times[-1])] if times else [])


def _ill(looks: Sequence[Look]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for number, look in enumerate(looks):
        for name in look.not_so:
            found.setdefault(name, []).append(number)
    return found


def sample_limit_s(times: Sequence[float]) -> float:
    """How far apart two samples of one watch may be: three of its usual steps, and never under 30 s."""
    steps = sorted(b - a for a, b in pairwise(times))
    return max(LEAST_LIMIT_S, 3 * steps[len(steps) // 2]) if steps else LEAST_LIMIT_S


def ticks(events: Iterable[Event]) -> list[Look]:
    """The ticks that came to an end; an interrupted one saw nothing that counts."""
    return [
        Look(event.at, event.not_so) for event in events if event.task == "watchdog" and event.not_so is not None
    ]


def _now(seen: Seen) -> Look:
    ill = (service.name for service in seen.services if service.verdict not in ("OK", "SKIP"))
    return Look(seen.window.ended, frozenset(ill))


def gaps_of(seen: Seen, watch: Watch) -> tuple[Gap, ...]:
    """The times in which nobody watched, with the monitor's own word for why where it has one."""
    return tuple(
        Gap(began, ended, _why(began, ended, seen.gaps))
        for began, ended in without([(seen.window.began, seen.window.ended)], watch.spans)
    )


def _why(began: float, ended: float, known: Iterable[Gap]) -> str:
    shared = [(min(ended, gap.ended) - max(began, gap.began), gap.why) for gap in known]
    longest = max(shared, default=(0.0, NOBODY))
    return longest[1] if longest[0] > (ended - began) / 2 else NOBODY


class Looked(NamedTuple):
    """Up and not as wanted, as looks say."""

    good: list[Span]
    bad: list[Span]


def looked_at(seen: Seen, service: Service, watch: Watch, events: Sequence[Event]) -> Looked:
    """What samples and ticks say of one service; nothing is said of the time before its first trace."""
    samples = seen.samples.get(service.name, ())
    now = () if service.alive is None else (Sample(seen.window.ended, service.alive),)
    starts = [event.at for event in events if event.step == "start" and event.ok]
    good, bad = _sampled([*samples, *now], watch.sample_limit_s, starts)
    traces = [sample.at for sample in samples[:1]] + [event.at for event in events[:1]]
    traces += [service.alive_since] if service.alive_since is not None else []
    judged_good, judged_bad = _judged(service.name, watch, starts)
    known = [(min(traces, default=seen.window.ended), seen.window.ended)]
    sure = without(within(judged_good, known), merged(_unsure(events, seen.window.began)))
    return Looked(merged([*good, *sure]), merged([*bad, *judged_bad]))


def _unsure(events: Iterable[Event], began: float) -> Iterable[Span]:
    """To a tick, what a person stopped is as wanted, even when it was dead before: until the start that tells of it."""
    before = began
    for event in events:
        late = event.step == "start" and event.task not in HEALERS and kind_of(event.reason)
        yield from [(before, event.at)] if late else []
        before = event.at


def _sampled(samples: Sequence[Sample], limit_s: float, starts: Sequence[float]) -> tuple[list[Span], list[Span]]:
    good, bad = [], []
    for a, b in pairwise(samples):
        if 0 < b.at - a.at <= limit_s:
            if not a.up:
                bad.append((a.at, _healed(a.at, b.at, starts) if b.up else b.at))
            elif b.up:
                good.append((a.at, b.at))
    return merged(good), bad


def _judged(name: str, watch: Watch, starts: Sequence[float]) -> tuple[list[Span], list[Span]]:
    """Good is all that ticks saw, less what lies beside a look that found it ill."""
    beside: list[Span] = []
    bad: list[Span] = []
    for number in watch.ill.get(name, ()):
        look = watch.looks[number]
        beside += [(before.at, look.at) for before in watch.looks[max(0, number - 1) : number]]
        for after in watch.looks[number + 1 : number + 2]:
            beside.append((look.at, after.at))
            if after.at - look.at <= watch.tick_limit_s:
                bad.append((look.at, after.at if name in after.not_so else _healed(look.at, after.at, starts)))
    return without(watch.ticked, merged(beside)), bad


def _healed(began: float, ended: float, starts: Sequence[float]) -> float:
    """When the last start between two looks was made, if any: the second look found it well."""
    last = bisect_left(starts, ended) - 1
    return starts[last] if last >= 0 and starts[last] > began else ended

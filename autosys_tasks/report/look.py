"""Gathers what a report is made of: journals, samples, and the services as they are now. Read-only."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from autosys_tasks.core import journal
from autosys_tasks.core.clock import parse_utc, utc_text
from autosys_tasks.core.garbage import gc_disabled
from autosys_tasks.core.verdict import NG, OK, SKIP
from autosys_tasks.report import samples, texts
from autosys_tasks.report.deaths import tells
from autosys_tasks.report.values import Event, Seen, Service, Window
from autosys_tasks.supervise import plan, show
from autosys_tasks.supervise.house import House
from autosys_tasks.supervise.messages import next_step
from autosys_tasks.supervise.state import now
from autosys_tasks.supervise.values import Decision, Facts

OLD_TICK = re.compile(r"\d+ as wanted(?:, not so: (.*))?")  # 0.1.0 said it in these words alone
TEXTS = ("task", "step", "target", "reason", "detail")


def see(house: House, hours: float) -> tuple[Seen, list[show.Row]]:
    """The last `hours`, and the rows of `ps` at their end; raises StateError when a journal cannot be read."""
    picture = show.picture(house)
    rows = show.rows(house, picture)
    moment = now()
    window = Window(moment.wall - hours * 3600, moment.wall)
    events, skipped = read_events(house, window)
    found = samples.read(Path(house.place.folder), *window)
    services = tuple(_service(house, row, picture) for row in rows)
    seen = Seen(
        window,
        services,
        events,
        found.machine,
        found.services,
        found.gaps,
        boot_at=moment.wall - moment.boot,
        every_s=house.config.watchdog.every_s,
        stable_after_s=house.config.watchdog.stable_after_s,
        skipped_lines=skipped,
        samples_trouble=found.trouble,
    )
    return seen, rows


def at(seen: Seen) -> str:
    """The moment that a report of this is about, as documents write it."""
    return utc_text(seen.window.ended)


def read_events(house: House, window: Window) -> tuple[tuple[Event, ...], int]:
    """What the journals of that time tell, in its order, and how many torn or foreign lines there are."""
    events, skipped = [], 0
    with gc_disabled():
        for name in journal.FILES.values():
            for line in journal.each_line(house.outputs / name, start=window.began):
                event = _event(line)
                skipped += event is None
                if event is not None and window.began <= event.at <= window.ended and tells(event):
                    events.append(event)
    return tuple(sorted(events, key=lambda event: event.at)), skipped


def _event(line: dict[str, object] | None) -> Event | None:
    try:
        return None if line is None else event_of(line)
    except (ValueError, TypeError, OverflowError):
        return None


def event_of(line: dict[str, object]) -> Event:
    """A journal line as an event; raises ValueError or TypeError for one that is none of ours."""
    ok, ms = line.get("ok"), line.get("ms") or 0
    if not (ok is None or isinstance(ok, bool)) or not isinstance(ms, int | float) or not 0 <= ms < 1e10:
        raise ValueError("not a line of ours")
    task, step, target, reason, detail = [sys.intern(str(line.get(key) or "")) for key in TEXTS]
    not_so = _not_so(line.get("not_so"), detail) if step == "summary" else None
    return Event(parse_utc(str(line["ts"])), task, step, target, reason, ok, detail, ms, not_so)


def _not_so(said: object, detail: str) -> frozenset[str] | None:
    """Which services the end of a run found not as wanted; a run that was interrupted found nothing."""
    if isinstance(said, list):
        return frozenset(map(str, said))
    old = OLD_TICK.fullmatch(detail)
    return frozenset((old[1] or "").split(", ")) - {""} if old else None


def _service(house: House, row: show.Row, picture: show.Picture) -> Service:
    name = str(row["name"])
    facts, decision = picture.facts[name], picture.decisions[name]
    declared = house.service(name)
    up_s, last = row["uptime_s"], facts.record.last_exit if facts.record else None
    verdict = verdict_of(house, name, facts, decision)
    moment = now()
    return Service(
        name,
        declared.purpose,
        declared.managed and not declared.oneshot,
        declared.restart != "always",
        decision.state,
        verdict,
        decision.reason,
        facts.leader is not None if declared.managed else None,
        moment.wall - up_s if isinstance(up_s, float) else None,
        _off_since(facts, decision),
        last.log_tail if last is not None and verdict == NG else "",
        "" if verdict in (OK, SKIP) else next_step(declared, picture.decisions, facts),
    )


def _off_since(facts: Facts, decision: Decision) -> float | None:
    if decision.state == "stopped":
        return facts.wanted.at
    last = facts.record.last_exit if facts.record else None
    return last.at if decision.state == "done" and last is not None else None


def verdict_of(house: House, name: str, facts: Facts, decision: Decision) -> str:
    """What a service's state means: the same as on the health page."""
    service = house.service(name)
    if service.optional and facts.program is None:
        return SKIP
    if decision.state != "unmanaged":
        return plan.VERDICTS.get(decision.state, NG)
    if facts.readiness is None:
        return SKIP
    return OK if plan.satisfied(service, facts, decision) else NG


def unknown_language() -> str:
    """What to say of an AUTOSYS_LANG that is no language of ours; "" when it is one, or nothing."""
    said = os.environ.get("AUTOSYS_LANG", "")
    if said.lower() in ("", "auto", *texts.LANGUAGES):
        return ""
    return f"WARN AUTOSYS_LANG: `{said}` is none of {', '.join(texts.LANGUAGES)}, auto: it counts as auto"


def language(house: House) -> str:
    """`en` or `ko`: as configured, else AUTOSYS_LANG, else the system's."""
    import locale

    system = next((os.environ[key] for key in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(key)), "")
    said = os.environ.get("AUTOSYS_LANG", "")
    return texts.chosen(house.config.language, said, system or locale.getlocale()[0] or "")

"""The monitor's turn every few seconds and what it tells over HTTP. Judges its own freshness alone."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from autosys_tasks.core.clock import utc_text
from autosys_tasks.services.heartbeat import beat
from autosys_tasks.services.log import say
from autosys_tasks.services.monitor.records import read_records
from autosys_tasks.services.monitor.sample import Sampler, ServiceSample, System
from autosys_tasks.services.monitor.store import (
    KEEP_S,
    SERVICE_AVERAGES,
    SLEEP_FACTOR,
    Gap,
    Store,
    gap_between,
)
from autosys_tasks.services.routes import Answer, Refusal, Request, Route, Site

PRUNE_EVERY_S = 300.0
POINTS = 1500
NOT_RUNNING = "the monitor did not run"
SUSPENDED = "the machine slept"


class Watch:
    """The sampling loop's memory: the last sample, when it was taken, what is wrong."""

    def __init__(self, store: Store, sampler: Sampler, state: Path | None, period_s: float) -> None:
        self._store, self._sampler, self._state, self._period_s = store, sampler, state, period_s
        self._last_at = store.last_at()
        self._why = NOT_RUNNING
        self._last: tuple[float, System, list[ServiceSample], int] | None = None
        self._monotonic = 0.0
        self._pruned = 0.0
        self._trouble = ""

    def turn(self) -> None:
        """Take and keep one sample; the heartbeat is touched only after it is kept."""
        now = time.time()
        gap = gap_between(self._last_at, now, self._period_s, self._why)
        if gap:
            self._sampler.forget()
        found = read_records(self._state)
        system, services = self._sampler.system(), self._sampler.services(found.records)
        try:
            self._store.add(now, system, services, gap)
            self._prune(now)
        except sqlite3.Error as error:
            self._tell(f"cannot keep samples: {error}")
            return
        self._last, self._last_at, self._why = (now, system, services, found.skipped), now, SUSPENDED
        self._monotonic = time.monotonic()
        self._tell("")
        beat()

    def _prune(self, now: float) -> None:
        if time.monotonic() - self._pruned >= PRUNE_EVERY_S or not self._pruned:
            self._store.prune(now)
            self._pruned = time.monotonic()

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            say(f"monitor: {trouble or 'samples are kept again'}")
            self._trouble = trouble

    def site(self) -> Site:
        """What the server offers: all of it only reads, none of it needs a token."""
        routes = (
            Route("GET", "/healthz", self._healthz, open=True),
            Route("GET", "/readyz", self._readyz, open=True),
            Route("GET", "/v1/latest", self._latest, open=True),
            Route("GET", "/v1/samples", self._samples, open=True),
        )
        return Site(routes)

    def _age_s(self) -> float | None:
        """Not counted while the machine sleeps, where the system's monotonic clock stops then too."""
        return None if self._last is None else round(time.monotonic() - self._monotonic, 3)

    def _healthz(self, request: Request) -> Answer:
        age_s = self._age_s()
        late = age_s is not None and age_s > SLEEP_FACTOR * self._period_s
        status = "late" if late else "ok" if age_s is not None else "starting"
        body = {
            "status": status,
            "pid": os.getpid(),
            "last_sample_age_s": age_s,
            "interval_s": self._period_s,
        }
        return Answer(503 if late else 200, {**body, "trouble": self._trouble or None})

    def _readyz(self, request: Request) -> Answer:
        ready = self._last is not None
        return Answer(200 if ready else 503, {"status": "ready" if ready else "no sample yet"})

    def _latest(self, request: Request) -> Answer:
        if self._last is None:
            raise Refusal(503, "no sample yet", "ask again in a moment")
        at, system, services, skipped = self._last
        return Answer(
            200,
            {
                "at": utc_text(at),
                "age_s": self._age_s(),
                "system": system._asdict(),
                "services": [service._asdict() for service in services],
                "skipped_records": skipped,
            },
        )

    def _samples(self, request: Request) -> Answer:
        minutes = _minutes(request.query.get("minutes", "60"))
        step_s = max(self._period_s, minutes * 60 / POINTS)
        try:
            page = self._store.page(time.time() - minutes * 60, step_s)
        except sqlite3.Error as error:
            raise Refusal(503, f"the database failed: {error}", "see the monitor's log") from error
        return Answer(
            200,
            {
                "step_s": page.step_s,
                "system": {"fields": ["at", *System._fields], "rows": page.system},
                "services": {"fields": ["at", *SERVICE_AVERAGES], "rows": page.services},
                "gaps": [_shown(gap) for gap in page.gaps],
            },
        )


def _shown(gap: Gap) -> dict[str, object]:
    began, ended = utc_text(gap.began), utc_text(gap.ended)
    return {"began": began, "ended": ended, "seconds": round(gap.ended - gap.began, 3), "why": gap.why}


def _minutes(said: str) -> float:
    try:
        minutes = float(said)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes <= KEEP_S / 60:
        raise Refusal(422, "`minutes` must be a number from 1 to 2880", "ask for /v1/samples?minutes=60")
    return minutes

"""The queue over HTTP: routes, long polls, statuses of errors. Decides nothing about tasks."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from autosys_tasks.core.clock import utc_text
from autosys_tasks.services.queue import engine, queries
from autosys_tasks.services.queue.database import Database
from autosys_tasks.services.queue.order import (
    NAME,
    RESULT_LIMIT,
    Form,
    Invalid,
    canonical,
    parse_order,
    parse_wish,
)
from autosys_tasks.services.queue.presence import attend
from autosys_tasks.services.routes import Answer, Refusal, Request, Route, Site

STATUSES = {
    "invalid": 422,
    "too-large": 413,
    "missing": 404,
    "stale": 409,
    "conflict": 409,
    "full": 429,
    "unavailable": 503,
}
ERROR_LIMIT = 4000
T = TypeVar("T")


class Api:
    """The open queue and those that wait for a change in it."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._changed = threading.Condition()
        self._changes = 0
        self._ended = False
        self._started_at = time.time()

    def site(self, token: str) -> Site:
        """What the server offers."""
        routes = (
            Route("GET", "/healthz", self._healthz, open=True),
            Route("GET", "/readyz", self._readyz, open=True),
            Route("POST", "/v1/tasks", self._enqueue),
            Route("GET", "/v1/tasks", self._page),
            Route("GET", "/v1/tasks/{}", self._get),
            Route("POST", "/v1/leases", self._lease),
            Route("POST", "/v1/leases/{}/heartbeat", self._heartbeat),
            Route("POST", "/v1/leases/{}/complete", self._complete),
            Route("POST", "/v1/leases/{}/fail", self._fail),
            Route("POST", "/v1/leases/{}/release", self._release),
            Route("PUT", "/v1/workers/{}", self._attend),
            Route("GET", "/v1/workers", self._workers),
            Route("GET", "/v1/kinds", self._kinds),
            Route("GET", "/v1/stats", self._stats),
        )
        return Site(routes, token, STATUSES, self._end)

    def _end(self) -> None:
        self._ended = True
        self._tell()

    def _tell(self) -> None:
        with self._changed:
            self._changes += 1
            self._changed.notify_all()

    def _until(self, look: Callable[[], T | None], wait_s: float, connected: Callable[[], bool]) -> T | None:
        """`look()`, again after each change and when something falls due; None when the time is up."""
        deadline = time.monotonic() + wait_s
        while True:
            before = self._changes
            found = look()
            left = deadline - time.monotonic()
            if found is not None or left <= 0 or self._ended:
                return found
            due = queries.next_due_s(self._db, now=time.time())
            self._rest(before, left if due is None else min(left, due))
            if not connected():
                return None

    def _rest(self, before: int, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._changes != before, seconds)

    def _healthz(self, request: Request) -> Answer:
        return Answer(200, {"status": "ok", "pid": os.getpid(), "started_at": utc_text(self._started_at)})

    def _readyz(self, request: Request) -> Answer:
        queries.answers(self._db)
        return Answer(200, {"status": "ready"})

    def _enqueue(self, request: Request) -> Answer:
        order = parse_order(request.body, request.headers.get("idempotency-key"))
        now = time.time()
        placed = engine.enqueue(self._db, order, now=now)
        if placed.fresh:
            self._tell()
        return Answer(201 if placed.fresh else 200, {"task": queries.shown(placed.task, now)})

    def _page(self, request: Request) -> Answer:
        known = ("state", "kind", "after", "limit")
        if unknown := sorted(set(request.query) - set(known)):
            raise Invalid(f"unknown parameter `{unknown[0][:64]}`", hint=f"known: {', '.join(known)}")
        state = request.query.get("state")
        if state is not None and state not in queries.STATES:
            raise Invalid(f"no state is named `{state[:64]}`", hint=f"known: {', '.join(queries.STATES)}")
        limit = int(_number(request, "limit", 100, 1, 1000))
        after = int(_number(request, "after", 0, 0, 2**62))
        tasks = queries.page(
            self._db, state=state, kind=request.query.get("kind"), after=after, limit=limit, now=time.time()
        )
        return Answer(200, {"tasks": tasks, "next": tasks[-1]["seq"] if len(tasks) == limit else None})

    def _get(self, request: Request, task_id: str) -> Answer:
        wait_s = _number(request, "wait_seconds", 0, 0, 30)

        def ended() -> dict[str, object] | None:
            task = queries.get(self._db, task_id, now=time.time())
            return task if task["state"] in ("succeeded", "dead") else None

        task = self._until(ended, wait_s, request.connected)
        return Answer(200, {"task": task or queries.get(self._db, task_id, now=time.time())})

    def _lease(self, request: Request) -> Answer:
        wish = parse_wish(request.body)
        task = self._until(
            lambda: engine.lease(self._db, wish, now=time.time()), wish.wait_s, request.connected
        )
        if self._ended and task is None:
            raise Refusal(503, "the server ends", "ask again in a moment")
        if task is None:
            return Answer(204)
        return Answer(200, {"token": task["token"], "task": queries.shown(task, time.time())})

    def _heartbeat(self, request: Request, token: str) -> Answer:
        return self._settled(engine.heartbeat(self._db, token, now=time.time()))

    def _complete(self, request: Request, token: str) -> Answer:
        Form(request.body, ("result",)).check()
        result = canonical(request.body.get("result"), RESULT_LIMIT, "result")
        return self._settled(engine.complete(self._db, token, result, now=time.time()))

    def _fail(self, request: Request, token: str) -> Answer:
        form = Form(request.body, ("error", "retryable"))
        error, retryable = form.text("error", ERROR_LIMIT), form.flag("retryable", True)
        form.check()
        return self._settled(engine.fail(self._db, token, error, retryable=retryable, now=time.time()))

    def _release(self, request: Request, token: str) -> Answer:
        return self._settled(engine.release(self._db, token, now=time.time()))

    def _settled(self, task: sqlite3.Row) -> Answer:
        if task["state"] != "leased":
            self._tell()
        return Answer(200, {"task": queries.shown(task, time.time())})

    def _attend(self, request: Request, name: str) -> Answer:
        if not NAME.fullmatch(name):
            raise Invalid("the worker's name is none", hint="letters, digits, `.`, `-`, `_`, `:`; 64 at most")
        wish = parse_wish({**request.body, "worker": name})
        with self._db.transaction(durable=False) as sql:
            attend(sql, wish, time.time())
        return Answer(200, {"worker": name, "instance": wish.instance})

    def _workers(self, request: Request) -> Answer:
        return Answer(200, {"workers": queries.everybody(self._db, now=time.time())})

    def _kinds(self, request: Request) -> Answer:
        return Answer(200, {"kinds": dict(queries.kinds(self._db, now=time.time()))})

    def _stats(self, request: Request) -> Answer:
        return Answer(200, queries.stats(self._db, now=time.time()))


def _number(request: Request, name: str, default: float, low: float, high: float) -> float:
    said = request.query.get(name)
    try:
        value = default if said is None else float(said)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise Invalid(f"`{name}` must be a number from {low:g} to {high:g}", hint="correct it and ask again")
    return value

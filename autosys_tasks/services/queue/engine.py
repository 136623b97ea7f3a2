"""What may happen to a task: enqueue, lease, heartbeat, complete, fail, release. No HTTP, no clock.

ready (or scheduled, until its time) -> leased -> succeeded | ready again, later | dead. A lease is held by a
random token, the fence: whoever comes with the token of a lease that is over is refused.
"""

from __future__ import annotations

import os
import sqlite3
from typing import NamedTuple

from autosys_tasks.core.errors import AutosysError
from autosys_tasks.services.queue.database import Database
from autosys_tasks.services.queue.order import Kinds, Order, Wish
from autosys_tasks.services.queue.presence import attend, known_kinds, require_known, seen

BACKOFF_MAX_S = 300.0
QUEUE_LIMIT = 10_000
KEEP_SUCCEEDED_S = 7 * 86_400.0
KEEP_DEAD_S = 30 * 86_400.0
OPEN = "('ready', 'leased')"
INSERT = """
INSERT INTO tasks (id, kind, name, payload, priority, state, run_at, delay_s, max_attempts, backoff_s,
    timeout_s, idempotency_key, fingerprint, created_at)
VALUES (:id, :kind, :name, :payload, :priority, 'ready', :now + :delay_s, :delay_s, :max_attempts, :backoff_s,
    :timeout_s, :key, :print, :now)
"""
SWEEP = (
    # Nothing can lie further ahead than it was set: after the clock moved back, its time counts from now.
    "UPDATE tasks SET lease_until = :now + lease_s WHERE state = 'leased' AND lease_until > :now + lease_s",
    "UPDATE tasks SET run_at = :now + delay_s"
    " WHERE state = 'ready' AND run_at > :now AND run_at > :now + delay_s",
    "UPDATE tasks SET state = iif(attempts >= max_attempts, 'dead', 'ready'), run_at = :now, delay_s = 0,"
    " error = 'lease expired in attempt ' || attempts || ': worker `' || worker || '` fell silent',"
    " finished_at = iif(attempts >= max_attempts, :now, NULL), token = NULL, lease_until = NULL"
    " WHERE state = 'leased' AND lease_until <= :now",
)


class Stale(AutosysError):
    """The token's lease ended: it expired, was released, or settled otherwise. The result is not taken."""

    kind = "stale"


class Conflict(AutosysError):
    """The idempotency key was used for another order."""

    kind = "conflict"


class Full(AutosysError):
    """The queue holds as many open tasks as it may."""

    kind = "full"


class Missing(AutosysError):
    """No task has this id."""

    kind = "missing"


class Placed(NamedTuple):
    """The task of an order; not `fresh` when the same order was placed before under the same key."""

    task: sqlite3.Row
    fresh: bool


def enqueue(db: Database, order: Order, *, now: float) -> Placed:
    """Place an order, durably. Raises Invalid (a kind nobody serves), Conflict, Full."""
    with db.transaction(durable=True) as sql:
        before = row(sql, "idempotency_key", order.key) if order.key else None
        if before is not None:
            return _again(before, order)
        require_known(known_kinds(sql, now), order.kind, order.name)
        _require_room(sql)
        task_id = os.urandom(8).hex()
        sql.execute(INSERT, {**order._asdict(), "id": task_id, "print": order.fingerprint(), "now": now})
        return Placed(by_id(sql, task_id), fresh=True)


def _again(before: sqlite3.Row, order: Order) -> Placed:
    if before["fingerprint"] != order.fingerprint():
        hint = "send the same order, or another key"
        raise Conflict(f"idempotency key `{order.key}` belongs to another order", hint=hint)
    return Placed(before, fresh=False)


def _require_room(sql: sqlite3.Connection) -> None:
    held = sql.execute(f"SELECT count(*) FROM tasks WHERE state IN {OPEN}").fetchone()[0]
    if held >= QUEUE_LIMIT:
        hint = "start a worker, or wait until some are done"
        raise Full(f"the queue is full: {held} open tasks", hint=hint)


def lease(db: Database, wish: Wish, *, now: float) -> sqlite3.Row | None:
    """Hand the first task that the worker can do to it, under a fresh token; None when there is none now."""
    kinds, named = _kinds_clause(wish.kinds)
    with db.transaction(durable=False) as sql:
        sweep(sql, now)
        attend(sql, wish, now)
        found = sql.execute(
            f"SELECT seq FROM tasks WHERE state = 'ready' AND run_at <= ? AND ({kinds})"
            " ORDER BY priority DESC, seq LIMIT 1",
            (now, *named),
        ).fetchone()
        if found is None:
            return None
        token = os.urandom(16).hex()
        sql.execute(
            "UPDATE tasks SET state = 'leased', attempts = attempts + 1, token = ?, worker = ?, instance = ?,"
            " lease_s = ?, lease_until = ?, started_at = ? WHERE seq = ?",
            (token, wish.worker, wish.instance, wish.lease_s, now + wish.lease_s, now, found["seq"]),
        )
        return row(sql, "token", token)


def _kinds_clause(kinds: Kinds) -> tuple[str, list[str]]:
    clauses, values = [], []
    for kind, names in kinds.items():
        marks = "" if names is None else f" AND name IN ({', '.join('?' * len(names))})"
        clauses.append(f"(kind = ?{marks})")
        values += [kind, *(names or ())]
    return " OR ".join(clauses), values


def heartbeat(db: Database, token: str, *, now: float) -> sqlite3.Row:
    """Make the lease last its full length from now; raises Stale."""
    with db.transaction(durable=False) as sql:
        task = _held(sql, token, now)
        sql.execute("UPDATE tasks SET lease_until = ? + lease_s WHERE seq = ?", (now, task["seq"]))
        seen(sql, task["instance"], now)
        return by_id(sql, task["id"])


def complete(db: Database, token: str, result: str, *, now: float) -> sqlite3.Row:
    """Keep the result (JSON), durably; the same token may say so twice. Raises Stale."""
    with db.transaction(durable=True) as sql:
        done = row(sql, "token", token)
        if done is not None and done["state"] == "succeeded":
            return done  # the first answer was lost on its way
        task = _held(sql, token, now)
        sql.execute(
            "UPDATE tasks SET state = 'succeeded', result = ?, error = NULL, lease_until = NULL,"
            " finished_at = ? WHERE seq = ?",
            (result, now, task["seq"]),
        )
        return by_id(sql, task["id"])


def fail(db: Database, token: str, error: str, *, retryable: bool, now: float) -> sqlite3.Row:
    """Try again later (backoff doubles, at most 300 s), or end as dead; durable. Raises Stale."""
    with db.transaction(durable=True) as sql:
        failed = row(sql, "token", token)
        if failed is not None and failed["state"] in ("ready", "dead"):
            return failed  # the first answer was lost on its way
        task = _held(sql, token, now)
        dead = not retryable or task["attempts"] >= task["max_attempts"]
        delay = 0.0 if dead else backoff(task["backoff_s"], task["attempts"])
        sql.execute(
            "UPDATE tasks SET state = ?, error = ?, run_at = ?, delay_s = ?, lease_until = NULL,"
            " finished_at = ? WHERE seq = ?",
            ("dead" if dead else "ready", error, now + delay, delay, now if dead else None, task["seq"]),
        )
        return by_id(sql, task["id"])


def backoff(first_s: float, attempts: int) -> float:
    """Seconds until the next attempt, after `attempts` of them."""
    return first_s if first_s >= BACKOFF_MAX_S else min(BACKOFF_MAX_S, first_s * 2.0 ** min(attempts - 1, 30))


def release(db: Database, token: str, *, now: float) -> sqlite3.Row:
    """Give the task back untouched, for a worker that ends; uses up no attempt. Raises Stale."""
    with db.transaction(durable=False) as sql:
        task = _held(sql, token, now)
        sql.execute(
            "UPDATE tasks SET state = 'ready', attempts = attempts - 1, run_at = ?, delay_s = 0,"
            " token = NULL, lease_until = NULL WHERE seq = ?",
            (now, task["seq"]),
        )
        return by_id(sql, task["id"])


def sweep(sql: sqlite3.Connection, now: float) -> None:
    """End the leases that ran out: another attempt at once, or dead when none is left."""
    for statement in SWEEP:
        sql.execute(statement, {"now": now})


def resume(db: Database, *, now: float) -> int:
    """Renew every lease after a start of the server, while which no worker could; returns how many."""
    with db.transaction(durable=False) as sql:
        return sql.execute(
            "UPDATE tasks SET lease_until = ? + lease_s WHERE state = 'leased'", (now,)
        ).rowcount


def purge(db: Database, *, now: float) -> int:
    """Forget what ended long ago (succeeded 7 days, dead 30); returns how many."""
    with db.transaction(durable=False) as sql:
        gone = sql.execute(
            "DELETE FROM tasks"
            " WHERE (state = 'succeeded' AND finished_at < ?) OR (state = 'dead' AND finished_at < ?)",
            (now - KEEP_SUCCEEDED_S, now - KEEP_DEAD_S),
        ).rowcount
        sql.execute("PRAGMA incremental_vacuum(2000)").fetchall()
        return gone


def _held(sql: sqlite3.Connection, token: str, now: float) -> sqlite3.Row:
    sweep(sql, now)
    task = row(sql, "token", token)
    if task is None or task["state"] != "leased":
        hint = "drop the result; the task was or will be done under another lease"
        raise Stale("this lease is over", hint=hint)
    return task


def row(sql: sqlite3.Connection, column: str, value: str) -> sqlite3.Row | None:
    """The task whose unique `column` is `value`, or None."""
    found: sqlite3.Row | None = sql.execute(f"SELECT * FROM tasks WHERE {column} = ?", (value,)).fetchone()
    return found


def by_id(sql: sqlite3.Connection, task_id: str) -> sqlite3.Row:
    """The task with this id; raises Missing."""
    task = row(sql, "id", task_id)
    if task is None:
        raise Missing(f"no task has the id `{task_id[:64]}`", hint="list them with GET /v1/tasks")
    return task

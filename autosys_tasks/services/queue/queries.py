"""Looks at the queue: a task, a page, counts, what is due next. Changes nothing but leases that ran out."""

from __future__ import annotations

import json
import sqlite3

from autosys_tasks.core.clock import utc_text
from autosys_tasks.services.queue.database import Database
from autosys_tasks.services.queue.engine import by_id, sweep
from autosys_tasks.services.queue.order import Kinds
from autosys_tasks.services.queue.presence import PRESENT_S, known_kinds, workers

STATES = ("scheduled", "ready", "leased", "succeeded", "dead")
SHOWN = "iif(state = 'ready' AND run_at > :now, 'scheduled', state)"
RECENT_S = 3600.0


def get(db: Database, task_id: str, *, now: float) -> dict[str, object]:
    """One task with payload and result; raises Missing."""
    with db.transaction(durable=False) as sql:
        sweep(sql, now)
        return shown(by_id(sql, task_id), now)


def page(
    db: Database, *, state: str | None, kind: str | None, after: int, limit: int, now: float
) -> list[dict[str, object]]:
    """Up to `limit` tasks as they were made, after that with seq `after`; without payload and result."""
    with db.transaction(durable=False) as sql:
        sweep(sql, now)
        rows = sql.execute(
            f"SELECT * FROM tasks WHERE seq > :after AND (:state IS NULL OR {SHOWN} = :state)"
            " AND (:kind IS NULL OR kind = :kind) ORDER BY seq LIMIT :limit",
            {"after": after, "state": state, "kind": kind, "limit": limit, "now": now},
        ).fetchall()
    return [{k: v for k, v in shown(row, now).items() if k not in ("payload", "result")} for row in rows]


def stats(db: Database, *, now: float) -> dict[str, object]:
    """Counts by state (all of them, 0 included), the oldest ready task's age, the last hour, the workers."""
    with db.transaction(durable=False) as sql:
        sweep(sql, now)
        counts = dict.fromkeys(STATES, 0)
        for state, count in sql.execute(f"SELECT {SHOWN}, count(*) FROM tasks GROUP BY 1", {"now": now}):
            counts[state] = count
        oldest = sql.execute(
            "SELECT min(run_at) FROM tasks WHERE state = 'ready' AND run_at <= ?", (now,)
        ).fetchone()[0]
        return {
            "counts": counts,
            "oldest_ready_s": None if oldest is None else round(now - oldest, 3),
            "last_hour": _last_hour(sql, now),
            "workers": _present(sql, now),
        }


def _last_hour(sql: sqlite3.Connection, now: float) -> dict[str, int]:
    counts = {"succeeded": 0, "dead": 0}
    counts.update(
        sql.execute("SELECT state, count(*) FROM tasks WHERE finished_at > ? GROUP BY 1", (now - RECENT_S,))
    )
    return counts


def _present(sql: sqlite3.Connection, now: float) -> dict[str, int]:
    present = sql.execute("SELECT count(*) FROM workers WHERE seen_at >= ?", (now - PRESENT_S,)).fetchone()[0]
    return {"present": present}


def everybody(db: Database, *, now: float) -> list[dict[str, object]]:
    """The workers of the last week."""
    with db.transaction(durable=False) as sql:
        return workers(sql, now)


def kinds(db: Database, *, now: float) -> Kinds:
    """What those workers serve."""
    with db.transaction(durable=False) as sql:
        return known_kinds(sql, now)


def next_due_s(db: Database, *, now: float) -> float | None:
    """Seconds until a scheduled task becomes ready or a lease runs out; None when neither is to come."""
    with db.transaction(durable=False) as sql:
        at = sql.execute(
            "SELECT min(at) FROM (SELECT min(run_at) AS at FROM tasks WHERE state = 'ready' AND run_at > :now"
            " UNION ALL SELECT min(lease_until) FROM tasks WHERE state = 'leased')",
            {"now": now},
        ).fetchone()[0]
    return None if at is None else max(0.0, at - now)


def answers(db: Database) -> None:
    """Raises Unavailable unless the database can begin to write."""
    with db.transaction(durable=False) as sql:
        sql.execute("SELECT count(*) FROM workers").fetchone()


def shown(task: sqlite3.Row, now: float) -> dict[str, object]:
    """A task as JSON shows it: times in UTC, seconds as seconds, absent things null, no token."""
    scheduled = task["state"] == "ready" and task["run_at"] > now
    times = {name: _time(task[name]) for name in ("created_at", "run_at", "started_at", "finished_at")}
    return {
        "id": task["id"],
        "seq": task["seq"],
        "kind": task["kind"],
        "payload": json.loads(task["payload"]),
        "priority": task["priority"],
        "state": "scheduled" if scheduled else task["state"],
        "attempts": task["attempts"],
        "max_attempts": task["max_attempts"],
        "backoff_seconds": task["backoff_s"],
        "timeout_seconds": task["timeout_s"],
        "idempotency_key": task["idempotency_key"],
        "worker": task["worker"],
        "lease_until": _time(task["lease_until"]),
        "result": None if task["result"] is None else json.loads(task["result"]),
        "error": task["error"],
        **times,
    }


def _time(at: float | None) -> str | None:
    return None if at is None else utc_text(at)

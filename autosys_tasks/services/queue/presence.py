"""Who works here: the workers, their kinds, when each was last heard of. Apart from any lease (P22)."""

from __future__ import annotations

import json
import sqlite3

from autosys_tasks.core.errors import nearest
from autosys_tasks.services.queue.order import Invalid, Kinds, Wish

PRESENT_S = 60.0  # a worker is heard of every 20 s when idle, every 15 s at work
KEEP_WORKERS_S = 7 * 86_400.0


def attend(sql: sqlite3.Connection, wish: Wish, now: float) -> None:
    """Note that this worker lives and what it serves."""
    kinds = json.dumps({kind: names if names is None else list(names) for kind, names in wish.kinds.items()})
    sql.execute(
        "INSERT INTO workers (instance, name, pid, kinds, started_at, seen_at) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (instance) DO UPDATE SET name = excluded.name, pid = excluded.pid,"
        " kinds = excluded.kinds, seen_at = excluded.seen_at",
        (wish.instance, wish.worker, wish.pid, kinds, now, now),
    )


def seen(sql: sqlite3.Connection, instance: str, now: float) -> None:
    """Note that this worker lives."""
    sql.execute("UPDATE workers SET seen_at = ? WHERE instance = ?", (now, instance))


def forget(sql: sqlite3.Connection, now: float) -> None:
    """Drop workers not heard of for a week; a name's earlier instances once they are no longer present."""
    sql.execute("DELETE FROM workers WHERE seen_at < ?", (now - KEEP_WORKERS_S,))
    sql.execute(
        "DELETE FROM workers WHERE seen_at < ? AND EXISTS"
        " (SELECT 1 FROM workers AS w WHERE w.name = workers.name AND w.seen_at > workers.seen_at)",
        (now - PRESENT_S,),
    )


def workers(sql: sqlite3.Connection, now: float) -> list[dict[str, object]]:
    """Every worker heard of in the last week, latest first; `busy` counts the tasks that it holds."""
    forget(sql, now)
    rows = sql.execute(
        "SELECT workers.*, (SELECT count(*) FROM tasks WHERE tasks.state = 'leased'"
        " AND tasks.instance = workers.instance) AS busy FROM workers ORDER BY seen_at DESC"
    ).fetchall()
    return [_worker(row, now) for row in rows]


def _worker(row: sqlite3.Row, now: float) -> dict[str, object]:
    silent_s = max(0.0, now - row["seen_at"])
    return {
        "name": row["name"],
        "instance": row["instance"],
        "pid": row["pid"],
        "kinds": json.loads(row["kinds"]),
        "state": "present" if silent_s <= PRESENT_S else "absent",
        "silent_s": round(silent_s, 3),
        "busy": row["busy"],
    }


def known_kinds(sql: sqlite3.Connection, now: float) -> Kinds:
    """What the workers of the last week serve, together."""
    known: dict[str, tuple[str, ...] | None] = {}
    for (text,) in sql.execute("SELECT kinds FROM workers WHERE seen_at >= ?", (now - KEEP_WORKERS_S,)):
        for kind, names in json.loads(text).items():
            before = known.get(kind, ())
            known[kind] = None if names is None or before is None else tuple(sorted({*before, *names}))
    return known


def require_known(known: Kinds, kind: str, name: str | None) -> None:
    """Raise Invalid, naming what is known, when no worker serves such a task."""
    if not known:
        hint = "start one: python -m autosys_tasks.services.worker"
        raise Invalid(f"no worker has told its kinds yet; `{kind}` cannot be judged", hint=hint)
    if kind not in known:
        raise Invalid(f"no worker serves the kind `{kind}`", hint=_known("kinds", kind, known))
    names = known[kind]
    if names is not None and name not in names:
        raise Invalid(f"no worker serves `{kind}` named `{name}`", hint=_known("names", name or "", names))


def _known(what: str, word: str, known: object) -> str:
    names = sorted(str(name) for name in known)  # type: ignore[attr-defined]
    near = nearest(word, names)
    return f"known {what}: {', '.join(names) or 'none'}" + (f"; did you mean `{near}`?" if near else "")

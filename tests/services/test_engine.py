"""The queue's rules with time as a parameter: no process, no socket, no clock."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from autosys_tasks.core.errors import StateError
from autosys_tasks.services.queue import engine, queries
from autosys_tasks.services.queue.database import Database, Unavailable, open_database
from autosys_tasks.services.queue.engine import Conflict, Full, Stale
from autosys_tasks.services.queue.order import Invalid, Wish, parse_order
from autosys_tasks.services.queue.presence import attend

pytestmark = pytest.mark.portable

NOON = 1_800_000_000.0
DAY = 86_400.0


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    """An empty queue, served by a worker for `ping` and the command `build`."""
    database = open_database(tmp_path / "queue.sqlite3")
    with database.transaction(durable=False) as sql:
        attend(sql, wish("first"), NOON)
    yield database
    database.close()


def wish(worker: str, lease_s: float = 60.0) -> Wish:
    return Wish(worker, worker, 1, {"ping": None, "command": ("build",)}, lease_s, 0.0)


def put(db: Database, *, now: float = NOON, key: str | None = None, **fields: object) -> str:
    placed = engine.enqueue(db, parse_order({"kind": "ping", **fields}, key), now=now)
    return str(placed.task["id"])


def take(db: Database, worker: str = "first", *, now: float = NOON, lease_s: float = 60.0) -> sqlite3.Row:
    task = engine.lease(db, wish(worker, lease_s), now=now)
    assert task is not None, "nothing to lease"
    return task


def state(db: Database, task_id: str, now: float) -> object:
    return queries.get(db, task_id, now=now)["state"]


def test_a_leased_task_is_handed_to_nobody_else(db: Database) -> None:
    put(db)
    take(db)
    assert engine.lease(db, wish("second"), now=NOON + 59) is None


def test_the_higher_priority_goes_first_and_equals_go_in_the_order_of_their_coming(db: Database) -> None:
    placed = [put(db, priority=priority) for priority in (0, 5, 0, 5, -1)]
    taken = [take(db)["id"] for _ in placed]
    assert taken == [placed[1], placed[3], placed[0], placed[2], placed[4]]


def test_a_delayed_task_is_scheduled_until_its_time(db: Database) -> None:
    task_id = put(db, delay_seconds=30)
    assert state(db, task_id, NOON + 29) == "scheduled"
    assert engine.lease(db, wish("first"), now=NOON + 29) is None
    assert queries.next_due_s(db, now=NOON + 10) == 20
    assert take(db, now=NOON + 30)["id"] == task_id


def test_a_worker_gets_only_the_names_of_a_kind_that_it_knows(db: Database) -> None:
    with db.transaction(durable=False) as sql:
        attend(sql, Wish("other", "other", 1, {"command": ("test",)}, 60.0, 0.0), NOON)
    put(db, kind="command", payload={"name": "test"})
    assert engine.lease(db, wish("first"), now=NOON) is None
    build = put(db, kind="command", payload={"name": "build"})
    assert take(db)["id"] == build


def test_after_an_expired_lease_another_worker_gets_the_task_and_the_late_result_is_refused(
    db: Database,
) -> None:
    """Fencing: the earlier server took the late result of an expired lease."""
    task_id = put(db)
    late = take(db)
    second = take(db, "second", now=NOON + 60)
    assert (second["id"], second["attempts"]) == (task_id, 2)
    for refused in (
        lambda: engine.complete(db, late["token"], "1", now=NOON + 61),
        lambda: engine.fail(db, late["token"], "x", retryable=True, now=NOON + 61),
        lambda: engine.heartbeat(db, late["token"], now=NOON + 61),
        lambda: engine.release(db, late["token"], now=NOON + 61),
    ):
        with pytest.raises(Stale):
            refused()
    assert engine.complete(db, second["token"], '"second"', now=NOON + 62)["result"] == '"second"'


def test_a_late_result_is_refused_also_when_nobody_took_the_task_yet(db: Database) -> None:
    task_id = put(db)
    late = take(db)
    with pytest.raises(Stale):
        engine.complete(db, late["token"], "1", now=NOON + 60)
    assert state(db, task_id, NOON + 60) == "ready"


def test_a_heartbeat_renews_the_lease_for_its_full_length(db: Database) -> None:
    put(db)
    task = take(db)
    engine.heartbeat(db, task["token"], now=NOON + 50)
    assert engine.lease(db, wish("second"), now=NOON + 109) is None
    assert engine.complete(db, task["token"], "null", now=NOON + 109)["state"] == "succeeded"


def test_settling_twice_with_one_token_is_once(db: Database) -> None:
    """The answer to the first may have been lost on its way."""
    put(db), put(db, max_attempts=1)
    done, failed = take(db), take(db)
    assert engine.complete(db, done["token"], "1", now=NOON)["finished_at"] == NOON
    assert engine.complete(db, done["token"], "2", now=NOON + 5)["result"] == "1"
    assert engine.fail(db, failed["token"], "first", retryable=True, now=NOON)["state"] == "dead"
    assert engine.fail(db, failed["token"], "second", retryable=True, now=NOON)["error"] == "first"
    with pytest.raises(Stale):
        engine.complete(db, failed["token"], "1", now=NOON)


def test_a_failing_task_comes_back_later_and_later_and_then_is_dead(db: Database) -> None:
    task_id = put(db, max_attempts=3, backoff_seconds=10)
    now = NOON
    for delay in (10, 20):
        task = take(db, now=now)
        engine.fail(db, task["token"], "no", retryable=True, now=now)
        assert engine.lease(db, wish("first"), now=now + delay - 1) is None
        now += delay
    last = take(db, now=now)
    engine.fail(db, last["token"], "still no", retryable=True, now=now)
    dead = queries.get(db, task_id, now=now + DAY)
    assert (dead["state"], dead["attempts"], dead["error"]) == ("dead", 3, "still no")
    assert engine.lease(db, wish("first"), now=now + DAY) is None


def test_the_backoff_is_bounded() -> None:
    assert [engine.backoff(5, n) for n in (1, 2, 3, 99)] == [5, 10, 20, 300]
    assert engine.backoff(4000, 3) == 4000


def test_what_cannot_succeed_is_dead_at_once(db: Database) -> None:
    task_id = put(db)
    engine.fail(db, take(db)["token"], "unfit", retryable=False, now=NOON)
    assert state(db, task_id, NOON) == "dead"


def test_a_task_that_silences_each_of_its_workers_is_dead_after_its_attempts(db: Database) -> None:
    task_id = put(db, max_attempts=2)
    take(db)
    take(db, now=NOON + 60)
    dead = queries.get(db, task_id, now=NOON + 120)
    assert dead["state"] == "dead"
    assert "`first` fell silent" in str(dead["error"])


def test_a_released_task_has_used_up_no_attempt(db: Database) -> None:
    put(db, max_attempts=1)
    engine.release(db, take(db)["token"], now=NOON)
    assert take(db, "second")["attempts"] == 1


def test_the_same_order_under_the_same_key_is_one_task(db: Database) -> None:
    first = put(db, key="k1", payload={"a": 1, "b": 2})
    assert put(db, key="k1", payload={"b": 2, "a": 1}) == first
    with pytest.raises(Conflict):
        put(db, key="k1", payload={"a": 2})
    assert put(db, payload={"a": 1, "b": 2}) != first


def test_an_unknown_kind_is_refused_with_the_known_ones_and_the_nearest(db: Database) -> None:
    """17 of 19 results of the earlier system were "Unsupported task type"."""
    with pytest.raises(Invalid) as refused:
        put(db, kind="pimg")
    assert refused.value.hint == "known kinds: command, ping; did you mean `ping`?"
    with pytest.raises(Invalid) as refused:
        put(db, kind="command", payload={"name": "deploy"})
    assert "known names: build" in refused.value.hint


def test_an_order_is_refused_while_no_worker_has_ever_come(tmp_path: Path) -> None:
    empty = open_database(tmp_path / "empty.sqlite3")
    with pytest.raises(Invalid) as refused:
        put(empty)
    assert "services.worker" in refused.value.hint
    empty.close()


def test_a_full_queue_refuses(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "QUEUE_LIMIT", 2)
    put(db), put(db)
    with pytest.raises(Full):
        put(db)
    engine.complete(db, take(db)["token"], "1", now=NOON)
    put(db)


def test_an_idle_worker_is_present_and_a_silent_one_absent(db: Database) -> None:
    """P22: 2,926 alerts "No active workers", because only workers with a lease counted."""
    assert engine.lease(db, wish("idle"), now=NOON + 100) is None
    seen = {row["name"]: row["state"] for row in queries.everybody(db, now=NOON + 120)}
    assert seen == {"idle": "present", "first": "absent"}
    assert queries.stats(db, now=NOON + 120)["workers"] == {"present": 1}


def test_a_clock_that_moved_back_a_day_holds_up_no_task(db: Database) -> None:
    leased, scheduled = put(db, delay_seconds=0), put(db, delay_seconds=5)
    take(db)
    back = NOON - DAY
    assert state(db, leased, back) == "leased"
    assert state(db, leased, back + 60) == "ready"
    assert state(db, scheduled, back + 60) == "ready"


def test_a_lease_lives_on_when_the_server_was_away_for_long(db: Database) -> None:
    """Nobody could renew it meanwhile, and the worker is most likely still at it."""
    put(db)
    task = take(db)
    assert engine.resume(db, now=NOON + 500) == 1
    assert engine.complete(db, task["token"], "1", now=NOON + 559)["state"] == "succeeded"


def test_what_ended_long_ago_is_forgotten_and_open_tasks_never(db: Database) -> None:
    done, dead, waiting = put(db), put(db, max_attempts=1), put(db)
    engine.complete(db, take(db)["token"], "1", now=NOON)
    engine.fail(db, take(db)["token"], "x", retryable=True, now=NOON)
    assert engine.purge(db, now=NOON + 6 * DAY) == 0
    assert engine.purge(db, now=NOON + 8 * DAY) == 1
    assert engine.purge(db, now=NOON + 31 * DAY) == 1
    left = queries.page(db, state=None, kind=None, after=0, limit=10, now=NOON + 31 * DAY)
    assert [task["id"] for task in left] == [waiting]
    assert done and dead


def test_counts_and_pages_agree(db: Database) -> None:
    for delay in (0, 0, 100):
        put(db, delay_seconds=delay)
    engine.complete(db, take(db)["token"], "1", now=NOON)
    counts = queries.stats(db, now=NOON + 1)["counts"]
    assert counts == {"scheduled": 1, "ready": 1, "leased": 0, "succeeded": 1, "dead": 0}
    for name, count in counts.items():
        assert len(queries.page(db, state=name, kind="ping", after=0, limit=9, now=NOON + 1)) == count
    assert queries.page(db, state=None, kind=None, after=2, limit=9, now=NOON + 1)[0]["seq"] == 3


def test_whatever_happens_a_task_has_one_holder_and_one_result(db: Database) -> None:
    """A random walk of two workers over 1,500 steps, with lost leases, late results and lost answers."""
    dice = random.Random(4)
    now, tokens, results = NOON, [], {}
    for step in range(1500):
        now += dice.choice((0, 0, 1, 12))
        move = dice.randrange(5)
        if move == 0:
            put(db, now=now, max_attempts=dice.randint(1, 4), backoff_seconds=1)
        elif move == 1 and (task := engine.lease(db, wish(dice.choice("ab"), 30.0), now=now)):
            assert task["attempts"] <= task["max_attempts"]
            tokens.append((task["id"], task["token"]))
        elif tokens:
            task_id, token = dice.choice(tokens[-5:])
            try:
                if move == 2:
                    engine.complete(db, token, str(step), now=now)
                    results.setdefault(task_id, token)
                    assert results[task_id] == token, "two leases completed one task"
                elif move == 3:
                    engine.fail(db, token, "x", retryable=dice.random() < 0.8, now=now)
                else:
                    engine.heartbeat(db, token, now=now)
            except Stale:
                continue
    assert len(results) > 50
    for task_id in results:
        assert state(db, task_id, now) == "succeeded"


def test_a_second_process_cannot_have_the_file(tmp_path: Path, db: Database) -> None:
    with pytest.raises(StateError) as refused:
        open_database(tmp_path / "queue.sqlite3")
    assert "another queue server" in refused.value.hint


def test_a_damaged_file_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "broken.sqlite3"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(StateError) as refused:
        open_database(path)
    assert str(path) in refused.value.message
    assert path.read_bytes().startswith(b"this is no")


def test_a_closed_database_says_that_it_is_unavailable(tmp_path: Path) -> None:
    database = open_database(tmp_path / "closed.sqlite3")
    database.close()
    with pytest.raises(Unavailable):
        queries.answers(database)

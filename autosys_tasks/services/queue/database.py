"""Opens the queue's SQLite file for this process alone and runs transactions in it. Knows no task rules."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autosys_tasks.core.errors import AutosysError, StateError
from autosys_tasks.services.paths import private_parent

VERSION = 1
PATIENCE_S = 2.0

SCHEMA = """
CREATE TABLE tasks (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    name TEXT,                      -- payload.name, for workers that know only some names of a kind
    payload TEXT NOT NULL,
    priority INTEGER NOT NULL,
    state TEXT NOT NULL,            -- ready | leased | succeeded | dead; ready before run_at: scheduled
    run_at REAL NOT NULL,
    delay_s REAL NOT NULL,          -- how far run_at lay ahead when it was set: shows a clock that moved back
    attempts INTEGER NOT NULL DEFAULT 0,
    max_attempts INTEGER NOT NULL,
    backoff_s REAL NOT NULL,
    timeout_s REAL NOT NULL,
    idempotency_key TEXT,
    fingerprint TEXT NOT NULL,
    token TEXT,                     -- of the lease that holds the task, or that settled its last attempt
    worker TEXT,
    instance TEXT,
    lease_s REAL,
    lease_until REAL,
    result TEXT,
    error TEXT,
    created_at REAL NOT NULL,
    started_at REAL,
    finished_at REAL
);
CREATE INDEX tasks_turn ON tasks (state, priority DESC, seq);
CREATE INDEX tasks_due ON tasks (state, run_at);
CREATE UNIQUE INDEX tasks_token ON tasks (token) WHERE token IS NOT NULL;
CREATE UNIQUE INDEX tasks_key ON tasks (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE TABLE workers (
    instance TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    pid INTEGER,
    kinds TEXT NOT NULL,
    started_at REAL NOT NULL,
    seen_at REAL NOT NULL
);
"""


class Unavailable(AutosysError):
    """The database does not answer now; the same request may work later."""

    kind = "unavailable"


class Database:
    """The open file. One connection behind one lock: SQLite has a single writer anyway."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._synchronous = ""

    @contextmanager
    def transaction(self, *, durable: bool) -> Iterator[sqlite3.Connection]:
        """All or nothing; raises Unavailable when the file cannot be read or written.

        `durable` (what a client is told is kept): FULL, one fsync, so that it survives a power cut. Without
        it NORMAL: it survives any kill, and all that a power cut can lose is who was working on what.
        """
        if not self._lock.acquire(timeout=PATIENCE_S):
            raise Unavailable("the database is busy", hint="try again")
        try:
            self._set_synchronous("FULL" if durable else "NORMAL")
            self._connection.execute("BEGIN IMMEDIATE")
            with self._connection:
                yield self._connection
        except sqlite3.Error as error:
            raise Unavailable(f"the database failed: {error}", hint="see the service's log") from error
        finally:
            self._lock.release()

    def _set_synchronous(self, mode: str) -> None:
        if mode != self._synchronous:
            self._connection.execute(f"PRAGMA synchronous={mode}")
            self._synchronous = mode

    def close(self) -> None:
        """Waits for the running transaction, then closes; later ones raise Unavailable."""
        with self._lock:
            self._connection.close()


def open_database(path: Path) -> Database:
    """The queue's file, made when absent; StateError when it is damaged, foreign, or taken."""
    try:
        connection = sqlite3.connect(
            private_parent(path), timeout=PATIENCE_S, isolation_level=None, check_same_thread=False
        )
        _prepare(connection)
    except sqlite3.OperationalError as error:
        raise StateError(
            f"cannot open the database `{path}`: {error}",
            where=str(path),
            hint="another queue server may have it open; stop that one, or choose another file with --db",
        ) from error
    except sqlite3.DatabaseError as error:
        hint = "move the file away; a new one is made at the next start"
        raise StateError(f"`{path}` is not a sound database: {error}", where=str(path), hint=hint) from error
    return Database(connection)


def _prepare(connection: sqlite3.Connection) -> None:
    """EXCLUSIVE: the kernel keeps every other process out and lets go at any death; no shared memory file."""
    connection.row_factory = sqlite3.Row
    for pragma in ("locking_mode=EXCLUSIVE", "auto_vacuum=INCREMENTAL", "journal_mode=WAL", "fullfsync=ON"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("PRAGMA journal_size_limit=4194304")
    connection.execute("BEGIN EXCLUSIVE")
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        for statement in SCHEMA.split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version={VERSION}")
    connection.execute("COMMIT")
    if version > VERSION:
        raise sqlite3.DatabaseError(f"made by a newer version ({version})")

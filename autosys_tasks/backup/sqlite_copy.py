"""Copies SQLite databases as of one moment, while others write to them; reads the database only.

SQLite's own backup does it, in one step under its own locks. Where that is not to be had (a journal that a crash left,
somebody who lets nobody else read), the database is copied with its journal as they lie there, if neither changes
meanwhile, and SQLite mends the copy. Either way the copy is checked before it counts.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

from autosys_tasks.backup.read import read_steadily, sha256_of
from autosys_tasks.backup.retry import RetryBudget
from autosys_tasks.backup.values import FILE, Found

MAGIC = b"SQLite format 3\0"
PAGE = 512  # every database is a multiple of it
SIDES = ("-wal", "-journal")  # what belongs to the content; `-shm` is of this moment alone
ITS_OWN = (*SIDES, "-shm")
JOURNAL_HEAD = 28  # bytes
LOCKED_S = 5.0  # so long a lock is waited for
TRIES = 4
PART = 1 << 20
BUSY = (5, 6)  # SQLITE_BUSY, SQLITE_LOCKED


class Unusable(OSError):
    """The database cannot be copied as of one moment, or is damaged itself."""


def is_sqlite(source: str, size: int) -> bool:
    """Whether a file is a database, by its first bytes; asks only those that have the size of one."""
    if not size or size % PAGE:
        return False
    try:
        with open(source, "rb", buffering=0) as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def stamp_of(source: str) -> tuple[tuple[int, int], int]:
    """What changes when the database does, its journals considered: (stamp, newest mtime_ns). Raises OSError."""
    there = [os.stat(source), *_sides(source)]
    mixed = hashlib.sha256(repr([(one.st_ctime_ns, one.st_mtime_ns, one.st_size) for one in there]).encode()).digest()
    return (there[0].st_ino, int.from_bytes(mixed[:7], "big")), max(one.st_mtime_ns for one in there)


def _sides(source: str) -> list[os.stat_result]:
    found = []
    for side in SIDES:
        try:
            found.append(os.stat(source + side))
        except FileNotFoundError:
            continue
    return found


def is_copy(source: str, sha256: str) -> bool:
    """Whether a copy made now would be the one of this hash, whichever way that was made; raises OSError.

    SQLite opens a copy alone: to open a database that others use leaves marks beside it.
    """
    import sqlite3
    import tempfile

    with tempfile.TemporaryDirectory(prefix="autosys-") as folder:
        target, again = Path(folder, "copy"), Path(folder, "again")
        if not _as_it_lies(source, target, RetryBudget()):
            return False
        _check(target)
        if sha256_of(target) == sha256:
            return True
        try:
            _online(str(target), again, LOCKED_S)
        except sqlite3.Error:
            return False
        return sha256_of(again) == sha256


def side_of(source: str) -> str:
    """The name of a journal with something in it beside where a database is, or is to be; "" for none."""
    for side in SIDES:
        with contextlib.suppress(OSError), open(source + side, "rb", buffering=0) as file:
            if any(file.read(JOURNAL_HEAD)):  # one that is done with is empty, or its head is zeros
                return os.path.basename(source + side)
    return ""


def copy(
    source: str, target: Path, retries: RetryBudget | None = None, *, locked_s: float = LOCKED_S, apart: bool = False
) -> None:
    """Write the database as of one moment to `target`, made anew; raises OSError (Unusable when it cannot).

    `apart`: SQLite does not open the database itself, which others would see in its `-shm`; see is_copy.
    """
    import sqlite3

    retries, online = retries or RetryBudget(), not apart
    for _ in range(TRIES):
        if online and _is_for_sqlite(source):
            try:
                _online(source, target, locked_s)
                break
            except sqlite3.Error:
                online = False
        if _as_it_lies(source, target, retries):
            break
        retries.wait()
    else:
        raise Unusable("SQLite: another program locks it and writes all the time")
    _check(target)


def _is_for_sqlite(source: str) -> bool:
    """Whether SQLite can open it without leaving a trace: a database in WAL mode only while others have it open."""
    if os.path.exists(f"{source}-wal"):
        return os.path.exists(f"{source}-shm")
    with open(source, "rb", buffering=0) as file:
        has_log = file.read(PAGE)[18:19] == b"\2"  # to open it would make a -wal
    return not has_log


def _online(source: str, target: Path, locked_s: float) -> None:
    """SQLite's own backup, all pages in one step; raises sqlite3.Error."""
    import sqlite3

    until = time.monotonic() + locked_s

    def impatient(status: int, _left: int, _total: int) -> None:
        if status in BUSY and time.monotonic() > until:
            raise sqlite3.OperationalError(f"locked for {locked_s:g} s")

    _clear(target)
    plain = source.removeprefix("\\\\?\\")
    with (
        closing(sqlite3.connect(f"{Path(plain).as_uri()}?mode=ro", uri=True, timeout=0)) as reading,
        closing(sqlite3.connect(target)) as writing,
    ):
        reading.backup(writing, pages=-1, progress=impatient, sleep=0.05)


def _as_it_lies(source: str, target: Path, retries: RetryBudget) -> bool:
    """The bytes of the database and its journals; whether none of them changed from the first to the last."""
    before = stamp_of(source)
    _clear(target)
    for side in ("", *SIDES):
        try:
            _copy_file(source + side, f"{target}{side}", retries)
        except FileNotFoundError:
            if not side:
                raise
    return stamp_of(source) == before


def _copy_file(source: str, target: str, retries: RetryBudget) -> None:
    os.stat(source)  # one that was never there is not waited for

    def write(stream: BinaryIO) -> None:
        with open(target, "wb") as file:
            while part := stream.read(PART):
                file.write(part)

    read_steadily(Found(source, source, FILE, 0, 0, 0), write, retries)


def _clear(target: Path) -> None:
    for side in ("", *ITS_OWN):
        Path(f"{target}{side}").unlink(missing_ok=True)


def _check(target: Path) -> None:
    """Mend the copy where a journal came with it, and have SQLite look at it whole."""
    import sqlite3

    try:
        with closing(sqlite3.connect(target, timeout=0)) as copied:
            (said,) = copied.execute("PRAGMA quick_check(1)").fetchone()
            if copied.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
                copied.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        said = str(error)
    if said != "ok":
        raise Unusable(f"SQLite: {said}".replace("\n", " "))

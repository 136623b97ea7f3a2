"""Databases are copied as of one moment, whoever writes to them, and are left as they were."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import rig
from desk_tree import collected, config_of, paths

from autosys_tasks.backup.retry import RetryBudget
from autosys_tasks.backup.sqlite_copy import Unusable, copy, is_sqlite, stamp_of
from autosys_tasks.backup.values import FILE
from autosys_tasks.core.files import long_path


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty workspace whose state folder lies beside it."""
    monkeypatch.setenv("AUTOSYS_STATE", str(tmp_path / "state"))
    (tmp_path / "desk 책상").mkdir()
    return tmp_path / "desk 책상"


@pytest.fixture
def writing() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """writing(path, mode): a process that writes to a database all the time."""
    started = []

    def start(path: Path, mode: str) -> subprocess.Popen[bytes]:
        program = str(rig.PROGRAMS / "writes_sqlite.py")
        started.append(subprocess.Popen([rig.PYTHON, program, str(path), mode]))
        rig.wait_for(lambda: rows(path) > 20, what="a database with 20 rows")
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def rows(path: Path) -> int:
    """How many rows the database has now."""
    try:
        with closing(sqlite3.connect(path, timeout=30)) as base:
            return int(base.execute("SELECT max(rows) FROM total").fetchone()[0] or 0)
    except sqlite3.Error:
        return 0


def is_of_one_moment(path: Path) -> int:
    """The rows of a copy, if they and their sum belong together."""
    with closing(sqlite3.connect(path)) as base:
        count, total = base.execute("SELECT count(*), sum(value) FROM numbers").fetchone()
        assert base.execute("SELECT rows, value FROM total").fetchall() == [(count, total)]
        assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return int(count)


def made(path: Path, mode: str = "delete", count: int = 50) -> Path:
    """A database at rest."""
    with closing(sqlite3.connect(path)) as base:
        base.execute(f"PRAGMA journal_mode = {mode}")
        base.execute("CREATE TABLE numbers (value INTEGER, filler TEXT)")
        base.execute("CREATE TABLE total (rows INTEGER, value INTEGER)")
        base.executemany("INSERT INTO numbers VALUES (?, 'x')", [(number,) for number in range(count)])
        base.execute("INSERT INTO total SELECT count(*), sum(value) FROM numbers")
        base.commit()
    return path


def beside(path: Path) -> dict[str, bytes]:
    """Everything in its folder."""
    return {each.name: each.read_bytes() for each in sorted(path.parent.iterdir())}


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_each_of_20_copies_under_a_writer_is_of_one_moment(
    tmp_path: Path, writing: Callable[..., object], mode: str
) -> None:
    base, last = tmp_path / "live.db", 0
    writing(base, mode)
    for number in range(20):
        before = rows(base)
        copy(str(base), tmp_path / "copy.db")
        count = is_of_one_moment(tmp_path / "copy.db")
        assert count >= before >= last, number
        last = count
    assert not (tmp_path / "copy.db-wal").exists()


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_database_at_rest_is_left_as_it_was(tmp_path: Path, mode: str) -> None:
    (tmp_path / "desk").mkdir()
    base = made(tmp_path / "desk" / "rest.db", mode)
    before = beside(base)
    copy(str(base), tmp_path / "copy.db")
    assert beside(base) == before
    assert is_of_one_moment(tmp_path / "copy.db") == 50


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_what_a_killed_writer_left_is_mended_in_the_copy_alone(
    tmp_path: Path, writing: Callable[..., subprocess.Popen[bytes]], mode: str
) -> None:
    folder = tmp_path / "desk"
    folder.mkdir()
    live = tmp_path / "live.db"
    process = writing(live, mode)
    process.kill()
    process.wait()
    for side in ("", "-wal", "-journal"):  # moved as a person would: without -shm
        if (tmp_path / f"live.db{side}").exists():
            shutil.copy(tmp_path / f"live.db{side}", folder / f"left.db{side}")
    before = beside(folder / "left.db")
    copy(str(folder / "left.db"), tmp_path / "copy.db")
    assert beside(folder / "left.db") == before
    assert is_of_one_moment(tmp_path / "copy.db") >= 20


def test_a_database_that_is_locked_for_long_is_copied_as_it_lies(tmp_path: Path) -> None:
    base = made(tmp_path / "locked.db")
    with closing(sqlite3.connect(base, isolation_level=None)) as holder:
        holder.execute("PRAGMA locking_mode = EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        copy(str(base), tmp_path / "copy.db", locked_s=0.2)
    assert is_of_one_moment(tmp_path / "copy.db") == 50


def test_a_damaged_database_is_said_to_be(tmp_path: Path) -> None:
    base = made(tmp_path / "bad.db", count=5000)
    with base.open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(8192))
    with pytest.raises(Unusable, match="SQLite: "):
        copy(str(base), tmp_path / "copy.db", RetryBudget(0))


def test_only_databases_are_taken_for_some(tmp_path: Path) -> None:
    base = made(tmp_path / "x.bin")
    assert is_sqlite(str(base), base.stat().st_size)
    (tmp_path / "y.db").write_bytes(b"SQLite format 2\0" + bytes(496))
    assert not is_sqlite(str(tmp_path / "y.db"), 512)
    assert not is_sqlite(str(tmp_path / "nowhere.db"), 512)


def test_its_stamp_changes_with_every_commit_and_stays_otherwise(tmp_path: Path) -> None:
    path = made(tmp_path / "x.db", "wal")
    at_rest = stamp_of(str(path))
    copy(str(path), tmp_path / "copy.db")
    assert stamp_of(str(path)) == at_rest
    with closing(sqlite3.connect(path)) as base:
        base.execute("INSERT INTO numbers VALUES (1, '')")
        base.commit()
        assert stamp_of(str(path)) != at_rest, "its file is the same, its log is not"


# In a workspace


def test_a_database_comes_without_its_journals(desk: Path, writing: Callable[..., object]) -> None:
    writing(desk / "memory.sqlite", "wal")
    (desk / "notes.txt").write_text("x", encoding="utf-8")
    assert (desk / "memory.sqlite-wal").exists() and (desk / "memory.sqlite-shm").exists()
    found = collected(config_of(desk, "**", "*.sqlite-wal"))
    assert paths(found) == ["memory.sqlite", "notes.txt"] and not found.missing
    base = found.found[0]
    assert "sqlite" in base.flags and base.source != str(desk / "memory.sqlite")
    assert base.size == Path(base.source).stat().st_size
    assert is_of_one_moment(Path(base.source)) > 20


def test_a_damaged_database_is_kept_as_it_lies_and_named(desk: Path) -> None:
    base = made(desk / "bad.db", count=5000)
    with base.open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(8192))
    found = collected(config_of(desk, "*.db", required=True))
    assert [(one.path, one.kind, one.source) for one in found.found] == [("bad.db", FILE, long_path(str(base)))]
    assert [(one.path, one.required) for one in found.missing] == [("bad.db", True)]
    assert "SQLite" in found.missing[0].why and "as it lies there" in found.missing[0].why


def test_a_journal_whose_database_is_not_asked_for_is_a_file(desk: Path) -> None:
    (desk / "x.db-wal").write_bytes(b"log")
    assert paths(collected(config_of(desk, "x.db-wal"))) == ["x.db-wal"]

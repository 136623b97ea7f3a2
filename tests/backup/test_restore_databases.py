"""Databases restored over those that are there: what is the same stays, and no journal is played back into another."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import rig

TOML = """
[backup.git]
enabled = false
[backup.sets.data]
include = ["data/"]
"""


@pytest.fixture(params=["delete", "wal"])
def desk(workspace: rig.Workspace, request: pytest.FixtureRequest) -> rig.Workspace:
    """A workspace with a database in either way of writing, and a backup."""
    workspace.write(TOML).file("data/a.txt", "a")
    with closing(opened(workspace)) as database, database:
        database.execute(f"PRAGMA journal_mode = {request.param}")
        database.execute("CREATE TABLE notes (word TEXT)")
        database.executemany("INSERT INTO notes VALUES (?)", [(f"word {number}",) for number in range(999)])
    workspace.cli("backup").rc(0)
    return workspace


def opened(desk: rig.Workspace) -> sqlite3.Connection:
    return sqlite3.connect(desk.root / "data/x.db")


def words(desk: rig.Workspace) -> int:
    """How many it holds, by a connection that leaves nothing beside it."""
    with closing(opened(desk)) as database:
        return int(database.execute("SELECT count(*) FROM notes").fetchone()[0])


def restored(desk: rig.Workspace, overwrite: str, code: int = 0) -> dict[str, tuple[bool | None, str]]:
    """How restoring in place ended for each path."""
    said = desk.cli("backup.restore", "latest", "--to", desk.root, "--overwrite", overwrite, "--json").rc(code).json()
    return {each["target"]: (each["ok"], each["detail"]) for each in said["outcomes"]}  # type: ignore[attr-defined]


def test_a_database_that_did_not_change_is_left_as_it_lies_there(desk: rig.Workspace) -> None:
    before = (desk.root / "data/x.db").stat()
    assert restored(desk, "changed")["data/x.db"] == (None, "there already, the same")
    after = (desk.root / "data/x.db").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_database_in_use_that_did_not_change_is_left_and_a_dry_run_leaves_no_mark(desk: rig.Workspace) -> None:
    def lying() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (desk.root / "data").iterdir()}

    with closing(opened(desk)) as database:
        for word in ("more", "and more"):
            with database:
                database.execute("INSERT INTO notes VALUES (?)", (word,))
            desk.cli("backup").rc(0)
        before = lying()
        options = ("--to", desk.root, "--overwrite", "changed", "--dry-run", "--json")
        plan = desk.cli("backup.restore", "latest", *options).rc(0).json()
        assert plan["steps"] == [] and lying() == before
    assert restored(desk, "changed")["data/x.db"][0] is None, "nor is it when nobody uses it any more"


@pytest.mark.parametrize("more", [0, pytest.param(1, marks=pytest.mark.live)], ids=["as it was", "changed"])
def test_what_differs_from_a_database_in_use_is_found_out_without_a_mark(desk: rig.Workspace, more: int) -> None:
    with closing(opened(desk)) as database:
        with database:
            database.execute("INSERT INTO notes VALUES ('more')")
        desk.cli("backup").rc(0)
        with database:
            database.executemany("INSERT INTO notes VALUES (?)", [("and more",)] * more)
        before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in (desk.root / "data").iterdir()}
        said = desk.cli("backup.diff", "latest", "--json").rc(0).json()
        assert [each["path"] for each in said["changed"]] == ["data/x.db"] * more, said  # type: ignore[attr-defined]
        assert said["added"] == said["removed"] == []
        after = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in (desk.root / "data").iterdir()}
        assert after == before


def test_a_database_that_changed_is_replaced_and_then_it_is_the_same(desk: rig.Workspace) -> None:
    with closing(opened(desk)) as database, database:
        database.execute("DELETE FROM notes")
    assert restored(desk, "changed")["data/x.db"] == (True, "not the same as there")
    assert restored(desk, "changed")["data/x.db"][0] is None and words(desk) == 999


def test_what_lies_in_a_log_beside_a_database_counts_though_its_own_file_is_the_same(desk: rig.Workspace) -> None:
    with closing(opened(desk)) as database:
        database.execute("PRAGMA wal_autocheckpoint = 0")
        with database:
            database.execute("DELETE FROM notes")
        if (desk.root / "data/x.db-wal").exists():
            ok, detail = restored(desk, "changed", 4)["data/x.db"]
            assert ok is False and "x.db-wal" in detail
    assert restored(desk, "changed")["data/x.db"][0] is True and words(desk) == 999


@pytest.fixture
def torn(desk: rig.Workspace) -> Iterator[Path]:
    """The journal that a program left beside its database when it was killed in the midst of writing."""
    with closing(opened(desk)) as database:
        database.execute("PRAGMA cache_spill = 1")
        database.execute("PRAGMA cache_size = 5")
        database.execute("BEGIN")
        database.execute("UPDATE notes SET word = word || hex(randomblob(2000))")
        (side,) = (path for path in (desk.root / "data").glob("x.db-*") if not path.name.endswith("-shm"))
        kept = shutil.copyfile(side, desk.root / "kept")
        database.rollback()
    side.unlink(missing_ok=True)
    yield Path(shutil.copyfile(kept, side))


@pytest.mark.parametrize("there", [True, False], ids=["over one", "where one was"])
def test_a_journal_that_lies_there_is_never_played_back_into_another_database(
    desk: rig.Workspace, torn: Path, there: bool
) -> None:
    if not there:
        (desk.root / "data/x.db").unlink()
    ok, detail = restored(desk, "always", 4)["data/x.db"]
    assert ok is False and torn.name in detail and "move that away" in detail
    torn.unlink()
    assert restored(desk, "always")["data/x.db"][0] is True and words(desk) == 999

"""The drill: what it proves, what makes it red, and that nothing is left of it."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from git_repos import Repo, new_repo
from kept_trees import SECOND, keep, things, write

from autosys_tasks.backup import drill as room
from autosys_tasks.backup.drill import drill
from autosys_tasks.backup.drill_result import Drill, is_due, load, reasons, save
from autosys_tasks.backup.git.capture import capture
from autosys_tasks.core.clock import utc_text


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A workspace with a database."""
    top = tmp_path / "책상"
    write(top / "a.txt", b"first\n")
    write(top / "deep/b.txt", os.urandom(50_000), mode=0o400)
    with closing(sqlite3.connect(top / "memory.db")) as database, database:
        database.execute("CREATE TABLE notes (word TEXT UNIQUE)")
        database.executemany("INSERT INTO notes VALUES (?)", [(f"word {number}",) for number in range(2000)])
    return top


def run(tmp_path: Path, tree: Path, **more: str) -> tuple[Drill, dict[str, object]]:
    state = tmp_path / "state"
    found = drill(tmp_path / "backups", state, tree, **more)
    assert [path.name for path in (state / "backup").iterdir()] == ["drill.json"], "nothing is left"
    said = json.loads((state / "backup/drill.json").read_text(encoding="utf-8"))
    assert (said["id"] or "", said["files"], said["ok"]) == (found.id, found.files, found.ok)
    return found, said


@pytest.mark.parametrize("passphrase", ["", "비밀"])
def test_a_good_backup_restores_and_the_workspace_is_not_touched(tree: Path, tmp_path: Path, passphrase: str) -> None:
    full = keep(tmp_path / "backups", tree, flags={"memory.db": ("sqlite",)}, passphrase=passphrase)
    write(tree / "new", b"new")
    differential = keep(tmp_path / "backups", tree, at=SECOND, base=full, passphrase=passphrase)
    before = things(tree)
    found, said = run(tmp_path, tree, passphrase=passphrase)
    assert (found.id, found.files, found.why) == (differential.id, 4, ()) and said["why"] is None
    assert things(tree) == before


def test_a_damaged_file_makes_it_red_and_names_it(tree: Path, tmp_path: Path) -> None:
    backup = keep(tmp_path / "backups", tree)
    path = tmp_path / "backups" / f"{backup.stem}.7z"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    found, said = run(tmp_path, tree)
    assert not found.ok and "deep/b.txt: damaged: " in str(said["why"])
    assert room.verdict(found).startswith(f"NG: {backup.id} does not restore: ")


def test_a_database_that_is_not_whole_makes_it_red(tree: Path, tmp_path: Path) -> None:
    data = bytearray((tree / "memory.db").read_bytes())
    data[4096 * 3 : 4096 * 3 + 200] = b"\xff" * 200
    write(tree / "memory.db", bytes(data))
    keep(tmp_path / "backups", tree, flags={"memory.db": ("sqlite",)})
    found, said = run(tmp_path, tree)
    assert not found.ok and "memory.db: the database is not whole" in str(said["why"])


def test_no_backup_is_red(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    found, said = run(tmp_path, tree)
    assert not found.ok and said["id"] is None and said["why"]


def test_a_wrong_passphrase_is_red_and_says_what_to_do(tree: Path, tmp_path: Path) -> None:
    keep(tmp_path / "backups", tree, passphrase="right")
    found, said = run(tmp_path, tree, passphrase="wrong")
    assert not found.ok and "AUTOSYS_BACKUP_PASSPHRASE" in str(said["why"])


def test_too_little_room_is_red_and_says_how_much(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    keep(tmp_path / "backups", tree)
    free = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    found, said = run(tmp_path, tree)
    assert not found.ok and "1.0 kB are free" in str(said["why"])


@pytest.mark.only("posix")
def test_holes_need_no_room(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The image of a disk of which little is used is restored with its holes."""
    import shutil

    with (tree / "image").open("wb") as file:
        file.truncate(32 << 20)
    assert (tree / "image").stat().st_blocks * 512 < 1 << 20, "this disk has holes"
    keep(tmp_path / "backups", tree)
    free = shutil.disk_usage(tmp_path)._replace(free=8 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    assert run(tmp_path, tree)[0].ok
    (tree / "image").unlink()
    found, said = run(tmp_path, tree)
    assert not found.ok and "8.4 MB are free" in str(said["why"]), "nobody knows any more how it lay there"


@pytest.mark.only("posix")
def test_what_a_killed_drill_left_is_removed(tree: Path, tmp_path: Path) -> None:
    import subprocess

    keep(tmp_path / "backups", tree)
    ended = subprocess.Popen(["true"])
    ended.wait()
    left = tmp_path / "state/backup" / f"drill-{ended.pid}"
    write(left / "all/shut/x", b"x")
    (left / "all/shut").chmod(0o555)
    assert run(tmp_path, tree)[0].ok


@pytest.mark.only("posix")
@pytest.mark.parametrize("remote", [False, True])
def test_bundles_are_held_against_git(tmp_path: Path, remote: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "settings", b"[safe]\n\tbareRepository = explicit\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "settings"))
    repo = new_repo(tmp_path / os.fsdecode("작업 repo".encode("euc-kr")))
    repo.commit("one", **{"a.txt": "1\n"})
    if remote:
        repo.git("remote", "add", "origin", "https://example.org/x.git")
        repo.git("update-ref", "refs/remotes/origin/main", "HEAD")
    repo.commit("two", **{"a.txt": "2\n"})
    inner = new_repo(repo.root / "inner")
    inner.commit("within", **{"b.txt": "1\n"})
    assert not capture(repo.root, tmp_path / "into", untracked_max=10**6).partial
    keep(tmp_path / "backups", _with_git(tmp_path), git="main")
    found, said = run(tmp_path, repo.root)
    assert found.ok, said
    bundle = tmp_path / "kept/.autosys/git/history.bundle"
    bundle.write_bytes(bundle.read_bytes()[:40])
    keep(tmp_path / "backups", tmp_path / "kept", at=SECOND, git="main")
    found, said = run(tmp_path, repo.root)
    assert not found.ok and ".autosys/git" in str(said["why"])


def _with_git(tmp_path: Path) -> Path:
    (tmp_path / "kept/.autosys").mkdir(parents=True)
    (tmp_path / "into").rename(tmp_path / "kept/.autosys/git")
    return tmp_path / "kept"


@pytest.mark.only("posix")
def test_commits_that_the_bundle_stands_on_and_nobody_has_are_red(tmp_path: Path) -> None:
    repo = new_repo(tmp_path / "repo")
    repo.commit("one", **{"a.txt": "1\n"})
    repo.git("remote", "add", "origin", "https://example.org/x.git")
    repo.git("update-ref", "refs/remotes/origin/main", "HEAD")
    repo.commit("two", **{"a.txt": "2\n"})
    capture(repo.root, tmp_path / "into", untracked_max=10**6)
    keep(tmp_path / "backups", _with_git(tmp_path), git="main")
    other = Repo(new_repo(tmp_path / "other").root)
    found, said = run(tmp_path, other.root)
    assert not found.ok and "bundle" in str(said["why"])
    (tmp_path / "nowhere").mkdir()
    assert run(tmp_path, tmp_path / "nowhere")[0].ok, "on another machine there is nothing to hold it against"


DAY_S = 86_400.0
NOW = 1_900_000_000.0


@pytest.mark.parametrize(
    ("days_ago", "why", "wanted"),
    [(None, (), True), (1, (), False), (6.9, (), False), (7, (), True), (1, ("a: damaged",), True), (-3, (), True)],
)
def test_a_night_drills_once_a_week_and_after_one_that_failed(
    days_ago: float | None, why: tuple[str, ...], wanted: bool
) -> None:
    """A drill of the day after tomorrow, by a clock that was wrong, proves nothing."""
    last = None if days_ago is None else Drill(utc_text(NOW - days_ago * DAY_S), "x", 3, why)
    assert is_due(last, NOW) is wanted


def test_what_is_remembered_of_a_drill_is_what_it_came_to(tmp_path: Path) -> None:
    for found in (Drill("2026-11-29T03:31:00.000Z", "x", 4, ()), Drill("2026-11-29T03:31:00.000Z", "", 0, ("a", "b"))):
        save(tmp_path, found)
        last = load(tmp_path)
        assert last is not None and last[:3] == found[:3] and last.ok is found.ok
        assert reasons(last) == reasons(found)
    for spoilt in ("", "[]", '{"at": "yesterday", "ok": true}', '{"ok": true}'):
        (tmp_path / "backup/drill.json").write_text(spoilt, encoding="utf-8")
        assert load(tmp_path) is None

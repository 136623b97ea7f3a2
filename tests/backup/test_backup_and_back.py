"""From `inv backup` to `inv backup.restore` and back: what a person relies on, with the real commands alone."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import rig
from git_repos import Repo, new_repo
from kept_trees import things, write

TOML = """
[workspace]
name = "desk"
[backup.sets.all]
include = ["data/", ".env"]
required = true
"""


@pytest.fixture
def desk(workspace: rig.Workspace) -> rig.Workspace:
    """A workspace in git, with commits on no remote, changes, untracked files, a stash, secrets and a database."""
    workspace.root.rmdir()
    repo = new_repo(workspace.root)
    workspace.write(TOML)
    repo.write(".gitignore", ".env\n*.db\nbackups/\noutputs/\n")
    repo.commit("begin", **{"data/a.txt": "1\n", "data/b.txt": "1\n"})
    repo.git("branch", "side")
    repo.write("data/b.txt", "stashed\n")
    repo.git("stash")
    repo.write("data/a.txt", "staged\n")
    repo.git("add", "data/a.txt")
    repo.write("data/a.txt", "changed\n")
    repo.write("data/새 파일.txt", "untracked\n")
    write(workspace.root / ".env", b"TOKEN=hunter2\n", mode=0o600)
    write(workspace.root / "data/big.bin", os.urandom(300_000))
    (workspace.root / "data/nothing in it").mkdir()
    with closing(sqlite3.connect(workspace.root / "data/memory.db")) as database, database:
        database.execute("CREATE TABLE notes (word TEXT)")
        database.executemany("INSERT INTO notes VALUES (?)", [(f"word {number}",) for number in range(999)])
    return workspace


def kept(folder: Path) -> dict[str, object]:
    """What the set names, as it lies in a folder; a database by what is in it: a copy of it counts its changes anew."""
    found = {path: thing for path, thing in things(folder).items() if path.split("/")[0] in ("data", ".env")}
    with closing(sqlite3.connect(folder / "data/memory.db")) as database:
        words = "".join(database.iterdump()).encode()
    return {path: thing._replace(data=words) if path.endswith(".db") else thing for path, thing in found.items()}


@pytest.mark.only("posix")
@pytest.mark.parametrize("passphrase", [pytest.param(None, marks=pytest.mark.live), "비밀"])
def test_a_machine_is_lost_and_everything_is_there_again(
    desk: rig.Workspace, tmp_path: Path, passphrase: str | None
) -> None:
    env = {"AUTOSYS_BACKUP_PASSPHRASE": passphrase}
    os.link(desk.root / "data/big.bin", desk.root / "data/same.bin")
    os.symlink("a.txt", desk.root / "data/link")
    desk.cli("backup", env=env).rc(0)
    first = kept(desk.root)
    write(desk.root / "data/a.txt", b"later\n")
    (desk.root / "data/b.txt").unlink()
    desk.cli("backup", env=env).rc(0)
    second, state = kept(desk.root), Repo(desk.root).state()
    rows = desk.cli("backup.list", "--json").rc(0).json()["backups"]
    assert isinstance(rows, list) and [row["kind"] for row in rows] == ["full", "differential"]
    desk.cli("backup.verify", "--all", env=env).rc(0)
    desk.cli("backup.drill", env=env).rc(0)
    desk.cli("backup.diff", "latest", env=env).rc(0)

    new = rig.Workspace(tmp_path / "another machine", desk.state.parent / "another")
    new.root.mkdir()
    new.write(TOML)
    shutil.copytree(desk.root / "backups", new.root / "backups")
    for path in ("data", ".env", ".git"):
        gone = desk.root / path
        gone.unlink() if gone.is_file() else shutil.rmtree(gone)
    new.cli("backup.restore", rows[0]["id"], "--to", str(tmp_path / "first"), env=env).rc(0)
    assert kept(tmp_path / "first") == first
    new.cli("backup.restore", "latest", "--to", str(tmp_path / "second"), env=env).rc(0)
    assert kept(tmp_path / "second") == second
    made = tmp_path / "desk"
    new.cli("backup.restore", "latest", "--git", "--to", str(made), env=env).rc(0)
    assert Repo(made).state() == state
    new.cli("backup.restore", "latest", "--to", str(made), "--overwrite", "always", env=env).rc(0)
    assert kept(made) == second


@pytest.mark.only("posix")
def test_in_place_only_what_is_lost_comes_back(desk: rig.Workspace) -> None:
    desk.cli("backup").rc(0)
    before = kept(desk.root)
    (desk.root / ".env").unlink()
    shutil.rmtree(desk.root / "data/nothing in it")
    write(desk.root / "data/a.txt", b"newer work\n")
    found = desk.cli("backup.restore", "latest", "--to", ".", "--json").rc(0).json()
    outcomes = found["outcomes"]
    assert isinstance(outcomes, list)
    assert {row["target"] for row in outcomes if row["ok"]} == {".env", "data/nothing in it"}
    after = kept(desk.root)
    assert {path for path in before if before[path] != after[path]} <= {"data", "data/a.txt"}
    assert (desk.root / "data/a.txt").read_bytes() == b"newer work\n"

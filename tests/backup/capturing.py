"""A repository, an address to push it to, and what is captured of it and rebuilt."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from git_repos import Repo, every_byte, new_repo, served

from autosys_tasks.backup.git.capture import Captured, capture
from autosys_tasks.backup.git.rebuild import rebuild

LARGE = 1_000_000


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A repository without a remote: three commits, a second branch, a tag."""
    repo = new_repo(tmp_path / "책상 R&D 100%")
    repo.commit("first", **{"a.txt": "one\n", "bin.dat": bytes(range(256)) * 20, "문서/보고서.txt": "가나다\n"})
    repo.commit("second", **{"b.txt": "two\n", "deep/er/c.txt": "three\n"})
    repo.git("branch", "side")
    repo.git("tag", "-a", "v1", "-m", "one")
    repo.commit("third", **{"a.txt": "one\nmore\n"})
    return repo


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[str]:
    """The address of an empty bare repository behind a daemon, on this machine but not in its folders."""
    bare = tmp_path / "served" / "desk.git"
    bare.parent.mkdir()
    Repo(tmp_path).git("init", "-q", "--bare", str(bare))
    with served(bare.parent) as address:
        yield f"{address}/desk.git"


def captured(repo: Repo, tmp_path: Path, **limits: Any) -> tuple[Captured, Path]:
    """Capture, and look that not one byte below the work tree changed."""
    before = every_byte(repo.root)
    into = tmp_path / "captured"
    found = capture(repo.root, into, **{"untracked_max": LARGE, **limits})
    assert every_byte(repo.root) == before
    return found, into


def again(repo: Repo, tmp_path: Path, *, failed: tuple[str, ...] = ()) -> Repo:
    """Capture, rebuild elsewhere, and hold everything against the original."""
    found, into = captured(repo, tmp_path)
    assert found.there and not found.partial, found
    done = rebuild(into, tmp_path / "다시 rebuilt")
    assert done.failed == failed, done
    made = Repo(tmp_path / "다시 rebuilt")
    assert made.state() == repo.state()
    assert "missing" not in made.git("fsck", "--no-dangling")
    return made


def messy(repo: Repo) -> None:
    """Uncommitted work of every kind that there is."""
    repo.write("a.txt", "stashed\n")
    repo.write("새 파일.txt", "untracked and stashed\n")
    repo.git("stash", "push", "-q", "--include-untracked", "-m", "첫 번째 stash")
    repo.write("b.txt", "staged for the second stash\n")
    repo.git("add", "b.txt")
    repo.write("b.txt", "and changed after that\n")
    repo.git("stash", "push", "-q")
    repo.write("a.txt", "staged\n")
    repo.git("add", "a.txt")
    repo.write("a.txt", "staged, then changed\n")
    repo.write("bin.dat", bytes(reversed(range(256))) * 33)
    repo.git("rm", "-q", "deep/er/c.txt")
    (repo.root / "b.txt").unlink()
    repo.write("staged alone.txt", "its content is in no commit\n")
    repo.git("add", "staged alone.txt")
    (repo.root / "staged alone.txt").unlink()
    repo.write("문서/메모 ✏.txt", "untracked\n")
    repo.write("in intent", "by its name alone\n")
    repo.git("add", "-N", "in intent")
    repo.write("b.txt/now a folder", "where a file was\n")
    if os.name == "posix":
        os.symlink("/nowhere/없음", repo.root / "link out")
        repo.write("run.sh", "#!/bin/sh\n").chmod(0o755)
        (repo.root / "문서/보고서.txt").chmod(0o755)

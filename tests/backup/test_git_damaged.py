"""Repositories in which something is broken: each loss is named, and the rest is captured."""

from __future__ import annotations

from pathlib import Path

import pytest
from capturing import captured, messy
from git_repos import Repo

from autosys_tasks.backup.git.output_text import without_secret
from autosys_tasks.backup.git.rebuild import rebuild
from autosys_tasks.host import git

TOKEN = f"ghp_{'x' * 36}"
pytestmark = [pytest.mark.capability("git"), pytest.mark.only("posix")]


def lose(repo: Repo, name: str) -> str:
    """Take an object away, as a disk does; its id."""
    one = repo.git("rev-parse", name).strip()
    (repo.root / ".git/objects" / one[:2] / one[2:]).unlink()
    return one


def test_a_branch_whose_file_is_empty_is_named(repo: Repo, tmp_path: Path) -> None:
    """After the power went: git only warns, and goes on without the branch."""
    (repo.root / ".git/refs/heads/side").write_bytes(b"")
    found, into = captured(repo, tmp_path)
    assert found.partial == ("ignoring broken ref refs/heads/side",)
    assert rebuild(into, tmp_path / "made").failed == ("not captured: ignoring broken ref refs/heads/side",)


def test_a_head_that_cannot_be_read_is_named_and_the_files_are_there_again(repo: Repo, tmp_path: Path) -> None:
    messy(repo)
    (repo.root / ".git/refs/heads/main").write_bytes(b"")
    found, into = captured(repo, tmp_path)
    assert "HEAD: git cannot read `ref: refs/heads/main`" in found.partial
    done = rebuild(into, tmp_path / "made")
    assert all(what.startswith("not captured: ") for what in done.failed)
    assert Repo(tmp_path / "made").files() == repo.files()
    assert Repo(tmp_path / "made").git("symbolic-ref", "HEAD") == "refs/heads/main\n"


def test_a_detached_head_whose_commit_is_lost_is_named(repo: Repo, tmp_path: Path) -> None:
    repo.git("checkout", "-q", "--detach")
    repo.write("a.txt", "changed\n")
    lost = lose(repo, "HEAD")
    found, into = captured(repo, tmp_path)
    assert f"HEAD: git cannot read `{lost}`" in found.partial
    assert rebuild(into, tmp_path / "made").failed
    assert (tmp_path / "made/a.txt").read_text(encoding="utf-8") == "changed\n"


def test_one_lost_commit_costs_its_branch_alone(repo: Repo, tmp_path: Path) -> None:
    repo.git("checkout", "-q", "side")
    repo.commit("on the side")
    repo.git("checkout", "-q", "main")
    messy(repo)
    lost = lose(repo, "side")
    found, into = captured(repo, tmp_path)
    assert found.partial == ("refs/heads/side: not all of its commits can be read",)
    assert rebuild(into, tmp_path / "made").failed == (
        f"refs/heads/side: no remote and no bundle has its commit {lost}",
        "not captured: refs/heads/side: not all of its commits can be read",
    )
    assert Repo(tmp_path / "made").files() == repo.files()


def test_one_lost_staged_content_costs_no_other(repo: Repo, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        repo.write(name, f"staged {name}\n")
        repo.git("add", name)
        repo.write(name, "changed since\n")
    lost = lose(repo, ":a.txt")
    kept = repo.git("rev-parse", ":b.txt").strip()
    found, into = captured(repo, tmp_path)
    assert f"the staged content {lost} is missing" in found.partial
    assert (into / "index" / kept).read_bytes() == b"staged b.txt\n"


def test_where_nothing_can_be_held_against_head_what_differs_from_the_index_is_taken(
    repo: Repo, tmp_path: Path
) -> None:
    repo.write("a.txt", "changed\n")
    lose(repo, "HEAD^{tree}")
    found, into = captured(repo, tmp_path)
    assert any(lack.startswith("what is not committed: ") for lack in found.partial)
    assert (into / "files/a.txt").read_bytes() == b"changed\n"
    with pytest.raises(git.GitError) as refused:
        rebuild(into, tmp_path / "made")
    assert ".autosys/git/files" in refused.value.hint


def test_a_stash_without_a_log_is_captured(repo: Repo, tmp_path: Path) -> None:
    messy(repo)
    (repo.root / ".git/logs/refs/stash").unlink()
    newest = repo.git("rev-parse", "refs/stash")
    found, into = captured(repo, tmp_path)
    assert not found.partial and not rebuild(into, tmp_path / "made").failed
    assert Repo(tmp_path / "made").git("rev-parse", "refs/stash") == newest


def test_a_stash_that_git_passes_over_is_named(repo: Repo, tmp_path: Path) -> None:
    messy(repo)
    lose(repo, "stash@{1}")
    found, _ = captured(repo, tmp_path)
    assert found.partial == ("1 stash that git cannot read",)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        (f"https://ghp_{'x' * 36}@github.com/o/r.git", "https://github.com/o/r.git"),
        ("https://person:s3cret@git.test/r", "https://git.test/r"),
        ("https://person:p@ss@git.test/r", "https://git.test/r"),
        ("https://:token@git.test:8443/r", "https://git.test:8443/r"),
        ("ssh://git@git.test/r", "ssh://git@git.test/r"),
        ("ssh://git:s3cret@git.test/r", "ssh://git@git.test/r"),
        ("ssh://:s3cret@git.test/r", "ssh://git.test/r"),
        ("git@git.test:o/r.git", "git@git.test:o/r.git"),
        ("https://git.test/a@b/r", "https://git.test/a@b/r"),
        ("file:///C:/r@2", "file:///C:/r@2"),
    ],
)
def test_what_stands_before_a_host_is_not_kept_but_for_ssh(url: str, kept: str) -> None:
    """P55: a token may be the user's name. Issue 7."""
    assert without_secret(url) == kept


def test_no_token_of_an_address_is_in_what_is_captured_wherever_git_keeps_one(repo: Repo, tmp_path: Path) -> None:
    """P55: it is copied elsewhere."""
    address = f"https://{TOKEN}@git.test/r"
    for key in ("origin.url", "origin.pushurl", f"{address}.url"):
        repo.git("config", f"remote.{key}", address)
    repo.git("config", f"remote.{address}.fetch", "+refs/heads/*:refs/remotes/o/*")
    repo.git("config", "branch.main.remote", address)
    repo.git("config", f"url.{address}.insteadOf", "https://git.test/r")
    repo.git("config", f"http.{address}.extraHeader", f"Authorization: {TOKEN}")
    found, into = captured(repo, tmp_path)
    assert TOKEN not in str(found) and "remote.https://git.test/r.url" in str(found.notes)
    assert [path for path in into.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()] == []

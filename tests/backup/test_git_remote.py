"""What a remote has need not be captured, and where it is gone that is said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from capturing import again, captured, messy
from git_repos import Repo, served

from autosys_tasks.backup.git.rebuild import rebuild
from autosys_tasks.host import child, git

pytestmark = [pytest.mark.capability("git"), pytest.mark.only("posix")]


def test_what_the_remote_has_is_not_in_the_bundle_and_comes_from_there(repo: Repo, tmp_path: Path, remote: str) -> None:
    pushed(repo, remote)
    repo.commit("not pushed", **{"new.txt": "new\n"})
    repo.git("branch", "local work", ok=(128,))
    repo.git("checkout", "-q", "-b", "local-work", "side")
    repo.commit("on a branch of its own", **{"other.txt": "other\n"})
    messy(repo)
    made = again(repo, tmp_path)
    state = json.loads((tmp_path / "captured" / "state.json").read_text(encoding="utf-8"))
    assert state["bundle"]["needs"], "thin: it stands on what the remote has"
    assert set(state["bundle"]["refs"]) >= {"refs/heads/main", "refs/heads/local-work", "refs/autosys/stash/1"}
    assert "refs/heads/side" not in state["bundle"]["refs"]
    assert state["branches"]["main"] == {"upstream": "origin/main", "track": "ahead 1"}
    made.git("checkout", "-q", "-f", "main")
    assert "[ahead 1]" in made.git("status", "-sb")


def pushed(repo: Repo, remote: str) -> None:
    repo.git("remote", "add", "origin", remote)
    repo.git("push", "-q", "-u", "origin", "main", "side")


def test_nothing_is_bundled_when_the_remote_has_every_commit(repo: Repo, tmp_path: Path, remote: str) -> None:
    repo.git("tag", "-d", "v1")
    pushed(repo, remote)
    again(repo, tmp_path)
    assert not (tmp_path / "captured" / "history.bundle").exists()


def test_a_remote_that_moved_on_does_not_move_the_branch(repo: Repo, tmp_path: Path, remote: str) -> None:
    pushed(repo, remote)
    other = Repo(tmp_path / "other")
    repo.git("clone", "-q", remote, str(other.root))
    other.commit("of somebody else", **{"theirs.txt": "theirs\n"})
    _, into = captured(repo, tmp_path)
    other.git("push", "-q")
    assert not rebuild(into, tmp_path / "made").failed
    made = Repo(tmp_path / "made")
    assert made.state() == repo.state()
    assert "[behind 1]" in made.git("status", "-sb")


def test_a_remote_that_cannot_be_reached_is_named_and_leaves_no_folder(repo: Repo, tmp_path: Path) -> None:
    bare = tmp_path / "served" / "desk.git"
    bare.parent.mkdir()
    repo.git("init", "-q", "--bare", str(bare))
    with served(bare.parent) as address:
        pushed(repo, f"{address}/desk.git")
    found, into = captured(repo, tmp_path)
    assert not found.partial
    with pytest.raises(git.GitError, match="cannot fetch from origin"):
        rebuild(into, tmp_path / "made")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["captured", "served", repo.root.name])


def test_a_remote_that_lost_its_history_is_named(repo: Repo, tmp_path: Path, remote: str) -> None:
    pushed(repo, remote)
    repo.commit("not pushed")
    _, into = captured(repo, tmp_path)
    shutil.rmtree(tmp_path / "served" / "desk.git")
    repo.git("init", "-q", "--bare", str(tmp_path / "served" / "desk.git"))
    with pytest.raises(git.GitError, match="neither the backup nor a remote has"):
        rebuild(into, tmp_path / "made")


def test_a_branch_that_is_gone_from_the_remote_is_asked_for_by_its_commits(
    repo: Repo, tmp_path: Path, remote: str
) -> None:
    """As after a merge of what was proposed: the server keeps the commits for long."""
    pushed(repo, remote)
    repo.git("checkout", "-q", "-b", "proposed")
    repo.commit("proposed")
    repo.git("push", "-q", "origin", "proposed")
    repo.git("push", "-q", remote, ":proposed")
    again(repo, tmp_path)


def test_a_branch_of_the_remote_that_is_in_the_way_of_an_old_one_is_no_obstacle(
    repo: Repo, tmp_path: Path, remote: str
) -> None:
    pushed(repo, remote)
    repo.git("push", "-q", remote, ":side")
    repo.git("push", "-q", remote, "main:side/new")
    again(repo, tmp_path)


def test_a_fetch_may_take_as_long_as_a_slow_line_needs(
    repo: Repo, tmp_path: Path, remote: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed(repo, remote)
    _, into = captured(repo, tmp_path)
    real, given = child.run, []

    def run(argv: list[str], folder: Path, env: dict[str, str], timeout_s: float, **more: Any) -> child.Ended:
        given.extend([timeout_s] if "fetch" in argv else [])
        return real(argv, folder, env, timeout_s, **more)

    monkeypatch.setattr(child, "run", run)
    assert not rebuild(into, tmp_path / "made", timeout_s=20).failed
    assert given and min(given) >= 3600


def test_notes_that_are_fetched_do_not_hide_those_made_here(repo: Repo, tmp_path: Path, remote: str) -> None:
    pushed(repo, remote)
    repo.git("config", "--add", "remote.origin.fetch", "+refs/notes/*:refs/notes/*")
    repo.git("notes", "add", "-m", "pushed")
    repo.git("push", "-q", "origin", "refs/notes/commits")
    repo.git("notes", "add", "--force", "-m", "here alone")
    assert again(repo, tmp_path).git("notes", "show") == "here alone\n"


def test_a_remote_in_a_folder_of_this_machine_does_not_count(repo: Repo, tmp_path: Path) -> None:
    repo.git("init", "-q", "--bare", str(tmp_path / "near.git"))
    pushed(repo, str(tmp_path / "near.git"))
    found, into = captured(repo, tmp_path)
    assert any("lies on this machine" in note for note in found.notes)
    shutil.rmtree(tmp_path / "near.git")
    assert not rebuild(into, tmp_path / "made").failed
    assert Repo(tmp_path / "made").state() == repo.state()


def test_a_password_in_an_address_is_not_kept(repo: Repo, tmp_path: Path) -> None:
    """P55"""
    repo.git("remote", "add", "origin", "https://person:s3cret@git.test/desk.git")
    repo.git("config", "http.extraHeader", "Authorization: s3cret")
    _, into = captured(repo, tmp_path)
    assert "s3cret" not in (into / "state.json").read_text(encoding="utf-8")
    assert "https://git.test/desk.git" in (into / "state.json").read_text(encoding="utf-8")


def test_a_partial_clone_is_captured_without_the_network_and_rebuilt_whole(
    repo: Repo, tmp_path: Path, remote: str
) -> None:
    pushed(repo, remote)
    Repo(tmp_path / "served/desk.git").git("config", "uploadpack.allowFilter", "true")
    clone = Repo(tmp_path / "partial")
    repo.git("clone", "-q", "--filter=blob:none", remote, str(clone.root))
    old = repo.git("rev-parse", "HEAD~1:a.txt").strip()
    clone.commit("on top", **{"top.txt": "top\n"})
    messy(clone)
    again(clone, tmp_path)
    assert f"?{old}" in clone.git("rev-list", "--objects", "--all", "--missing=print"), "nothing was fetched"


def test_a_shallow_clone_is_rebuilt_from_its_remote(repo: Repo, tmp_path: Path, remote: str) -> None:
    pushed(repo, remote)
    clone = Repo(tmp_path / "shallow")
    repo.git("clone", "-q", "--depth=1", remote, str(clone.root))
    clone.commit("on top", **{"top.txt": "top\n"})
    messy(clone)
    found, into = captured(clone, tmp_path)
    assert not found.partial and any("shallow" in note for note in found.notes)
    assert not rebuild(into, tmp_path / "made").failed
    assert Repo(tmp_path / "made").state() == clone.state()


def test_a_shallow_clone_whose_remote_is_gone_is_rebuilt_as_far_as_it_went(
    repo: Repo, tmp_path: Path, remote: str
) -> None:
    pushed(repo, remote)
    clone = Repo(tmp_path / "shallow")
    repo.git("clone", "-q", "--depth=1", remote, str(clone.root))
    clone.git("remote", "remove", "origin")
    clone.commit("on top", **{"top.txt": "top\n"})
    again(clone, tmp_path)

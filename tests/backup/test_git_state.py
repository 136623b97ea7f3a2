"""A repository captured and rebuilt: everything that only this machine had is there again, and nothing was touched."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from capturing import LARGE, again, captured, messy
from git_repos import Repo, new_repo

from autosys_tasks.backup.git.capture import capture
from autosys_tasks.backup.git.rebuild import rebuild
from autosys_tasks.core.errors import UsageError
from autosys_tasks.host import git

pytestmark = [pytest.mark.capability("git"), pytest.mark.only("posix")]


def test_all_uncommitted_work_is_there_again(repo: Repo, tmp_path: Path) -> None:
    messy(repo)
    made = again(repo, tmp_path)
    assert "첫 번째 stash" in made.git("stash", "list")


def test_the_newest_stash_applies_with_its_index_after_a_rebuild(repo: Repo, tmp_path: Path) -> None:
    repo.write("b.txt", "staged\n")
    repo.git("add", "b.txt")
    repo.write("b.txt", "changed\n")
    repo.git("stash", "push", "-q")
    made = again(repo, tmp_path)
    for one in (repo, made):
        one.git("stash", "pop", "-q", "--index")
    assert made.state() == repo.state()
    assert made.git("diff", "--cached", "b.txt")


def test_a_detached_head_with_commits_of_its_own_is_there_again(repo: Repo, tmp_path: Path) -> None:
    repo.git("checkout", "-q", "--detach", "side")
    only = repo.commit("on no branch", **{"x.txt": "x\n"})
    repo.git("update-ref", "refs/notes/commits", only)
    made = again(repo, tmp_path)
    assert made.git("rev-parse", "HEAD").strip() == only
    assert made.git("symbolic-ref", "-q", "HEAD", ok=(1,)) == ""


def test_before_the_first_commit_the_index_and_the_files_are_there_again(tmp_path: Path) -> None:
    repo = new_repo(tmp_path / "empty")
    repo.write("staged.txt", "staged\n")
    repo.git("add", ".")
    repo.write("staged.txt", "changed\n")
    repo.write("loose.txt", "loose\n")
    again(repo, tmp_path)


def test_a_repository_with_nothing_at_all_is_there_again(tmp_path: Path) -> None:
    again(new_repo(tmp_path / "nothing"), tmp_path)


def test_no_repository_is_said_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    found = capture(tmp_path / "plain", tmp_path / "into", untracked_max=LARGE)
    assert (found.there, found.summary) == (False, "no git repository here")
    assert not (tmp_path / "into").exists()


def test_a_git_folder_that_git_does_not_take_is_an_error_not_no_repository(tmp_path: Path) -> None:
    (tmp_path / "broken" / ".git").mkdir(parents=True)
    with pytest.raises(git.GitError, match="not a git repository"):
        capture(tmp_path / "broken", tmp_path / "into", untracked_max=LARGE)


def test_a_bare_repository_is_partial(tmp_path: Path) -> None:
    Repo(tmp_path).git("init", "-q", "--bare", "bare.git")
    found = capture(tmp_path / "bare.git", tmp_path / "into", untracked_max=LARGE)
    assert found.partial and "bare" in found.partial[0]


# Rebuilding


def test_a_folder_that_is_not_empty_is_never_touched(repo: Repo, tmp_path: Path) -> None:
    _, into = captured(repo, tmp_path)
    (tmp_path / "made").mkdir()
    (tmp_path / "made/mine").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="is there already"):
        rebuild(into, tmp_path / "made")
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["mine"]
    (tmp_path / "made/mine").unlink()
    assert not rebuild(into, tmp_path / "made").failed


def test_what_was_not_captured_is_named_again_by_the_rebuild(repo: Repo, tmp_path: Path) -> None:
    repo.write("gone.txt", "x")
    _, into = captured(repo, tmp_path)
    (into / "files/gone.txt").unlink()
    repo.write("b.txt", "changed\n")
    assert rebuild(into, tmp_path / "made").failed == ("gone.txt: No such file or directory",)


def test_a_capture_that_was_tampered_with_is_named(repo: Repo, tmp_path: Path) -> None:
    messy(repo)
    _, into = captured(repo, tmp_path)
    blob = next((into / "index").iterdir())
    blob.write_bytes(b"something else")
    assert any(blob.name in what for what in rebuild(into, tmp_path / "made").failed)


@pytest.mark.parametrize(
    "change",
    [
        {"files": ["../out"]}, {"files": [".git/hooks/post-checkout"]}, {"files": ["a/.GIT/config"]},
        {"files": ["/etc/x"]}, {"files": ["C:/x"]}, {"texts": {"rebase-merge/../hooks/x": ""}},
        {"staged": ["../../x"]}, {"remotes": {"--upload-pack=touch x": {"elsewhere": True}}},
        {"refs": {"x\ncreate y": "0" * 40}}, {"head": {"ref": "--help", "commit": None}},
        {"modules": [{"path": "x", "folder": "../..", "tracked": True}]}, {"schema": "other/1"},
    ],
)  # fmt: skip
def test_a_state_that_leads_out_is_refused(repo: Repo, tmp_path: Path, change: dict[str, object]) -> None:
    _, into = captured(repo, tmp_path)
    state = json.loads((into / "state.json").read_text(encoding="utf-8"))
    (into / "state.json").write_text(json.dumps({**state, **change}), encoding="utf-8")
    with pytest.raises(git.GitError):
        rebuild(into, tmp_path / "made")
    assert not (tmp_path / "made").exists()


@pytest.mark.only("posix")
def test_a_captured_file_is_not_put_through_a_link(repo: Repo, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    os.symlink(tmp_path / "outside", repo.root / "door")
    repo.commit("a link that leads out")
    _, into = captured(repo, tmp_path)
    state = json.loads((into / "state.json").read_text(encoding="utf-8"))
    (into / "files/door").mkdir(parents=True)
    (into / "files/door/in").write_text("x", encoding="utf-8")
    (into / "state.json").write_text(json.dumps({**state, "files": ["door/in"]}), encoding="utf-8")
    assert rebuild(into, tmp_path / "made").failed == ("door/in: it would lead out of the folder",)
    assert not list((tmp_path / "outside").iterdir())

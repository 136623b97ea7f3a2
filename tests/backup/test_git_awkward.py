"""Repositories in the middle of something, with others inside, damaged or too large: what is not captured is named."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from capturing import LARGE, again, captured, messy
from git_repos import Repo, new_repo

from autosys_tasks.backup.git.capture import capture
from autosys_tasks.backup.git.rebuild import rebuild

pytestmark = [pytest.mark.capability("git"), pytest.mark.only("posix")]


def test_a_merge_in_conflict_is_there_again_and_can_be_concluded(repo: Repo, tmp_path: Path) -> None:
    in_conflict(repo, "merge", "theirs")
    made = again(repo, tmp_path)
    assert "All conflicts fixed" not in made.git("status") and "You have unmerged paths" in made.git("status")
    for one in (repo, made):
        one.write("a.txt", "settled\n")
        one.git("add", "a.txt")
        one.git("commit", "-q", "--no-edit")
    assert made.git("log", "--format=%T %P %s") == repo.git("log", "--format=%T %P %s")


def in_conflict(repo: Repo, *words: str) -> None:
    repo.git("checkout", "-q", "-b", "theirs", "side")
    repo.commit("theirs", **{"a.txt": "theirs\n"})
    repo.git("checkout", "-q", "main")
    repo.commit("ours", **{"a.txt": "ours\n"})
    repo.git(*words, ok=(1,))


def test_every_kind_of_conflict_is_there_again(repo: Repo, tmp_path: Path) -> None:
    """Both added it; we moved it, they moved it elsewhere; one changed and the other deleted it."""
    repo.git("checkout", "-q", "-b", "theirs")
    repo.git("mv", "a.txt", "moved by them")
    repo.git("rm", "-q", "b.txt")
    repo.commit("theirs", **{"added": "theirs\n", "bin.dat": "theirs\n"})
    repo.git("checkout", "-q", "main")
    repo.git("mv", "a.txt", "moved by us")
    repo.git("rm", "-q", "bin.dat")
    repo.commit("ours", **{"added": "ours\n", "b.txt": "ours\n"})
    repo.git("merge", "theirs", ok=(1,))
    status = repo.git("status", "--porcelain")
    assert {line[:2] for line in status.splitlines()} == {"DD", "AA", "UD", "DU", "UA", "AU"}
    again(repo, tmp_path)


@pytest.mark.parametrize("words", [("rebase", "theirs"), ("cherry-pick", "theirs"), ("revert", "--no-edit", "HEAD~1")])
def test_what_was_under_way_goes_on_after_a_rebuild(repo: Repo, tmp_path: Path, words: tuple[str, ...]) -> None:
    in_conflict(repo, *words)
    found, _ = captured(repo, tmp_path)
    assert f"a {words[0]} is under way" in found.notes
    made = again(repo, tmp_path)
    for one in (repo, made):
        one.write("a.txt", "settled\n")
        one.git("add", "-A")
        one.git("-c", "core.editor=true", words[0], "--continue", ok=(0, 1))  # 1: the next one conflicts as well
    assert made.state() == repo.state()


def test_a_sparse_checkout_stays_sparse(repo: Repo, tmp_path: Path) -> None:
    repo.git("sparse-checkout", "set", "deep")
    assert not (repo.root / "문서").exists()
    repo.write("deep/er/c.txt", "changed\n")
    made = again(repo, tmp_path)
    assert not (made.root / "문서").exists()
    made.git("sparse-checkout", "disable")
    assert (made.root / "문서/보고서.txt").read_text(encoding="utf-8") == "가나다\n"


def test_changes_that_git_was_told_not_to_see_are_captured_all_the_same(repo: Repo, tmp_path: Path) -> None:
    repo.git("update-index", "--skip-worktree", "a.txt")
    repo.git("update-index", "--assume-unchanged", "b.txt")
    repo.write("a.txt", "my own settings\n")
    repo.write("b.txt", "mine too\n")
    made = again(repo, tmp_path)
    assert made.git("ls-files", "-v", "a.txt", "b.txt").split() == ["S", "a.txt", "h", "b.txt"]


def test_a_linked_work_tree_is_captured_and_the_others_are_named(repo: Repo, tmp_path: Path) -> None:
    repo.git("worktree", "add", "-q", "-b", "beside", str(tmp_path / "옆 beside"))
    repo.git("checkout", "-q", "--detach")
    only = repo.commit("on no branch")
    linked = Repo(tmp_path / "옆 beside")
    messy(linked)
    found, into = captured(linked, tmp_path)
    assert any(str(repo.root) in note for note in found.notes)
    assert not rebuild(into, tmp_path / "made").failed
    made = Repo(tmp_path / "made")
    assert made.state() == linked.state()
    assert made.git("cat-file", "-t", only) == "commit\n"


def test_submodules_with_work_of_their_own_are_there_again(repo: Repo, tmp_path: Path) -> None:
    library = new_repo(tmp_path / "library")
    library.commit("of the library", **{"lib.py": "x = 1\n"})
    repo.git("submodule", "--quiet", "add", str(library.root), "vendor/lib")
    repo.commit("with a submodule")
    inner = Repo(repo.root / "vendor/lib")
    inner.commit("not pushed", **{"lib.py": "x = 2\n"})
    messy_inner = inner.write("lib.py", "x = 3\n")
    inner.write("untracked.py", "y = 1\n")
    made = again(repo, tmp_path)
    assert (made.root / messy_inner.relative_to(repo.root)).read_text(encoding="utf-8") == "x = 3\n"
    assert Repo(made.root / "vendor/lib").state() == inner.state()
    assert made.git("submodule", "status") == repo.git("submodule", "status")


def test_a_repository_within_that_is_no_submodule_is_captured_too(repo: Repo, tmp_path: Path) -> None:
    inner = new_repo(repo.root / "clones/안쪽")
    inner.commit("of its own", **{"in.txt": "in\n"})
    inner.write("in.txt", "changed\n")
    new_repo(repo.root / "clones/empty").write("loose", "x")
    made = again(repo, tmp_path)
    assert Repo(made.root / "clones/안쪽").state() == inner.state()
    assert (made.root / "clones/empty/loose").read_bytes() == b"x"


def test_a_submodule_that_cannot_be_read_is_partial(repo: Repo, tmp_path: Path) -> None:
    inner = new_repo(repo.root / "inner")
    inner.commit("one")
    repo.git("add", "inner")
    repo.commit("a submodule without an address")
    (inner.root / ".git" / "HEAD").write_bytes(b"nonsense")
    found, _ = captured(repo, tmp_path)
    assert found.partial == ("inner: git does not take its `.git` for a repository",)


@pytest.mark.parametrize("instead", [None, "a file in its place\n"])
def test_a_submodule_that_is_gone_stays_gone(repo: Repo, tmp_path: Path, instead: str | None) -> None:
    new_repo(repo.root / "inner").commit("one")
    repo.git("add", "inner")
    repo.commit("a submodule without an address")
    shutil.rmtree(repo.root / "inner")
    if instead:
        repo.write("inner", instead)
    made = again(repo, tmp_path)
    assert not instead or (made.root / "inner").read_text(encoding="utf-8") == instead


def test_filters_are_not_run_and_files_are_taken_as_they_lie_there(repo: Repo, tmp_path: Path) -> None:
    """A filter may write into the repository, cost minutes, or ask for a password."""
    repo.write(".gitattributes", "*.big filter=trap\n")
    repo.write("x.big", "first\n")
    repo.commit("big")
    repo.git("config", "filter.trap.clean", "touch trapped; cat")
    repo.git("config", "filter.trap.required", "true")
    repo.write("x.big", "as it lies there\n")
    repo.write("y.big", "untracked\n")
    found, into = captured(repo, tmp_path)
    assert not found.partial
    assert (into / "files/x.big").read_bytes() == b"as it lies there\n"
    assert not list(tmp_path.rglob("trapped"))


def test_hooks_and_external_programs_are_not_run(repo: Repo, tmp_path: Path) -> None:
    trap = f"touch '{tmp_path / 'trapped'}'"
    for name in ("post-index-change", "reference-transaction", "pre-commit"):
        repo.write(f".git/hooks/{name}", f"#!/bin/sh\n{trap}\n").chmod(0o755)
    for key in ("diff.external", "core.fsmonitor", "core.pager"):
        repo.git("config", key, trap)
    (tmp_path / "trapped").unlink(missing_ok=True)
    os.utime(repo.root / "a.txt")  # as if it had changed: git looks, and must not write down what it saw
    repo.write("b.txt", "changed\n")
    found, into = captured(repo, tmp_path)
    assert not found.partial and b"changed" in (into / "patch.diff").read_bytes()
    assert any("3 hooks" in note for note in found.notes)
    assert not (tmp_path / "trapped").exists()


def test_large_files_of_git_lfs_in_commits_on_no_remote_are_named(repo: Repo, tmp_path: Path) -> None:
    repo.write(".gitattributes", "*.psd filter=lfs\n")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12\n"
    repo.commit("a pointer", **{"art.psd": pointer})
    (repo.root / ".git/lfs/objects").mkdir(parents=True)
    found, _ = captured(repo, tmp_path)
    assert found.partial == ("1 file that Git LFS keeps, in commits that are on no remote: art.psd",)


def test_what_is_too_large_is_left_out_and_listed(repo: Repo, tmp_path: Path) -> None:
    repo.write("huge.bin", b"x" * 5000)
    repo.write("small.bin", b"x" * 10)
    repo.write("backups/old.7z", b"x" * 10)
    found, into = captured(repo, tmp_path, untracked_max=1000, exclude=("backups",))
    assert found.left_out == ("huge.bin: 5000 bytes, more than 1000",)
    assert not found.partial
    assert [path.name for path in (into / "files").rglob("*")] == ["small.bin"]


def test_untracked_files_are_taken_up_to_a_sum(repo: Repo, tmp_path: Path) -> None:
    for number in range(5):
        repo.write(f"many/{number}", b"x" * 100)
    found, into = captured(repo, tmp_path, untracked_total=250)
    assert len(found.left_out) == 3 and len(list((into / "files/many").iterdir())) == 2


def test_a_workspace_below_the_top_takes_untracked_files_of_its_own_alone(repo: Repo, tmp_path: Path) -> None:
    repo.write("elsewhere/loose", "x")
    repo.write("deep/loose", "x")
    repo.write("a.txt", "changed\n")
    into = tmp_path / "into"
    assert not capture(repo.root / "deep", into, untracked_max=LARGE).partial
    assert {path.relative_to(into / "files").as_posix() for path in (into / "files").rglob("*") if path.is_file()} == {
        "deep/loose", "a.txt",
    }  # fmt: skip


def test_secrets_are_named_and_stay_out_of_the_patch(repo: Repo, tmp_path: Path) -> None:
    """P55"""
    repo.commit("a secret", **{".env": "TOKEN=old\n"})
    repo.write(".env", "TOKEN=hunter2\n")
    repo.write("a.txt", "changed\n")
    found, into = captured(repo, tmp_path, is_secret=lambda _, path: path.endswith(".env"))
    assert found.secrets == (".env", "history.bundle")
    patch = (into / "patch.diff").read_bytes()
    assert b"hunter2" not in patch and b"+changed" in patch


def test_a_locked_index_is_no_obstacle_and_is_said(repo: Repo, tmp_path: Path) -> None:
    messy(repo)
    repo.write(".git/index.lock", b"")
    found, into = captured(repo, tmp_path)
    assert not found.partial and any("index.lock" in note for note in found.notes)
    assert not rebuild(into, tmp_path / "made").failed
    (repo.root / ".git/index.lock").unlink()
    assert Repo(tmp_path / "made").state() == repo.state()


@pytest.mark.only("posix")
def test_a_file_that_cannot_be_read_is_named_and_the_rest_is_captured(repo: Repo, tmp_path: Path) -> None:
    """P52"""
    messy(repo)
    os.mkfifo(repo.root / "in intent 2")
    repo.write("vanishing", "x")
    (repo.root / "a.txt").unlink()
    os.mkfifo(repo.root / "a.txt")
    found, into = captured(repo, tmp_path)
    assert any(lack.startswith("a.txt: ") for lack in found.partial), found
    done = rebuild(into, tmp_path / "made")
    assert [what for what in done.failed if "a.txt" in what]
    assert (tmp_path / "made" / "문서/메모 ✏.txt").exists()


def test_a_damaged_repository_is_partial_and_its_files_are_captured(repo: Repo, tmp_path: Path) -> None:
    blob = repo.git("rev-parse", "HEAD~1:b.txt").strip()
    victim = repo.root / ".git/objects" / blob[:2] / blob[2:]
    victim.chmod(0o644)
    victim.unlink()
    repo.write("loose", "still there\n")
    found, into = captured(repo, tmp_path)
    assert "refs/heads/main: not all of its commits can be read" in found.partial
    assert (into / "files/loose").read_bytes() == b"still there\n"


def test_a_damaged_index_is_partial_and_the_commits_are_captured(repo: Repo, tmp_path: Path) -> None:
    repo.write(".git/index", b"DIRC nonsense")
    found, into = captured(repo, tmp_path)
    assert any(lack.startswith("what is not committed: ") for lack in found.partial), found
    assert all(what.startswith("not captured: ") for what in rebuild(into, tmp_path / "made").failed)
    assert (tmp_path / "made/문서/보고서.txt").exists()


def test_a_commit_while_it_is_read_begins_the_capture_anew(repo: Repo, tmp_path: Path) -> None:
    repo.write("a.txt", "changed\n")
    times = iter([True])

    def meanwhile(*_: object) -> bool:
        if next(times, False):
            repo.commit("in between")
            repo.write("b.txt", "changed too\n")
        return False

    assert not capture(repo.root, tmp_path / "into", untracked_max=LARGE, is_secret=meanwhile).partial
    assert not rebuild(tmp_path / "into", tmp_path / "made").failed
    assert Repo(tmp_path / "made").state() == repo.state()


def test_a_repository_that_never_rests_is_partial(repo: Repo, tmp_path: Path) -> None:
    repo.write("loose", "x")
    found = capture(
        repo.root,
        tmp_path / "into",
        untracked_max=LARGE,
        is_secret=lambda *_: not repo.git("commit", "--allow-empty", "-m", "-"),
    )
    assert any("changed each of the 3 times" in lack for lack in found.partial)


def test_the_same_state_gives_the_same_bytes(repo: Repo, tmp_path: Path) -> None:
    """So that an unchanged day costs a backup nothing."""
    messy(repo)
    capture(repo.root, tmp_path / "one", untracked_max=LARGE)
    capture(repo.root, tmp_path / "two", untracked_max=LARGE)
    one, two = (
        {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (tmp_path / "one", tmp_path / "two")
    )
    assert one == two and "history.bundle" in one


def test_a_run_that_a_hook_started_asks_its_own_repository(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = new_repo(tmp_path / "other")
    for name, value in {"GIT_DIR": ".git", "GIT_INDEX_FILE": "index", "GIT_WORK_TREE": str(repo.root)}.items():
        monkeypatch.setenv(name, str(repo.root / value))
    assert capture(other.root, tmp_path / "into", untracked_max=LARGE).summary == "main at no commit yet"


def test_the_bundle_is_a_plain_one_that_git_alone_can_read(repo: Repo, tmp_path: Path) -> None:
    messy(repo)
    _, into = captured(repo, tmp_path)
    repo.git("clone", "-q", str(into / "history.bundle"), str(tmp_path / "by hand"))
    assert Repo(tmp_path / "by hand").git("rev-parse", "HEAD") == repo.git("rev-parse", "HEAD")

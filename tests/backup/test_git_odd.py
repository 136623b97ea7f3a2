"""Repositories as people with odd workspaces have them: all is there again, or a sentence says what is not."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import git_repos
import pytest
from capturing import LARGE, again, captured, messy
from git_repos import Repo, new_repo

from autosys_tasks.backup.git.capture import capture
from autosys_tasks.backup.git.rebuild import rebuild
from autosys_tasks.host import git

pytestmark = [pytest.mark.capability("git"), pytest.mark.only("posix")]


NOT_UTF_8 = "작업".encode("euc-kr").decode("utf-8", "surrogateescape")  # as Linux names a folder of such bytes


@pytest.mark.parametrize("name", ["line\u2028break\x85", 'quo"te\'s $x `y`', NOT_UTF_8])
def test_a_workspace_of_any_name_is_captured(tmp_path: Path, name: str) -> None:
    """P54"""
    repo = new_repo(tmp_path / name)
    repo.commit("first", **{"a.txt": "a\n", "bin.dat": "b", "b.txt": "c\n", "deep/er/c.txt": "", "문서/보고서.txt": ""})
    messy(repo)
    again(repo, tmp_path)


def test_a_line_break_in_the_path_of_a_repository_is_said(tmp_path: Path) -> None:
    repo = new_repo(tmp_path / "line\nbreak")
    with pytest.raises(git.GitError, match="has a line break in it"):
        capture(repo.root, tmp_path / "into", untracked_max=LARGE)


def test_branches_of_any_name_are_there_again(repo: Repo, tmp_path: Path) -> None:
    """P54"""
    for name in ("heads/a\u2028b", "heads/nel\x85", "tags/태그\u2029", os.fsdecode(b"heads/bad\xff")):
        repo.git("update-ref", f"refs/{name}", "side")
    again(repo, tmp_path)


def test_a_file_that_git_is_not_to_look_at_and_that_is_gone_stays_gone(repo: Repo, tmp_path: Path) -> None:
    repo.git("update-index", "--assume-unchanged", "a.txt", "bin.dat")
    (repo.root / "a.txt").unlink()
    (repo.root / "bin.dat").unlink()
    repo.write("bin.dat/now a folder", "x")
    made = again(repo, tmp_path)
    assert not (made.root / "a.txt").exists() and (made.root / "bin.dat").is_dir()


def test_a_file_added_by_its_name_alone_and_deleted_since_is_there_again(repo: Repo, tmp_path: Path) -> None:
    repo.write("new", "x")
    repo.git("add", "-N", "new")
    (repo.root / "new").unlink()
    again(repo, tmp_path)


def test_what_a_merge_put_aside_is_there_again(repo: Repo, tmp_path: Path) -> None:
    repo.git("checkout", "-q", "-b", "theirs", "side")
    repo.commit("theirs", **{"a.txt": "theirs\n"})
    repo.git("checkout", "-q", "main")
    repo.write("b.txt", "not committed\n")
    repo.git("merge", "--autostash", "theirs", ok=(1,))
    made = again(repo, tmp_path)
    for one in (repo, made):
        one.write("a.txt", "settled\n")
        one.git("add", "a.txt")
        one.git("commit", "-q", "--no-edit")
    assert (made.root / "b.txt").read_text(encoding="utf-8") == "not committed\n"
    assert made.state() == repo.state()


def test_commits_that_a_cherry_pick_still_needs_are_there_again(repo: Repo, tmp_path: Path) -> None:
    """Its list has the beginnings of their ids, and no branch has them."""
    repo.git("checkout", "-q", "--detach")
    first = repo.commit("picked first", **{"a.txt": "picked\n"})
    second = repo.commit("picked second", **{"more.txt": "more\n"})
    repo.git("checkout", "-q", "main")
    repo.commit("in the way", **{"a.txt": "another\n"})
    repo.git("cherry-pick", first, second, ok=(1,))
    made = again(repo, tmp_path)
    for one in (repo, made):
        one.write("a.txt", "settled\n")
        one.git("add", "a.txt")
        one.git("-c", "core.editor=true", "cherry-pick", "--continue")
    assert (made.root / "more.txt").is_file() and made.state() == repo.state()


def test_a_bisect_without_checkout_goes_on(repo: Repo, tmp_path: Path) -> None:
    for number in range(6):
        repo.commit(f"{number}")
    repo.git("bisect", "start", "--no-checkout", "HEAD", "HEAD~6")
    made = again(repo, tmp_path)
    assert made.git("bisect", "good") == repo.git("bisect", "good")


def test_line_ends_that_the_person_has_git_make_everywhere_are_there_again(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P1: Git for Windows has it in its own settings, another machine has not."""
    settings = tmp_path / "settings"
    settings.write_text("[core]\n\tautocrlf = true\n", encoding="utf-8")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setitem(git_repos.PERSON, "GIT_CONFIG_GLOBAL", str(settings))
    repo.git("rm", "-q", "--cached", "-r", ".")
    repo.git("reset", "-q", "--hard")
    assert (repo.root / "a.txt").read_bytes() == b"one\r\nmore\r\n"
    _, into = captured(repo, tmp_path)
    was = repo.state()
    settings.write_text("", encoding="utf-8")
    assert not rebuild(into, tmp_path / "made").failed
    assert Repo(tmp_path / "made").state() == was


def test_a_filter_that_fails_where_it_is_rebuilt_is_said_and_no_obstacle(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git LFS stands in the person's settings of many machines, and is not there."""
    repo.write(".gitattributes", "*.psd filter=lfs\n")
    repo.commit("pointers", **{"a.psd": "pointer a\n", "b.psd": "pointer b\n"})
    repo.write("a.psd", "what it really is\n")
    settings = tmp_path / "settings"
    parts = "".join(f"\t{part} = no-such-program\n" for part in ("clean", "smudge", "process"))
    settings.write_text(f'[filter "lfs"]\n{parts}\trequired = true\n', encoding="utf-8")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    found, into = captured(repo, tmp_path)
    assert "what the filter `lfs` of git does to a.psd, b.psd: not kept" in found.notes
    done = rebuild(into, tmp_path / "made")
    assert not done.failed and any("a filter of git failed" in note for note in done.notes)
    assert (tmp_path / "made/a.psd").read_text(encoding="utf-8") == "what it really is\n"
    assert (tmp_path / "made/b.psd").read_text(encoding="utf-8") == "pointer b\n"


def test_a_filter_of_a_submodule_is_not_run(repo: Repo, tmp_path: Path) -> None:
    library = new_repo(tmp_path / "library")
    library.write(".gitattributes", "*.t filter=trap\n")
    library.commit("of the library", **{"x.t": "x\n"})
    repo.git("submodule", "--quiet", "add", str(library.root), "lib")
    repo.commit("with a submodule")
    inner = Repo(repo.root / "lib")
    inner.git("config", "filter.trap.clean", f"touch '{tmp_path / 'trapped'}'; cat")
    inner.write("x.t", "y\n")
    found, into = captured(repo, tmp_path)
    assert not found.partial and (into / "modules/0/files/x.t").read_bytes() == b"y\n"
    assert not (tmp_path / "trapped").exists()


def test_a_backup_that_still_tells_of_work_within_a_submodule_is_rebuilt(repo: Repo, tmp_path: Path) -> None:
    """Earlier backups hold it twice: in the state of the outer repository, too."""
    inner = new_repo(repo.root / "inner")
    inner.commit("one", **{"x": "x"})
    repo.git("add", "inner")
    repo.commit("with a repository")
    inner.write("x", "changed")
    _, into = captured(repo, tmp_path)
    state = json.loads((into / "state.json").read_text(encoding="utf-8"))
    at = inner.git("rev-parse", "HEAD").strip()
    state["status"] += [f"1 .M S.M. 160000 160000 160000 {at} {at} inner"]
    (into / "state.json").write_text(json.dumps(state), encoding="utf-8")
    assert not rebuild(into, tmp_path / "made").failed
    assert Repo(tmp_path / "made").state() == repo.state()


def test_commits_of_a_submodule_that_is_not_checked_out_are_named(repo: Repo, tmp_path: Path) -> None:
    library = new_repo(tmp_path / "library")
    library.commit("of the library", **{"lib.py": "x = 1\n"})
    for name in ("mine", "theirs"):
        repo.git("submodule", "--quiet", "add", str(library.root), name)
    Repo(repo.root / "mine").commit("not pushed", **{"lib.py": "x = 2\n"})
    repo.commit("with submodules")
    repo.git("submodule", "--quiet", "deinit", "--force", "--all")
    assert [lack.split(",")[0] for lack in captured(repo, tmp_path)[0].partial] == [
        "submodule `mine` is not checked out"
    ]


def test_a_person_who_lets_git_find_no_bare_repository_has_backups_too(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "settings"
    settings.write_text("[safe]\n\tbareRepository = explicit\n", encoding="utf-8")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    library = new_repo(tmp_path / "library")
    library.commit("of the library", **{"lib.py": "x = 1\n"})
    repo.git("submodule", "--quiet", "add", str(library.root), "mine")
    Repo(repo.root / "mine").commit("not pushed")
    repo.git("submodule", "--quiet", "deinit", "--force", "--all")
    found, into = captured(repo, tmp_path)
    assert [lack.split(",")[0] for lack in found.partial] == ["submodule `mine` is not checked out"]
    assert rebuild(into, tmp_path / "made").failed == (f"not captured: {found.partial[0]}",)


def test_a_sparse_index_is_read_without_a_new_object(repo: Repo, tmp_path: Path) -> None:
    repo.git("sparse-checkout", "set", "--cone", "--sparse-index", "deep")
    repo.write("deep/er/c.txt", "changed\n")
    repo.git("add", "deep")
    repo.write("문서/보고서.txt", "there all the same\n")
    before = sorted((repo.root / ".git/objects").rglob("*"))
    assert not capture(repo.root, tmp_path / "into", untracked_max=LARGE).partial
    assert sorted((repo.root / ".git/objects").rglob("*")) == before
    assert not (tmp_path / "into/.objects").exists()
    assert not rebuild(tmp_path / "into", tmp_path / "made").failed
    assert Repo(tmp_path / "made").state() == repo.state()


def test_another_work_tree_is_named_only_where_it_is_not_captured(repo: Repo, tmp_path: Path) -> None:
    repo.git("worktree", "add", "-q", "-b", "inside", "trees/inside")
    repo.git("worktree", "add", "-q", "-b", "outside", str(tmp_path / "outside"))
    Repo(repo.root / "trees/inside").write("a.txt", "of the other\n")
    found, into = captured(repo, tmp_path)
    assert [note for note in found.notes if "other work tree" in note] == [
        f"uncommitted work of the other work tree `{tmp_path / 'outside'}` is not part of this"
    ]
    assert not rebuild(into, tmp_path / "made").failed
    assert (tmp_path / "made/trees/inside/a.txt").read_text(encoding="utf-8") == "of the other\n"


def test_a_work_tree_apart_from_its_git_folder_is_partial(repo: Repo, tmp_path: Path) -> None:
    (tmp_path / "apart").mkdir()
    repo.git("config", "core.worktree", str(tmp_path / "apart"))
    found = capture(repo.root, tmp_path / "into", untracked_max=LARGE)
    assert found.partial and "core.worktree" in found.partial[0]


def test_repositories_below_what_is_left_out_are_left_out(repo: Repo, tmp_path: Path) -> None:
    new_repo(repo.root / "backups/clone").commit("one", **{"x": "x"})
    _, into = captured(repo, tmp_path, exclude=("backups",))
    assert not (into / "modules").exists()


def test_a_secret_is_looked_for_where_it_lies(repo: Repo, tmp_path: Path) -> None:
    """P55: a path within a repository within the repository is one of its own work tree."""
    inner = new_repo(repo.root / "inner")
    inner.commit("one", **{"config.json": "{}\n"})
    inner.write("config.json", "hunter2\n")
    asked = set()
    capture(repo.root, tmp_path / "into", untracked_max=LARGE, is_secret=lambda top, path: not asked.add(top / path))
    assert inner.root / "config.json" in asked
    assert b"hunter2" not in (tmp_path / "into/modules/0/patch.diff").read_bytes()


def test_settings_hooks_and_other_names_that_are_not_kept_are_named(repo: Repo, tmp_path: Path) -> None:
    """P55: the name of a setting may hold a password, too."""
    repo.git("config", "alias.st", "status")
    repo.git("config", "url.https://person:s3cret@git.test/.insteadOf", "desk:")
    repo.git("config", "core.autocrlf", "false")
    repo.git("symbolic-ref", "refs/heads/another", "refs/heads/main")
    repo.write(".git/hooks/pre-commit", "#!/bin/sh\n")
    repo.write(".git/info/grafts", "")
    found, into = captured(repo, tmp_path)
    assert found.notes == (
        "1 hook of the repository's own: not kept",
        "2 settings of the repository's own: not kept (alias.st, url.https://git.test/.insteadof)",
        "`refs/heads/another`, another name of a branch: not kept",
        "`.git/info/grafts`: not kept",
    )
    assert "s3cret" not in (into / "state.json").read_text(encoding="utf-8")


def test_the_patch_is_one_that_git_applies_whatever_the_settings_of_diff(repo: Repo, tmp_path: Path) -> None:
    for key in ("diff.noprefix", "diff.mnemonicPrefix"):
        repo.git("config", key, "true")
    repo.write("a.txt", "changed\n")
    _, into = captured(repo, tmp_path)
    shutil.copytree(repo.root, tmp_path / "copy")
    copy = Repo(tmp_path / "copy")
    copy.git("reset", "-q", "--hard")
    copy.git("apply", str(into / "patch.diff"))
    assert (copy.root / "a.txt").read_text(encoding="utf-8") == "changed\n"


def test_variables_that_a_person_set_for_one_command_change_nothing(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messy(repo)
    for name in ("GIT_GLOB_PATHSPECS", "GIT_ICASE_PATHSPECS"):
        monkeypatch.setenv(name, "1")
    into = tmp_path / "into"
    assert not capture(repo.root, into, untracked_max=LARGE).partial
    assert not rebuild(into, tmp_path / "made").failed
    monkeypatch.undo()
    assert Repo(tmp_path / "made").state() == repo.state()


def test_what_housekeeping_fetched_ahead_is_not_bundled(repo: Repo, tmp_path: Path) -> None:
    ahead = repo.git("commit-tree", "side^{tree}", "-p", "side", "-m", "of the remote").strip()
    repo.git("update-ref", "refs/prefetch/remotes/origin/main", ahead)
    _, into = captured(repo, tmp_path)
    assert ahead not in (into / "state.json").read_text(encoding="utf-8")

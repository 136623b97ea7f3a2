"""What git says of a workspace: real repositories, real pulls, rewritten histories, and every way to say nothing."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
import rig
from repos import Repo, made

from autosys_tasks.upgrade.head import head
from autosys_tasks.upgrade.history import History, pulled, see

ODD = "폴더 하나/이름\n둘 é.sh"
SCRIPT = "#!/bin/sh\n"
pytestmark = [pytest.mark.capability("git"), pytest.mark.only("posix")]


def seen(repo: Repo, last: str = "", under: str = "") -> History:
    found = see(str(repo.root / under), last)
    assert not found.silent, found.why
    return found


# --- what came since --------------------------------------------------------------------------------------


def test_a_pull_is_told_file_by_file_whatever_the_names(origin: Repo, here: Repo) -> None:
    old = here.head()
    origin.commit({ODD: SCRIPT, "a.txt": "2\n", "sub/b.txt": None, "sub/새.txt": "1\n"})
    here.git("pull", "--quiet")
    found = seen(here, old)
    assert (found.last, found.branch, found.commit) == ("ancestor", "main", origin.head())
    assert set(found.changed) == {ODD, "a.txt", "sub/b.txt", "sub/새.txt"}
    assert found.added == {ODD, "sub/새.txt"}
    assert (found.edited, found.untracked) == ((), ())


def test_a_renamed_file_is_one_that_went_and_one_that_came(origin: Repo, here: Repo) -> None:
    old = here.head()
    origin.git("mv", "a.txt", "z.txt")
    origin.commit()
    here.git("pull", "--quiet")
    here.git("config", "diff.renames", "copies")
    found = seen(here, old)
    assert (set(found.changed), found.added) == ({"a.txt", "z.txt"}, {"z.txt"})


def test_a_pull_that_is_a_rebase_or_a_merge_brings_its_own_files_alone(origin: Repo, here: Repo) -> None:
    old = here.commit({"mine.txt": "1\n"})
    origin.commit({"theirs.txt": "1\n"})
    here.git("pull", "--quiet", "--no-rebase", "--no-edit")
    assert seen(here, old).changed == ("theirs.txt",)
    rebased = here.commit({"mine.txt": "2\n"})
    origin.commit({"theirs.txt": "2\n"})
    here.git("pull", "--quiet", "--rebase")
    found = seen(here, rebased)
    assert (found.last, set(found.changed)) == ("rewritten", {"theirs.txt"})


def test_the_same_commit_has_brought_nothing(here: Repo) -> None:
    found = seen(here, here.head())
    assert (found.last, found.changed) == ("same", ())


def test_without_a_last_commit_nothing_is_compared(here: Repo) -> None:
    """P46"""
    assert seen(here).last == "none"


def test_a_force_push_is_told_and_compared(origin: Repo, here: Repo) -> None:
    """P46"""
    origin.commit({"a.txt": "2\n"})
    here.git("pull", "--quiet")
    old = here.head()
    origin.put({"a.txt": "3\n", "n.txt": "1\n"}).git("add", "--all")
    origin.git("commit", "--quiet", "--amend", "--no-edit")
    here.git("fetch", "--quiet")
    here.git("reset", "--quiet", "--hard", "origin/main")
    found = seen(here, old)
    assert (found.last, set(found.changed)) == ("rewritten", {"a.txt", "n.txt"})
    assert "history was rewritten" in pulled(found).notes[0]


@pytest.mark.parametrize("last", ["0" * 40, "f" * 64, "main", "--output=x", "HEAD~1", "0bad"])
def test_a_commit_that_is_not_there_is_unknown_and_nothing_crashes(here: Repo, last: str) -> None:
    """P46"""
    found = seen(here, last)
    assert (found.last, found.changed, pulled(found).old) == ("unknown", (), "")
    assert not (here.root / "x").exists()


def test_a_history_without_a_common_beginning_is_compared(origin: Repo, here: Repo) -> None:
    """P46: a root commit of its own, merged in."""
    old = here.head()
    origin.git("checkout", "--quiet", "--orphan", "clean")
    origin.git("rm", "--quiet", "-rf", ".")
    origin.commit({"build.txt": "1\n"}, "Clean Build")
    origin.git("checkout", "--quiet", "main")
    origin.git("merge", "--quiet", "--no-edit", "--allow-unrelated-histories", "clean")
    here.git("pull", "--quiet")
    assert seen(here, old).changed == ("build.txt",)


def test_a_shallow_clone_says_that_it_cannot_tell(origin: Repo, tmp_path: Path) -> None:
    shallow = origin.clone(tmp_path / "shallow", "--depth", "1")
    old = shallow.head()
    origin.commit({"a.txt": "2\n"})
    origin.commit({"a.txt": "3\n"})
    shallow.git("fetch", "--quiet", "--depth", "1")
    shallow.git("reset", "--quiet", "--hard", "origin/main")
    found = seen(shallow, old)
    assert (found.shallow, found.last, found.changed) == (True, "cut", ("a.txt",))
    assert "shallow" in pulled(found).notes[0]


def test_a_head_that_only_git_can_read_is_compared_too(here: Repo) -> None:
    old = here.head()
    here.commit({"a.txt": "2\n"})
    path = here.root / ".git" / "HEAD"
    path.unlink()
    path.symlink_to("refs/heads/main")  # as git once wrote it
    with pytest.raises(ValueError, match="HEAD"):
        head(str(here.root))
    assert (seen(here, old).last, seen(here, old).changed) == ("ancestor", ("a.txt",))


def test_a_head_that_moves_while_git_is_asked_is_told_as_it_is_then(
    here: Repo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old = here.head()
    here.git("checkout", "--quiet", "-b", "later")
    later = here.commit({"later.sh": SCRIPT})
    here.git("checkout", "--quiet", "main")
    here.commit({"a.txt": "2\n"})
    moving = tmp_path / "bin" / "git"
    moving.parent.mkdir()
    git = shutil.which("git")
    moving.write_text(
        f'#!/bin/sh\ncase "$*" in *" status "*) {git} checkout --quiet later;; esac\nexec {git} "$@"\n', "utf-8"
    )
    moving.chmod(0o755)
    monkeypatch.setenv("PATH", str(moving.parent) + os.pathsep + os.environ["PATH"])
    found = seen(here, old)
    assert (found.commit, found.branch, found.changed) == (later, "later", ("later.sh",))


# --- what is not committed --------------------------------------------------------------------------------


def test_uncommitted_edits_are_seen_staged_or_not(here: Repo) -> None:
    """P49"""
    here.put({"a.txt": "mine\n", "sub/b.txt": "mine\n", "new.sh": SCRIPT, ODD: SCRIPT, ".gitignore": "*.log\n"})
    here.put({"x.log": "1\n", "sub/deep/c.txt": None})
    here.git("add", "sub/b.txt", "new.sh")
    found = seen(here, here.head())
    assert set(found.edited) == {"a.txt", "sub/b.txt", "new.sh", "sub/deep/c.txt"}
    assert set(found.untracked) == {ODD, ".gitignore"}


def test_a_conflict_is_an_edit(origin: Repo, here: Repo) -> None:
    here.commit({"a.txt": "mine\n"})
    origin.commit({"a.txt": "theirs\n"})
    here.git("pull", "--no-rebase", code=1)
    assert seen(here).edited == ("a.txt",)


def test_looking_leaves_the_repository_to_the_byte(here: Repo) -> None:
    """P49: the index is not even refreshed."""
    (here.root / "a.txt").touch()
    index = here.root / ".git" / "index"
    before = (index.read_bytes(), index.stat().st_mtime_ns, sorted(os.listdir(here.root / ".git")))
    seen(here, here.head())
    assert (index.read_bytes(), index.stat().st_mtime_ns, sorted(os.listdir(here.root / ".git"))) == before


def test_settings_of_a_person_change_nothing(origin: Repo, here: Repo) -> None:
    old = here.head()
    for name, value in {
        "status.showUntrackedFiles": "no", "status.relativePaths": "false", "diff.external": "false",
        "core.quotePath": "true", "diff.noprefix": "true", "diff.relative": "true", "color.ui": "always",
        "core.fsmonitor": "false", "status.renames": "true", "diff.ignoreSubmodules": "all",
    }.items():  # fmt: skip
        here.git("config", name, value)
    origin.commit({"한글.txt": "1\n"})
    here.git("pull", "--quiet")
    here.put({"새것.txt": ""})
    found = see(str(here.root), old)
    assert (found.changed, found.untracked) == (("한글.txt",), ("새것.txt",))


# --- where a workspace may lie ----------------------------------------------------------------------------


def test_a_folder_of_a_repository_is_told_its_own_part(origin: Repo, here: Repo) -> None:
    old = here.head()
    origin.commit({"a.txt": "2\n", "sub/b.txt": "2\n", "sub/deep/새 것.txt": "1\n"})
    here.git("pull", "--quiet")
    here.put({"a.txt": "3\n", "sub/deep/c.txt": "3\n", "sub/u.txt": "", "v.txt": ""})
    found = seen(here, old, under="sub")
    assert set(found.changed) == {"b.txt", "deep/새 것.txt"}
    assert (found.edited, found.untracked) == (("deep/c.txt",), ("u.txt",))


def test_a_linked_work_tree_has_a_head_of_its_own(origin: Repo, here: Repo, tmp_path: Path) -> None:
    here.git("worktree", "add", "--quiet", "-b", "둘째", str(tmp_path / "wt"))
    tree = Repo(tmp_path / "wt")
    old = tree.head()
    tree.commit({"w.txt": "1\n"})
    found = seen(tree, old)
    assert (found.branch, found.changed) == ("둘째", ("w.txt",))
    assert seen(here, old).last == "same"


def test_a_submodule_is_a_workspace_like_any_other(origin: Repo, tmp_path: Path) -> None:
    outer = made(tmp_path / "outer", {"o.txt": "1\n"})
    outer.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", origin.root.as_uri(), "안/모듈")
    outer.commit()
    inner = Repo(outer.root / "안" / "모듈")
    old = inner.head()
    inner.commit({"s.txt": "1\n"})
    assert seen(inner, old).changed == ("s.txt",)
    assert (seen(outer).adrift, seen(outer).edited) == (("안/모듈",), ())


def test_a_submodule_that_a_pull_left_behind_is_named_until_it_is_updated(
    origin: Repo, here: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pull brings what the outer repository wants of it, and not the thing itself (lesson P7)."""
    for key, value in {"COUNT": "1", "KEY_0": "protocol.file.allow", "VALUE_0": "always"}.items():
        monkeypatch.setenv(f"GIT_CONFIG_{key}", value)
    lib, before = made(tmp_path / "lib", {"lib.py": "1\n"}), here.head()
    origin.git("submodule", "--quiet", "add", lib.root.as_uri(), "한 lib")
    origin.commit()
    here.git("pull", "--quiet")
    came = seen(here, before)
    assert came.behind == ("한 lib",) and ".gitmodules" in came.changed
    assert pulled(came).notes[-1].endswith("-> git submodule update --init \"한 lib\"")
    here.git("submodule", "--quiet", "update", "--init")
    assert seen(here, before).behind == ()
    before = here.head()
    lib.commit({"lib.py": "2\n"})
    origin.git("submodule", "--quiet", "update", "--remote")
    origin.commit()
    here.git("pull", "--quiet")
    assert seen(here, before).behind == ("한 lib",)
    here.git("submodule", "--quiet", "update")
    assert seen(here, before).behind == ()


def test_a_detached_head_is_one_without_a_branch(here: Repo) -> None:
    here.git("checkout", "--quiet", "--detach")
    assert (seen(here).branch, seen(here, here.head()).last) == ("", "same")


# --- when git says nothing --------------------------------------------------------------------------------


def test_a_folder_that_is_no_repository_is_told_as_that(tmp_path: Path) -> None:
    found = see(str(tmp_path), "0" * 40)
    assert (found.silent, pulled(found)[:3]) == ("no-repository", ("", "", ()))
    assert head(str(tmp_path)) is None


def test_a_repository_without_a_commit_has_edits_only(tmp_path: Path) -> None:
    repo = made(tmp_path / "new")
    repo.put({"a.sh": SCRIPT})
    found = see(str(repo.root))
    assert (found.silent, found.commit, found.branch, found.untracked) == ("no-commit", "", "main", ("a.sh",))


def test_without_git_everything_else_can_go_on(here: Repo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = see(str(here.root))
    assert found.silent == "no-git" and "install git" in found.why


@pytest.mark.only("posix")
def test_a_git_that_hangs_is_ended(here: Repo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hanging = tmp_path / "bin" / "git"
    hanging.parent.mkdir()
    hanging.write_text("#!/bin/sh\nsleep 600\n", encoding="utf-8")
    hanging.chmod(0o755)
    monkeypatch.setenv("PATH", str(hanging.parent) + os.pathsep + os.environ["PATH"])
    began = time.monotonic()
    assert see(str(here.root), timeout_s=0.3).silent == "late"
    assert time.monotonic() - began < 100


def test_a_repository_of_somebody_else_is_named_with_the_way_to_trust_it(
    here: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own switch for this
    found = see(str(here.root))
    assert found.silent == "not-trusted" and "safe.directory" in found.why


def test_a_damaged_repository_is_told_not_raised(here: Repo) -> None:
    (here.root / ".git" / "HEAD").write_text("nonsense\n", encoding="ascii")
    assert see(str(here.root)).silent
    with pytest.raises(ValueError, match="nonsense"):
        head(str(here.root))


# --- HEAD without git -------------------------------------------------------------------------------------


def both(repo: Repo, under: str = "") -> tuple[str, str]:
    """HEAD as our reading of the files has it, which must be what git says."""
    found = head(str(repo.root / under))
    assert found is not None
    branch = repo.git("symbolic-ref", "--quiet", "--short", "HEAD", code=None)
    commit = repo.git("rev-parse", "--verify", "--quiet", "HEAD", code=None)
    assert (found.commit, found.branch) == (commit, branch)
    assert os.path.samefile(found.top, repo.git("rev-parse", "--show-toplevel"))
    assert os.path.samefile(found.git_dir, repo.git("rev-parse", "--absolute-git-dir"))
    return found.commit, found.branch


def test_head_is_read_from_files_as_git_reads_it(origin: Repo, here: Repo, tmp_path: Path) -> None:
    both(here)
    both(here, "sub/deep")
    here.git("checkout", "--quiet", "-b", "기능/하나")
    assert both(here)[1] == "기능/하나"
    here.git("pack-refs", "--all", "--prune")
    both(here)
    here.commit({"n.txt": "1\n"})  # a loose reference over a packed one
    both(here)
    here.git("symbolic-ref", "refs/heads/alias", "refs/heads/main")
    here.git("symbolic-ref", "HEAD", "refs/heads/alias")
    assert head(str(here.root)).commit == here.head()  # type: ignore[union-attr]
    here.git("checkout", "--quiet", "--detach", "main")
    assert both(here)[1] == ""
    here.git("worktree", "add", "--quiet", "-b", "둘째", str(tmp_path / "wt"))
    both(Repo(tmp_path / "wt"))
    both(made(tmp_path / "unborn"))


def test_references_that_are_kept_in_a_table_are_left_to_git(here: Repo) -> None:
    (here.root / ".git" / "HEAD").write_text("ref: refs/heads/.invalid\n", encoding="ascii")
    with pytest.raises(ValueError, match=r"\.invalid"):
        head(str(here.root))


# --- cost -------------------------------------------------------------------------------------------------


def test_head_costs_a_tick_nothing_and_ten_thousand_files_little(here: Repo) -> None:
    """HEAD in under 2 ms; a diff of 10,000 files is explained in under 150 ms of work of all processes."""
    old = here.head()
    here.commit_many([f"폴더{number // 100}/파일 {number}.txt" for number in range(10_000)])
    took = []
    for _ in range(50):
        began = time.perf_counter()
        head(str(here.root / "sub"))
        took.append(time.perf_counter() - began)
    assert min(took) < 0.002 * rig.stretched(), took
    works = []
    for _ in range(5):
        before = os.times()
        found = seen(here, old)
        works.append(sum(os.times()[:4]) - sum(before[:4]))
    print(f"work {min(works) * 1000:.0f} ms, head {min(took) * 1e6:.0f} us")
    assert len(found.changed) == len(found.added) == len(found.edited) == 10_000
    assert min(works) < 0.15 * rig.stretched(), works

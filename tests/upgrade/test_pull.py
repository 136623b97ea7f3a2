"""`--pull`: forward where that takes nothing away, and one clear end for everything else. Real remotes, real git."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

import pytest
from repos import Repo, made

from autosys_tasks.upgrade.pull import PullEnd, pull

pytestmark = [pytest.mark.capability("git"), pytest.mark.only("posix")]


def everything(repo: Repo) -> dict[str, bytes]:
    """Every file of the work tree, the index, and where the branch is."""
    files = [path for path in repo.root.rglob("*") if path.is_file() and ".git" not in path.parts]
    known = {str(path.relative_to(repo.root)): path.read_bytes() for path in files}
    staged = repo.git("ls-files", "--stage", "-z") + repo.git("stash", "list")
    return {**known, "@index": os.fsencode(staged), "@head": repo.head().encode()}


def refused(repo: Repo, state: str, *texts: str, under: str = "") -> PullEnd:
    """A pull that ends in this state, says these words, and has changed nothing."""
    before = everything(repo)
    ended = pull(str(repo.root / under), fetch_s=20)
    assert (ended.state, ended.ok) == (state, False), ended
    assert everything(repo) == before
    for text in texts:
        assert text in f"{ended.why} -> {ended.hint}", ended
    return ended


def test_what_is_new_is_fetched_and_the_branch_goes_forward(origin: Repo, here: Repo) -> None:
    old = here.head()
    new = origin.commit({"a.txt": "2\n", "새 것.txt": "1\n"})
    ended = pull(str(here.root))
    assert (ended.state, ended.old, ended.new) == ("forwarded", old, new)
    assert here.head() == new and here.clean()
    assert pull(str(here.root)).state == "nothing"


def test_edits_that_are_in_nobodys_way_stay_to_the_byte(origin: Repo, here: Repo) -> None:
    """P49"""
    origin.commit({"a.txt": "2\n"})
    here.put({"sub/b.txt": "mine\n", "sub/deep/c.txt": "staged\n", "new.txt": "mine\n"})
    here.git("add", "sub/deep/c.txt")
    before = here.git("status", "--porcelain")
    assert pull(str(here.root)).state == "forwarded"
    assert here.git("status", "--porcelain") == before
    assert (here.root / "sub" / "b.txt").read_text(encoding="utf-8") == "mine\n"


@pytest.mark.parametrize("staged", [False, True])
def test_an_edit_in_the_way_is_named_and_kept(origin: Repo, here: Repo, staged: bool) -> None:
    """P49"""
    origin.commit({"a.txt": "2\n", "sub/b.txt": None, "sub/deep/c.txt": "2\n"})
    here.put({"a.txt": "mine\n", "sub/b.txt": "mine\n"})
    if staged:
        here.git("add", "--all")
    ended = refused(here, "in-the-way", "a.txt, sub/b.txt", "commit them", under="sub")
    assert ended.files == ("a.txt", "sub/b.txt")


def test_a_file_that_git_does_not_know_is_never_overwritten_also_when_it_is_ignored(origin: Repo, here: Repo) -> None:
    """P49: git itself overwrites ignored files without a word."""
    here.commit({".gitignore": "*.env\n/local\n"})
    here.git("push", "--quiet", "origin", "HEAD:refs/heads/next")
    origin.git("merge", "--quiet", "next")
    origin.put({"한글.env": "theirs\n", "local/x.txt": "theirs\n", "u.txt": "theirs\n"})
    origin.git("add", "--all", "--force")
    origin.git("commit", "--quiet", "-m", "more")
    here.put({"한글.env": "secret\n", "local": "a file\n", "u.txt": "mine\n"})
    assert set(refused(here, "in-the-way").files) == {"한글.env", "local", "u.txt"}


def test_an_edit_that_git_was_told_not_to_look_at_is_kept(origin: Repo, here: Repo) -> None:
    origin.commit({"a.txt": "2\n"})
    for flag in ("--assume-unchanged", "--skip-worktree"):
        here.git("update-index", flag, "a.txt")
        here.put({"a.txt": "mine\n"})
        refused(here, "refused")
        here.git("update-index", f"--no{flag[1:]}", "a.txt")
        here.git("checkout", "--quiet", "a.txt")


def test_a_file_that_makes_room_for_a_folder_is_no_loss(origin: Repo, here: Repo) -> None:
    origin.commit({"a.txt": None})
    origin.commit({"a.txt/inside.txt": "1\n"})
    assert pull(str(here.root)).state == "forwarded"


def test_commits_that_are_not_pushed_are_nobodys_business(origin: Repo, here: Repo) -> None:
    here.commit({"mine.txt": "1\n"})
    ended = pull(str(here.root))
    assert (ended.state, ended.ok, ended.why) == ("ahead", True, "1 commit not pushed")


def test_different_ways_are_left_to_the_person(origin: Repo, here: Repo) -> None:
    here.commit({"mine.txt": "1\n"})
    origin.commit({"theirs.txt": "1\n"})
    refused(here, "diverged", "1 commit here and 1 commit in `origin/main`", "git pull --rebase")


def test_a_rewritten_branch_is_left_to_the_person(origin: Repo, here: Repo) -> None:
    """P46"""
    origin.put({"a.txt": "9\n"}).git("commit", "--quiet", "--all", "--amend", "--no-edit")
    refused(here, "diverged")


def test_a_branch_without_an_upstream_says_how_to_give_it_one(here: Repo) -> None:
    here.git("checkout", "--quiet", "-b", "기능")
    refused(here, "no-upstream", "git branch --set-upstream-to=origin/기능")


def test_an_upstream_that_was_deleted_is_named(origin: Repo, here: Repo) -> None:
    origin.git("branch", "next")
    here.git("fetch", "--quiet")
    here.git("checkout", "--quiet", "-b", "next", "--track", "origin/next")
    origin.git("branch", "-D", "next")
    here.git("config", "fetch.prune", "true")
    refused(here, "no-upstream", "`origin/next`")


def test_a_branch_may_follow_another_one_of_this_repository(here: Repo) -> None:
    here.git("checkout", "--quiet", "-b", "work", "--track", "main")
    here.git("checkout", "--quiet", "main")
    new = here.commit({"a.txt": "2\n"})
    here.git("checkout", "--quiet", "work")
    assert (pull(str(here.root)).state, here.head()) == ("forwarded", new)


def test_a_detached_head_is_left_alone(here: Repo) -> None:
    here.git("checkout", "--quiet", "--detach")
    refused(here, "detached", "git switch")


def test_a_merge_under_way_is_left_alone(origin: Repo, here: Repo) -> None:
    here.commit({"a.txt": "mine\n"})
    origin.commit({"a.txt": "theirs\n"})
    here.git("pull", "--no-rebase", code=1)
    before = everything(here)
    assert not pull(str(here.root)).ok
    assert everything(here) == before


def test_an_index_that_another_git_holds_is_waited_for_by_the_person(origin: Repo, here: Repo) -> None:
    origin.commit({"a.txt": "2\n"})
    (here.root / ".git" / "index.lock").touch()
    refused(here, "refused", "index.lock")


def test_a_folder_without_a_repository_has_nothing_to_pull(tmp_path: Path) -> None:
    assert pull(str(tmp_path)).state == "silent"


def test_a_shallow_clone_goes_forward_too(origin: Repo, tmp_path: Path) -> None:
    shallow = origin.clone(tmp_path / "shallow", "--depth", "1")
    new = origin.commit({"a.txt": "2\n"})
    assert (pull(str(shallow.root)).state, shallow.head()) == ("forwarded", new)


def test_hooks_of_the_repository_are_not_run_by_our_own_pull(origin: Repo, here: Repo) -> None:
    hook = here.root / ".git" / "hooks" / "post-merge"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\ntouch hooked\n", encoding="utf-8", newline="\n")
    hook.chmod(0o755)
    origin.commit({"a.txt": "2\n"})
    assert pull(str(here.root)).state == "forwarded"
    assert not (here.root / "hooked").exists()


def test_a_submodule_that_was_left_behind_stands_in_no_way(
    origin: Repo, here: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in {"COUNT": "1", "KEY_0": "protocol.file.allow", "VALUE_0": "always"}.items():
        monkeypatch.setenv(f"GIT_CONFIG_{key}", value)
    lib = made(tmp_path / "lib", {"lib.py": "1\n"})
    origin.git("submodule", "--quiet", "add", lib.root.as_uri(), "lib")
    origin.commit()
    assert pull(str(here.root)).state == "forwarded"
    here.git("submodule", "--quiet", "update", "--init")
    for text in ("2\n", "3\n"):  # the second comes where the first was never checked out
        lib.commit({"lib.py": text})
        origin.git("submodule", "--quiet", "update", "--remote")
        origin.commit()
        assert pull(str(here.root)).state == "forwarded"
    assert (here.root / "lib" / "lib.py").read_text("utf-8") == "1\n"


# --- the other end ----------------------------------------------------------------------------------------


def test_a_remote_that_cannot_be_reached_is_offline(here: Repo) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        here.git("remote", "set-url", "origin", f"http://127.0.0.1:{nobody.getsockname()[1]}/x.git")
        refused(here, "offline", "when the network is back")


def test_a_remote_that_is_gone_is_named(here: Repo, tmp_path: Path) -> None:
    here.git("remote", "set-url", "origin", (tmp_path / "없음").as_uri())
    refused(here, "refused", "git fetch origin")


def test_a_remote_that_says_nothing_is_ended_in_time(here: Repo) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        here.git("remote", "set-url", "origin", f"http://127.0.0.1:{silent.getsockname()[1]}/x.git")
        began = time.monotonic()
        ended = pull(str(here.root), fetch_s=0.5)
        assert (ended.state, ended.hint) == ("offline", "git fetch")
        assert time.monotonic() - began < 30


def test_a_remote_that_asks_who_we_are_is_not_answered_by_a_prompt(here: Repo) -> None:
    """No credential prompt: not on a terminal, not in a window."""
    answer = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        here.git("remote", "set-url", "origin", f"http://127.0.0.1:{listening.getsockname()[1]}/x.git")

        def serve() -> None:
            try:
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        connection.recv(65536)
                        connection.sendall(answer)
            except OSError:
                return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        refused(here, "denied", "git fetch origin")

"""Whatever a person did to a repository, in whatever order: capture and rebuild give the same one."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
import rig
from git_repos import Repo, every_byte, new_repo
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autosys_tasks.backup.git.capture import capture
from autosys_tasks.backup.git.rebuild import rebuild

pytestmark = [pytest.mark.capability("git"), pytest.mark.only("posix")]
PATHS = st.sampled_from(
    ["a", "가 나", "d/b", "d/c", "d", "a/x", "d/e/f", " blank ", "-dash", "tab\tand\nline", 'q"uote\\', ":colon"]
)
CONTENT = st.sampled_from([b"", b"one\n", b"one\ntwo\n", bytes(range(256)), b"crlf\r\n", b"x" * 70000])
EDITS = st.one_of(
    st.tuples(st.just("write"), PATHS, CONTENT),
    st.tuples(st.sampled_from(["delete", "stage", "intend", "link", "program", "unstage"]), PATHS, st.none()),
    st.tuples(st.sampled_from(["commit", "stash", "branch", "detach", "stage all"]), st.just("."), st.none()),
)


def edit(repo: Repo, what: str, path: str, content: bytes | None) -> None:
    """One thing that a person may do; what git or the file system refuses is no matter."""
    words = {
        "stage": ("add", "-f", "--", path), "intend": ("add", "-N", "--", path), "stage all": ("add", "-A"),
        "unstage": ("rm", "-q", "--cached", "-r", "--", path), "commit": ("commit", "-q", "-m", "more"),
        "stash": ("stash", "push", "-q", "-u"), "branch": ("checkout", "-q", "-b", "b"),
        "detach": ("checkout", "-q", "--detach"),
    }  # fmt: skip
    if what in words:
        repo.git("--literal-pathspecs", *words[what], ok=range(256))
        return
    target = repo.root / path
    try:
        if what == "delete":
            shutil.rmtree(target) if target.is_dir() and not target.is_symlink() else target.unlink()
        elif what == "link":
            os.symlink("가 나", target)
        elif what == "program":
            target.chmod(0o755)
        else:
            repo.write(path, content or b"")
    except OSError:
        pass


@example([("unstage", "d/b", None), ("intend", "d/b", None)])
@given(st.lists(EDITS, max_size=14))
@settings(max_examples=rig.examples(30))
def test_any_edits_are_there_again(edits: list[tuple[str, str, bytes | None]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        repo = new_repo(Path(folder, "desk"))
        repo.commit("first", **{"a": "a\n", "d/b": "b\n", "가 나": "c\n"})
        for what, path, content in edits:
            edit(repo, what, path, content)
        before = every_byte(repo.root)
        found = capture(repo.root, Path(folder, "into"), untracked_max=1_000_000)
        assert every_byte(repo.root) == before
        assert not found.partial, found
        assert not rebuild(Path(folder, "into"), Path(folder, "made")).failed
        assert Repo(Path(folder, "made")).state() == repo.state()

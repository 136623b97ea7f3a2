"""The git program as this project asks it: it never waits for a person, and always comes to an end."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from pathlib import Path

import pytest
import rig

from autosys_tasks.host import git

REFUSAL = b'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
pytestmark = [pytest.mark.capability("git"), pytest.mark.only("posix")]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """An empty repository."""
    top = tmp_path / "책상 R&D"
    top.mkdir()
    git.must(top, "init", "--quiet")
    return top


def test_what_git_wrote_comes_back_as_it_is_and_an_exit_code_is_no_exception(repository: Path) -> None:
    assert (
        git.must(repository, "hash-object", "--stdin", given=b"x\n").strip()
        == b"587be6b4c3f93f93c489c0111bba5596147a26cb"
    )
    said = git.ask(repository, "rev-parse", "--verify", "HEAD")
    assert said.code == 128 and "fatal" in said.err
    with pytest.raises(git.GitError, match="git rev-parse ended with 128: Needed a single revision"):
        git.must(repository, "rev-parse", "--verify", "HEAD")


def test_what_ssh_said_is_told_where_git_has_no_reason_of_its_own(repository: Path) -> None:
    ssh = {"GIT_SSH_COMMAND": "echo 'x@y: Permission denied (publickey).' >&2; exit 255 #", "GIT_SSH_VARIANT": "simple"}
    with pytest.raises(git.GitError, match=r"ended with 128: x@y: Permission denied \(publickey\)\.$"):
        git.must(repository, "fetch", "ssh://x@y/z.git", env=ssh)


def test_output_goes_to_a_file_where_one_is_named(repository: Path, tmp_path: Path) -> None:
    assert git.must(repository, "version", into=tmp_path / "said") == b""
    assert (tmp_path / "said").read_bytes().startswith(b"git version")


def test_a_repository_is_found_from_below_and_none_is_none(repository: Path, tmp_path: Path) -> None:
    (repository / "deep").mkdir()
    found = git.find(repository / "deep")
    assert found is not None and Path(found.top) == repository.resolve()
    assert Path(found.common_dir) == Path(found.git_dir) == repository.resolve() / ".git"
    assert (found.shallow, found.object_format) == (False, "sha1")
    assert git.find(tmp_path) is None


def test_a_git_that_does_not_end_is_ended_with_what_it_started(repository: Path) -> None:
    mark = f"autosys-test-{os.getpid()}-{time.monotonic_ns()}"
    alias = f"alias.wait=!MARK={mark} '{sys.executable}' -c 'import time; time.sleep(600)'"
    began = time.monotonic()
    with pytest.raises(git.GitError, match="did not end within 1"):
        git.ask(repository, "wait", config=(alias,), timeout_s=1.0)
    assert time.monotonic() - began < 30
    rig.wait_for(lambda: not list(rig.processes_with("MARK", mark)), what="the child of git to be gone")


def test_a_remote_that_wants_a_password_is_an_error_at_once(repository: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_refuse, args=(server,), daemon=True).start()
        with pytest.raises(git.GitError, match=r"could not read Username|Authentication failed|prompts disabled"):
            git.must(repository, "fetch", f"http://127.0.0.1:{server.getsockname()[1]}/x", timeout_s=30)


def _refuse(server: socket.socket) -> None:
    while True:
        try:
            line, _ = server.accept()
        except OSError:
            return
        with line:
            line.recv(65536)
            line.sendall(REFUSAL)


def test_a_hook_is_not_run_wherever_it_was_set_up(repository: Path, tmp_path: Path) -> None:
    for folder in (repository / ".git/hooks", tmp_path / "hooks of the person"):
        folder.mkdir(exist_ok=True)
        hook = folder / "post-commit"
        hook.write_text("#!/bin/sh\ntouch trapped\n", encoding="utf-8", newline="\n")
        hook.chmod(0o755)
    git.must(repository, "config", "core.hooksPath", str(tmp_path / "hooks of the person"))
    person = ("user.name=x", "user.email=x@desk.test")
    git.must(repository, "commit", "--quiet", "--allow-empty", "-m", "x", config=person)
    assert not (repository / "trapped").exists()


def test_without_git_the_error_says_what_to_do(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository))
    with pytest.raises(git.GitError, match="not installed") as raised:
        git.ask(repository, "version")
    assert "install git" in raised.value.hint


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(git.GitError, match="cannot run git"):
        git.ask(tmp_path / "없음", "version")


@pytest.mark.only("linux")
@pytest.mark.capability("root")
def test_a_repository_of_another_user_is_refused_with_the_command_that_trusts_it(repository: Path) -> None:
    os.chown(repository, 12345, 12345)
    os.chown(repository / ".git", 12345, 12345)
    with pytest.raises(git.GitError, match="dubious ownership") as raised:
        git.find(repository)
    assert "safe.directory" in raised.value.hint and str(repository) in raised.value.hint


@pytest.mark.parametrize("name", ["GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_OBJECT_DIRECTORY"])
def test_what_a_hook_inherits_does_not_lead_to_another_repository(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, str(tmp_path / "other"))
    found = git.find(repository)
    assert found is not None and Path(found.top) == repository.resolve()

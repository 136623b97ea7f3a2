"""Real repositories for tests: a work tree, a remote behind a real daemon, and what must be equal after a rebuild."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import rig

PERSON = {
    "GIT_AUTHOR_NAME": "남궁 Person", "GIT_AUTHOR_EMAIL": "person@desk.test", "GIT_COMMITTER_NAME": "남궁 Person",
    "GIT_COMMITTER_EMAIL": "person@desk.test", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_DATE": "2026-01-05T03:30:00Z", "GIT_COMMITTER_DATE": "2026-01-05T03:30:00Z", "LC_ALL": "C",
}  # fmt: skip
FREE = ("-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main")


class Repo:
    """A repository of a person, driven with the real git."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def git(self, *words: str, ok: Sequence[int] = (0,), given: bytes = b"") -> str:
        """What git wrote; the test fails with both streams when it ended otherwise than `ok`."""
        env = {**{key: value for key, value in os.environ.items() if not key.startswith("GIT_")}, **PERSON}
        done = subprocess.run(
            ["git", *FREE, *words], cwd=self.root, env=env, input=given, capture_output=True, timeout=60
        )
        assert done.returncode in ok, f"git {words} ended with {done.returncode}\n{done.stdout!r}\n{done.stderr!r}"
        return done.stdout.decode("utf-8", "surrogateescape")

    def write(self, path: str, content: str | bytes) -> Path:
        """A file of the work tree."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return target

    def commit(self, message: str, **files: str | bytes) -> str:
        """Write files, commit all that differs, and say the commit."""
        for path, content in files.items():
            self.write(path, content)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD").strip()

    def state(self) -> dict[str, object]:
        """All that a rebuilt repository must have in common with this one."""
        head = self.git("rev-parse", "-q", "--verify", "HEAD", ok=(0, 1))
        stashes = self.git("stash", "list", "--format=%H %gs") if "refs/stash" in self.git("for-each-ref") else ""
        return {
            "status": self.git("status", "--porcelain=v2", "--untracked-files=all", "--no-renames"),
            "index": self.git("ls-files", "-s", "-v"),
            "head": (self.git("symbolic-ref", "-q", "HEAD", ok=(0, 1)), head),
            "tree": self.git("rev-parse", "HEAD^{tree}") if head else "",
            "branches": self.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/tags"),
            "stashes": stashes,
            "stashed": [self.stashed(number) for number in range(len(stashes.splitlines()))],
            "files": self.files(),
        }  # fmt: skip

    def stashed(self, number: int) -> str:
        """A stash as a patch, and its trees (git cannot show one that holds a path twice)."""
        stash = f"stash@{{{number}}}"
        patch = self.git("stash", "show", "-p", "--binary", "--include-untracked", stash, ok=(0, 128))
        return patch + self.git("rev-list", "--parents", "--no-walk", "--format=%T %s", stash)

    def files(self) -> dict[str, str]:
        """Content, links and rights of every file of the work tree that is not ignored."""
        listed = self.git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
        return {path: _what(self.root / path) for path in sorted(set(listed)) if path}


def _what(path: Path) -> str:
    if path.is_symlink():
        return f"-> {os.readlink(path)}"
    if not path.exists():
        return "gone"
    if not path.is_file():
        return "a folder" if path.is_dir() else "neither"
    mode = "x" if path.stat().st_mode & 0o100 else "-"
    return f"{mode} {hashlib.sha256(path.read_bytes()).hexdigest()}"


def every_byte(folder: Path) -> dict[str, tuple[int, str]]:
    """Each file below a folder with its time and hash: equal before and after, or somebody wrote there."""
    return {
        str(path): (path.lstat().st_mtime_ns, "" if path.is_dir() else _what(path))
        for path in sorted(folder.rglob("*"))
    }


def new_repo(root: Path) -> Repo:
    """An empty repository with an awkward name."""
    root.mkdir(parents=True)
    repo = Repo(root)
    repo.git("init", "-q")
    return repo


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address at which a real git daemon on loopback serves the bare repositories of a folder."""
    port = rig.free_port()
    argv = ["git", "daemon", "--reuseaddr", "--export-all", "--enable=receive-pack", "--listen=127.0.0.1"]
    argv += [f"--port={port}", f"--base-path={folder}", str(folder)]
    server = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        rig.wait_for(lambda: _answers(port), what="the git daemon")
        yield f"git://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(60)
        rig.wait_for(lambda: not _answers(port), what="the git daemon to be gone")


def _answers(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

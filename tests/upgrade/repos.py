"""Real repositories: one that people push to, a workspace that pulls from it, and what git says of both."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

IDENTITY = {
    "GIT_AUTHOR_NAME": "세나", "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "세나", "GIT_COMMITTER_EMAIL": "a@example.org",
    "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C",
}  # fmt: skip


class Repo:
    """A work tree and what is done in it, with real commands."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def git(self, *words: str, code: int | None = 0, env: dict[str, str] | None = None) -> str:
        """What `git WORDS` writes here; fails unless it ends with `code` (None: whatever)."""
        done = subprocess.run(
            ["git", *words], cwd=self.root, env={**os.environ, **IDENTITY, **(env or {})},
            stdin=subprocess.DEVNULL, capture_output=True, check=False,
        )  # fmt: skip
        said = os.fsdecode(done.stdout)
        assert code in (None, done.returncode), (words, done.returncode, said, os.fsdecode(done.stderr))
        return said.strip("\n")

    def put(self, files: dict[str, str | None]) -> Repo:
        """Write these files; None takes one away."""
        for name, text in files.items():
            path = self.root / name
            if text is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        return self

    def commit(self, files: dict[str, str | None] | None = None, said: str = "change") -> str:
        """Commit these files, and whatever else is there; the commit's name."""
        self.put(files or {})
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", said)
        return self.head()

    def commit_many(self, paths: list[str]) -> str:
        """A commit that adds these empty files, which are not written to the disk."""
        lines = ["commit HEAD", "committer x <x@example.org> 1700000000 +0000", "data 4", "many", f"from {self.head()}"]
        entries = [f'M 100644 inline "{path}"\ndata 0\n' for path in paths]
        stream = "\n".join([*lines, *entries, ""]).encode()
        subprocess.run(["git", "fast-import", "--quiet"], cwd=self.root, input=stream, check=True)
        self.git("read-tree", "HEAD")
        return self.head()

    def head(self) -> str:
        """The commit that HEAD names."""
        return self.git("rev-parse", "HEAD")

    def clean(self) -> bool:
        """Whether git sees nothing that is not committed."""
        return self.git("status", "--porcelain") == ""

    def clone(self, to: Path, *words: str) -> Repo:
        """A clone of this one, which pulls from here."""
        to.parent.mkdir(parents=True, exist_ok=True)
        self.git("clone", "--quiet", "--template=", *words, self.root.as_uri(), str(to))
        return Repo(to)


def made(root: Path, files: dict[str, str | None] | None = None) -> Repo:
    """A new repository; with its first commit when there are files."""
    root.mkdir(parents=True, exist_ok=True)
    repo = Repo(root)
    repo.git("init", "--quiet", "-b", "main", "--template=")
    if files:
        repo.commit(files, "first")
    return repo


def pair(first: Path, origin: Path, here: Path) -> tuple[Repo, Repo]:
    """A repository with a few files, and a clone of it: copies of the `template` in `first`, which is quicker."""
    shutil.copytree(first / "origin", origin)
    shutil.copytree(first / "here", here)
    config = here / ".git" / "config"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace((first / "origin").as_uri(), origin.as_uri()), encoding="utf-8", newline="\n")
    return Repo(origin), Repo(here)


def template(folder: Path) -> Path:
    """Make the pair that others are copied from."""
    made(folder / "origin", {"a.txt": "1\n", "sub/b.txt": "1\n", "sub/deep/c.txt": "1\n"}).clone(folder / "here")
    return folder

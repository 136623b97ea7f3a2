"""Where a workspace's HEAD stands, read from git's own files: a tick asks that, and a git process costs too much."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from autosys_tasks.core.files import read_file

HEX = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
CHAIN = 5  # references that name one another


class Head(NamedTuple):
    """What HEAD says. `commit` "" = there is none yet; `branch` "" = HEAD is detached."""

    commit: str
    branch: str
    top: str  # the work tree's folder
    git_dir: str


def head(folder: str) -> Head | None:
    """HEAD of the repository that `folder` lies in; None = there is none.

    Raises ValueError where its files do not tell (references in a reftable, a damaged HEAD): ask git then.
    """
    found = repository_of(folder)
    if found is None:
        return None
    top, git_dir = found
    said = _text(f"{git_dir}/HEAD")
    if said is None or os.path.islink(f"{git_dir}/HEAD"):
        raise ValueError(f"`{git_dir}/HEAD` is no HEAD that we can read")
    if HEX.fullmatch(said):
        return Head(said, "", top, git_dir)
    name = said.removeprefix("ref: ").strip()
    if name == said or name == "refs/heads/.invalid":
        raise ValueError(f"`{git_dir}/HEAD` says `{said[:60]}`")
    return Head(_commit(git_dir, name), name.removeprefix("refs/heads/"), top, git_dir)


def repository_of(folder: str) -> tuple[str, str] | None:
    """(work tree, git's folder) of the repository that `folder` lies in: its own `.git`, or the next one above."""
    at = os.path.realpath(folder)
    while True:
        git = os.path.join(at, ".git")
        if os.path.isdir(git):
            return at, git
        if os.path.isfile(git):  # a linked work tree, or a submodule
            said = (_text(git) or "").removeprefix("gitdir: ")
            return at, os.path.normpath(os.path.join(at, said))
        above = os.path.dirname(at)
        if above == at:
            return None
        at = above


def ignores(folder: str) -> list[str]:
    """What outside of `folder` tells git to leave something in it out, there or not: its own list, those above."""
    found = repository_of(folder)
    if found is None:
        return []
    top, git_dir = found
    above = os.path.relpath(os.path.realpath(folder), top).split(os.sep)
    depth = 0 if above == ["."] else len(above)
    return [f"{_shared(git_dir)}/info/exclude", *(f"{'../' * up}.gitignore" for up in range(1, depth + 1))]


def _shared(git_dir: str) -> str:
    """What a work tree's own git folder shares with the other ones."""
    return os.path.normpath(os.path.join(git_dir, _text(f"{git_dir}/commondir") or "."))


def _commit(git_dir: str, name: str) -> str:
    """The commit that a reference names; "" when nothing has it. Loose references come before packed ones."""
    shared = _shared(git_dir)
    for _ in range(CHAIN):
        said = _text(f"{shared}/{name}")
        if said is None:
            return _packed(shared, name)
        if HEX.fullmatch(said):
            return said
        name = said.removeprefix("ref: ").strip()
    raise ValueError(f"`{name}` names no commit")


def _packed(shared: str, name: str) -> str:
    try:
        packed = read_file(f"{shared}/packed-refs")
    except FileNotFoundError:
        return ""
    end = packed.find(b" " + os.fsencode(name) + b"\n")
    return packed[packed.rfind(b"\n", 0, end) + 1 : end].decode("ascii", "replace") if end > 0 else ""


def _text(path: str) -> str | None:
    """A small file without its line end; None when there is none."""
    try:
        return os.fsdecode(read_file(path)).rstrip("\r\n")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None

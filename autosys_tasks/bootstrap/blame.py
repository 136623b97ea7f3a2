"""Which commit broke a file of ours, and what a person types to be rid of it; asks git, and changes nothing."""

from __future__ import annotations

import os
from typing import NamedTuple

from .stamp import quiet_flags

GIT_S = 15.0


class Blame(NamedTuple):
    """Who did it, in words, and the way back: a command, or a sentence where there is none."""

    said: str
    back: str


def blame(root: str, file: str, good: str) -> Blame:
    """The commit since `good` (the last good one, "" when that is not known) that changed `file` last, or the edit of
    it that nobody has committed."""
    if not head(root):
        return Blame("git does not say which commit brought it", f"put back an older {root}/autosys_tasks")
    there = ["--", file] if file else ["--", "autosys_tasks"]
    edited = _git(root, "status", "--porcelain", "--untracked-files=all", *there)
    if edited:
        path = edited.splitlines()[0][3:].strip('"')
        top = _git(root, "rev-parse", "--show-toplevel")
        keep = f'git -C "{top}" stash push --include-untracked -- "{path}"'
        return Blame(f"{path} is edited, and not committed", f"mend it, or put the edit aside: {keep}")
    since = [f"{good}..HEAD"] if good and _git(root, "cat-file", "-t", good) == "commit" else []
    form = ["log", "-1", "--format=%h%x1f%p%x1f%an%x1f%as%x1f%s"]
    found = _git(root, *form, *since, *there) or _git(root, *form, *there) or _git(root, *form)
    name, parents, author, day, subject = found.split("\x1f", 4)
    mainline = " -m 1" if len(parents.split()) > 1 else ""
    return Blame(f'commit {name} "{subject}" ({author}, {day})', f'git -C "{root}" revert --no-edit{mainline} {name}')


def before(root: str, file: str) -> str:
    """What `file` said before the last commit that changed it; "" where there was none, or somebody edits it now."""
    if _git(root, "status", "--porcelain", "--untracked-files=all", "--", file):
        return ""
    name = _git(root, "log", "-1", "--format=%H", "--", file)
    return _git(root, "show", f"{name}^:./{file}") if name else ""


def head(root: str) -> str:
    """The commit that HEAD names, "" where git does not say."""
    return _git(root, "rev-parse", "HEAD")


def _git(root: str, *words: str) -> str:
    """What git says, "" when it is not there or does not know."""
    import shutil
    import subprocess

    program = shutil.which("git")
    if not program:
        return ""
    env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    env.update(LC_ALL="C", GIT_OPTIONAL_LOCKS="0", GIT_TERMINAL_PROMPT="0")
    calm = ("core.quotePath=false", "core.fsmonitor=false", "log.showSignature=false")
    argv = [program, *(word for each in calm for word in ("-c", each)), *words]
    try:
        done = subprocess.run(
            argv, cwd=root, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=GIT_S, check=False,
            creationflags=quiet_flags(),
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace").strip("\n") if done.returncode == 0 else ""

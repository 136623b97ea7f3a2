"""What git says of a workspace, read-only: where HEAD is, what came since a known commit, what is not committed.

It explains; it does not decide. Where git says nothing, everything else goes on, and why is told.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from autosys_tasks.core.errors import AutosysError
from autosys_tasks.host import git
from autosys_tasks.upgrade.head import HEX
from autosys_tasks.upgrade.values import Pulled

TIMEOUT_S = 15.0
SHORT = 8
FIELDS = {"1": 8, "u": 10}  # of a line of `status --porcelain=v2`, before the path


class History(NamedTuple):
    """What git says. Paths are seen from the workspace, with `/`; what lies outside of it is left out."""

    silent: str = ""  # why it says nothing: no-repository | no-git | no-commit | not-trusted | late | refused
    why: str = ""  # the same in words, with what to type
    commit: str = ""
    branch: str = ""  # "" = HEAD is detached
    shallow: bool = False
    prefix: str = ""  # where the workspace lies in its repository: "" or `folder/`
    last_commit: str = ""  # what was asked about
    last: str = "none"  # none (nothing was asked about) | same | ancestor | rewritten | cut | unknown
    changed: tuple[str, ...] = ()  # between that commit and HEAD; those that are gone too
    added: frozenset[str] = frozenset()  # of these, those that are new
    edited: tuple[str, ...] = ()  # tracked, and not as HEAD has them: staged or not
    untracked: tuple[str, ...] = ()  # and not ignored


def see(folder: str, last_commit: str = "", *, timeout_s: float = TIMEOUT_S) -> History:
    """What git says of the workspace `folder`, and of what came since `last_commit`; changes nothing."""
    try:
        return _seen(folder, last_commit, timeout_s)
    except git.GitError as error:
        silent = "no-git" if error.where == "git" else "late" if "within" in error.message else "refused"
        return History(silent, _with_hint(error), last_commit=last_commit)


def _seen(folder: str, last_commit: str, timeout_s: float) -> History:
    words = ("rev-parse", "--is-inside-work-tree", "--is-shallow-repository", "--show-prefix")
    place = git.ask(folder, *words, timeout_s=timeout_s)
    inside, shallow, prefix = (*place.out.split(b"\n", 2), b"", b"")[:3]
    if place.code or inside != b"true":
        return _silence(folder, words, place)._replace(last_commit=last_commit)
    within = decoded(prefix[:-1])
    found = _status(folder, within, timeout_s)._replace(
        shallow=shallow == b"true", prefix=within, last_commit=last_commit
    )
    if not found.commit:
        why = "nothing is committed in this repository yet"
        return found._replace(silent="no-commit", why=why, last="unknown" if last_commit else "none")
    return _compared(folder, found, last_commit, timeout_s) if last_commit else found


def _silence(folder: str, words: Sequence[str], said: git.Said) -> History:
    if "dubious ownership" in said.err or "unsafe repository" in said.err:
        return History("not-trusted", _with_hint(git.refused(folder, words, said)))
    if not said.code or "not a git repository" in said.err:
        return History("no-repository", f"`{folder}` lies in no git work tree")
    return History("refused", _with_hint(git.refused(folder, words, said)))


def _with_hint(error: AutosysError) -> str:
    return f"{error.message} -> {error.hint}" if error.hint else error.message


def _status(folder: str, prefix: str, timeout_s: float) -> History:
    """HEAD and what is not committed. Inside submodules nothing is looked at."""
    words = ("status", "--porcelain=v2", "--branch", "-z", "--no-renames", "--untracked-files=all")
    said = git.must(folder, *words, "--ignore-submodules=dirty", "--", ".", timeout_s=timeout_s)
    heads: dict[str, str] = {}
    edited: list[str] = []
    untracked: list[str] = []
    for line in decoded(said).split("\0"):
        kind, _, rest = line.partition(" ")
        if kind == "#":
            name, _, value = rest.partition(" ")
            heads[name] = value
        elif kind == "?":
            untracked.append(rest)
        elif kind in FIELDS:
            edited.append(line.split(" ", FIELDS[kind])[-1])
    commit, branch = (heads.get(name, "") for name in ("branch.oid", "branch.head"))
    return History(
        commit="" if commit == "(initial)" else commit,
        branch="" if branch == "(detached)" else branch,
        edited=tuple(path[len(prefix) :] for path in edited),
        untracked=tuple(path[len(prefix) :] for path in untracked),
    )


def _compared(folder: str, found: History, last_commit: str, timeout_s: float) -> History:
    if last_commit == found.commit:
        return found._replace(last="same")
    if not HEX.fullmatch(last_commit):
        return found._replace(last="unknown")
    asked = git.ask(folder, "merge-base", "--is-ancestor", last_commit, found.commit, timeout_s=timeout_s)
    if asked.code > 1:  # rewritten and gone, or of another clone
        return found._replace(last="unknown")
    last = "ancestor" if not asked.code else "cut" if found.shallow else "rewritten"
    words = ("diff-tree", "-r", "-z", "--no-renames", "--name-status", "--relative", last_commit, found.commit)
    said = decoded(git.must(folder, *words, timeout_s=timeout_s)).split("\0")
    kinds, paths = said[:-1:2], tuple(said[1::2])
    added = frozenset(path for kind, path in zip(kinds, paths, strict=True) if kind == "A")
    return found._replace(last=last, changed=paths, added=added)


def decoded(raw: bytes) -> str:
    """What git wrote, decoded at one go: of 10,000 paths, one by one takes longer than git itself."""
    try:
        return os.fsdecode(raw)
    except UnicodeDecodeError:  # Windows, of a name that another system made
        return raw.decode("utf-8", "replace")


def pulled(seen: History) -> Pulled:
    """The same as a plan wants it: what came since the last upgrade, and what cannot be told."""
    old, new = seen.last_commit, seen.commit
    notes = {
        "unknown": f"git does not know {old[:SHORT]}, where the last upgrade was (rewritten, or another clone): "
        "everything is compared",
        "rewritten": f"{old[:SHORT]}, where the last upgrade was, does not lead to HEAD: the history was rewritten",
        "cut": f"this clone is shallow: whether {old[:SHORT]}, where the last upgrade was, leads to HEAD is not known",
    }
    said = [notes[seen.last]] if seen.last in notes else []
    if seen.silent and seen.silent != "no-repository":
        said.append(f"git says nothing: {seen.why}")
    return Pulled(old if seen.last not in ("unknown", "none") else "", new, seen.changed, tuple(said))

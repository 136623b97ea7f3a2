"""What git says of a workspace, read-only: where HEAD is, what came since a known commit, what is not committed.

It explains; it does not decide. Where git says nothing, everything else goes on, and why is told.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from autosys_tasks.core.errors import one_line
from autosys_tasks.core.parallel import run_parallel
from autosys_tasks.host import git
from autosys_tasks.upgrade.head import HEX, head
from autosys_tasks.upgrade.values import Pulled

TIMEOUT_S = 15.0
SHORT = 8
PLACE = ("rev-parse", "--is-inside-work-tree", "--is-shallow-repository", "--show-prefix")
STATUS = (
    "status", "--porcelain=v2", "--branch", "-z", "--no-renames", "--untracked-files=all",
    "--ignore-submodules=dirty", "--", ".",
)  # fmt: skip; inside submodules nothing is looked at
ADRIFT = ".M SC"
FIELDS = {"1": 8, "u": 10}  # of a line of `status --porcelain=v2`, before the path
UPDATE = "git submodule update --init"
Meanwhile = Callable[[Iterable[str]], object]


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
    adrift: tuple[str, ...] = ()  # submodules that lie at another commit than is staged: no pull takes that away
    untracked: tuple[str, ...] = ()  # and not ignored
    conflicts: tuple[str, ...] = ()  # of a merge, a rebase and the like, that nobody has solved yet
    behind: tuple[str, ...] = ()  # submodules of which another commit came than the one that lies there


def see(
    folder: str, last_commit: str = "", *, meanwhile: Meanwhile = lambda changed: None, timeout_s: float = TIMEOUT_S
) -> History:
    """What git says of the workspace `folder`, and of what came since `last_commit`; changes nothing.

    `meanwhile` is given what changed as soon as that is known, while git still says the rest.
    """
    try:
        return _seen(folder, last_commit, meanwhile, timeout_s)
    except git.GitError as error:
        silent = {git.NotInstalled: "no-git", git.TimedOut: "late"}.get(type(error), "refused")
        return History(silent, one_line(error), last_commit=last_commit)


def _seen(folder: str, last_commit: str, meanwhile: Meanwhile, timeout_s: float) -> History:
    """Only what came is asked first, as HEAD's own file says it; that is asked again if HEAD has moved meanwhile."""
    at = _head(folder) if last_commit else ""
    place, told = run_parallel(
        lambda: git.ask(folder, *PLACE, timeout_s=timeout_s),
        lambda: _compared(folder, last_commit, at, timeout_s) if at else History(),
    )
    inside, shallow, prefix = (*place.out.split(b"\n", 2), b"", b"")[:3]
    if place.code or inside != b"true":
        return _silence(folder, PLACE, place)._replace(last_commit=last_commit)
    _, status = run_parallel(
        lambda: meanwhile(told.changed),
        lambda: git.ask(folder, *STATUS, timeout_s=timeout_s),
    )
    if status.code:
        raise git.refused(folder, STATUS, status)
    found = _status(status.out, decoded(prefix[:-1]))._replace(shallow=shallow == b"true", last_commit=last_commit)
    if not found.commit:
        why = "nothing is committed in this repository yet"
        return found._replace(silent="no-commit", why=why, last="unknown" if last_commit else "none")
    if not last_commit:
        return found
    if found.commit != at:
        told = _compared(folder, last_commit, found.commit, timeout_s)
    last = "cut" if told.last == "rewritten" and found.shallow else told.last
    found = found._replace(last=last, changed=told.changed, added=told.added)
    return found._replace(behind=tuple(_behind(folder, found)))


def _behind(folder: str, found: History) -> Iterator[str]:
    """Of the submodules that came, those that `git pull` left as they were; of older ones, those wanted here."""
    if not os.path.isfile(os.path.join(folder, *[".."] * found.prefix.count("/"), ".gitmodules")):
        return
    for path in found.changed:
        place = os.path.join(folder, path)
        is_new = path in found.added and not os.path.lexists(f"{place}/.git")
        if os.path.isdir(place) and (is_new or path in found.adrift):
            yield path


def _head(folder: str) -> str:
    """The commit at HEAD; "" when only git itself knows."""
    try:
        found = head(folder)
    except (ValueError, OSError):
        return ""
    return found.commit if found else ""


def _silence(folder: str, words: Sequence[str], said: git.Said) -> History:
    if "dubious ownership" in said.err or "unsafe repository" in said.err:
        return History("not-trusted", one_line(git.refused(folder, words, said)))
    if not said.code or "not a git repository" in said.err:
        return History("no-repository", f"`{folder}` lies in no git work tree")
    return History("refused", one_line(git.refused(folder, words, said)))


def _status(said: bytes, prefix: str) -> History:
    """HEAD and what is not committed, as `git status` wrote it."""
    heads: dict[str, str] = {}
    edited: list[str] = []
    adrift: list[str] = []
    untracked: list[str] = []
    conflicts: list[str] = []
    for line in decoded(said).split("\0"):
        kind, _, rest = line.partition(" ")
        if kind == "#":
            name, _, value = rest.partition(" ")
            heads[name] = value
        elif kind == "?":
            untracked.append(rest)
        elif kind in FIELDS:
            path = line.split(" ", FIELDS[kind])[-1]
            (adrift if rest.startswith(ADRIFT) else edited).append(path)
            conflicts += [path] if kind == "u" else []
    commit, branch = (heads.get(name, "") for name in ("branch.oid", "branch.head"))
    return History(
        commit="" if commit == "(initial)" else commit,
        branch="" if branch == "(detached)" else branch,
        prefix=prefix,
        edited=tuple(path[len(prefix) :] for path in edited),
        adrift=tuple(path[len(prefix) :] for path in adrift),
        untracked=tuple(path[len(prefix) :] for path in untracked),
        conflicts=tuple(path[len(prefix) :] for path in conflicts),
    )


def _compared(folder: str, last_commit: str, commit: str, timeout_s: float) -> History:
    """What lies between the two commits, and whether the one leads to the other."""
    if last_commit == commit:
        return History(last="same")
    if not HEX.fullmatch(last_commit):
        return History(last="unknown")
    words = ("diff-tree", "-r", "-z", "--no-renames", "--name-status", "--relative", last_commit, commit)
    differs, leads = run_parallel(
        lambda: git.ask(folder, *words, timeout_s=timeout_s),
        lambda: git.ask(folder, "merge-base", "--is-ancestor", last_commit, commit, timeout_s=timeout_s),
    )
    if leads.code > 1:  # rewritten and gone, or of another clone
        return History(last="unknown")
    if differs.code:
        raise git.refused(folder, words, differs)
    said = decoded(differs.out).split("\0")
    kinds, paths = said[:-1:2], tuple(said[1::2])
    added = frozenset(path for kind, path in zip(kinds, paths, strict=True) if kind == "A")
    return History(last="rewritten" if leads.code else "ancestor", changed=paths, added=added)


def conflicts(folder: str) -> tuple[str, ...]:
    """The files that a merge left with conflicts; none where git does not say."""
    try:
        said = git.ask(folder, "ls-files", "--unmerged", "-z", timeout_s=TIMEOUT_S)
    except git.GitError:
        return ()
    return tuple(dict.fromkeys(line.partition("\t")[2] for line in decoded(said.out).split("\0")[:-1]))


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
    here = "a commit of this submodule came, and is not there"
    said += [f'WARN {path}: {here} -> {UPDATE} "{path}"' for path in seen.behind]
    return Pulled(old if seen.last not in ("unknown", "none") else "", new, seen.changed, tuple(said))

"""Captures what only this repository has, so that its working tree can be rebuilt on an empty machine.

`INTO/` then holds `state.json` (everything by name), `history.bundle` (commits that are on no remote, every stash),
`index/ID` (what is staged and in no commit), `files/PATH` (changed and untracked files as they lie there), `patch.diff`
(the same to read), `modules/N/` (submodules and nested repositories, each such a folder). The repository is only read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from autosys_tasks.backup.git import bundle as git_bundle
from autosys_tasks.backup.git import files as git_files
from autosys_tasks.backup.git.folder import of_submodules
from autosys_tasks.backup.git.look import NO_NETWORK, Facts, look, text
from autosys_tasks.backup.git.output_text import ABSENT, SUBMODULE, StatusEntry, chosen, entries, no_filters
from autosys_tasks.backup.git.record import STATE, notes, record, summary
from autosys_tasks.backup.scratch import remove_tree
from autosys_tasks.core.clock import counted
from autosys_tasks.core.files import write_atomic
from autosys_tasks.host import git

T = TypeVar("T")
BUNDLE, PATCH = "history.bundle", "patch.diff"
PLAIN = ("--src-prefix=a/", "--dst-prefix=b/", "--submodule=short", "--ignore-submodules=dirty")  # as `git apply` reads
ROUNDS = 3  # how often it begins anew when somebody commits meanwhile
DEEPEST = 8  # repositories within repositories


class Limits(NamedTuple):
    """What of the untracked files is taken, and how long git may take. Sizes in bytes."""

    untracked_max: int
    untracked_total: int
    exclude: tuple[str, ...]
    is_secret: Callable[[Path, str], bool]
    timeout_s: float


class Captured(NamedTuple):
    """What was captured. `there`: there is a repository; `partial`: what is lacking, each a sentence."""

    there: bool
    summary: str
    partial: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()


def capture(
    workspace: Path, into: Path, *, untracked_max: int, untracked_total: int = 2_000_000_000,
    exclude: Sequence[str] = (), is_secret: Callable[[Path, str], bool] = lambda *_: False, timeout_s: float = 600.0,
) -> Captured:  # fmt: skip
    """Write what is needed to rebuild the repository that `workspace` lies in into the folder `into`, made anew.

    `untracked_max` is the largest untracked file that is taken, `untracked_total` what they may take together;
    `exclude` are folders below the workspace that are not (the backups themselves); `is_secret` tells, by a work tree
    and a path in it, what is kept out of `patch.diff` and named in `secrets`. What cannot be captured is named in
    `partial`, the rest is there.
    Raises GitError when git is missing or does not take the repository, OSError when `into` cannot be written.
    """
    repository = git.find(workspace)
    if repository is None:
        return Captured(False, "no git repository here")
    if not repository.top:
        return Captured(True, "a bare repository", ("a bare repository has no working tree: nothing captured",))
    if not os.path.lexists(os.path.join(repository.top, ".git")):
        why = f"its work tree lies apart from its git folder (`core.worktree`): `{repository.top}` is not captured"
        return Captured(True, "a work tree apart", (why,))
    limits = Limits(untracked_max, untracked_total, tuple(exclude), is_secret, timeout_s)
    return _captured(repository, workspace, into, limits, depth=0)


def _captured(repository: git.Repository, workspace: Path, into: Path, limits: Limits, *, depth: int) -> Captured:
    for _ in range(ROUNDS):
        remove_tree(into)
        into.mkdir(parents=True)
        before = _moment(repository)
        facts = look(repository, workspace, into / ".objects", limits.timeout_s)
        found = _written(facts, workspace, into, limits, depth=depth)
        remove_tree(into / ".objects")
        if _moment(repository) == before:
            return found
    return found._replace(partial=(*found.partial, f"the repository changed each of the {ROUNDS} times it was read"))


def _moment(repository: git.Repository) -> tuple[object, ...]:
    """What changes when somebody commits, stages, or switches the branch."""
    refs = git.must(repository.top, "for-each-ref", "--format=%(refname) %(objectname)")
    try:
        index = os.stat(os.path.join(repository.git_dir, "index"))
    except FileNotFoundError:
        return refs, _head(repository), None
    return refs, _head(repository), index.st_mtime_ns, index.st_size


def _head(repository: git.Repository) -> bytes:
    return Path(repository.git_dir, "HEAD").read_bytes()


def _written(facts: Facts, workspace: Path, into: Path, limits: Limits, *, depth: int) -> Captured:
    """Every part on its own: what one of them lacks is named, and the others are there all the same."""
    top, changed = Path(facts.repository.top), entries(facts.status)
    free, nested, left_out = _untracked(facts, workspace, limits)
    taken = git_files.take(top, [*_from_tree(facts, changed), *free], into / "files")
    partial = [*facts.lacks, *(f"{path}: {why}" for path, why in taken.missing.items())]
    secrets = [path for path in (*taken.files, *(one.path for one in changed)) if limits.is_secret(top, path)]
    bundle = _part(
        partial, "commits", lambda: git_bundle.write_bundle(facts, into / BUNDLE, partial, limits.timeout_s)
    )
    staged = _part(
        partial, "staged content",
        lambda: git_files.take_staged(top, changed, into / "index", partial, limits.timeout_s),
    )  # fmt: skip
    _part(partial, PATCH, lambda: _write_patch(facts, into / PATCH, secrets, limits.timeout_s))
    hidden = set(secrets)
    if bundle and git_bundle.holds_secret(facts, bundle, into / ".paths", limits.timeout_s):
        hidden.add(BUNDLE)
    modules, within = _modules(top, (*facts.submodules, *nested), into, limits, depth, partial, hidden)
    partial += [*_put_away(facts, within), *_lfs_lacking(facts, bundle)]
    said = notes(facts, within)
    state = record(facts, bundle) | {
        "untracked": free, "left_out": left_out, "files": taken.files, "programs": taken.programs, "links": taken.links,
        "staged": staged or [], "modules": modules, "partial": partial, "notes": said,
    }  # fmt: skip
    write_atomic(into / STATE, json.dumps(state, indent=1, sort_keys=True) + "\n")
    counts = {"changed": len(changed), "untracked": len(free), "within": sum(bool(one["folder"]) for one in modules)}
    left = [f"{path}: {why}" for path, why in left_out.items()]
    return Captured(True, summary(facts, counts), tuple(partial), tuple(said), tuple(left), tuple(sorted(hidden)))


def _part(partial: list[str], what: str, action: Callable[[], T]) -> T | None:
    try:
        return action()
    except (git.GitError, OSError) as error:
        partial.append(f"{what}: {error}")
        return None


def _from_tree(facts: Facts, changed: Sequence[StatusEntry]) -> list[str]:
    """Tracked files whose content is in no commit and not in the index, or that git was told not to look at."""
    top, lfs = facts.repository.top, set(facts.lfs)
    differing = [
        one.path
        for one in changed
        if one.mode not in (ABSENT, SUBMODULE) and (one.differs_in_tree or one.path in lfs)
    ]
    unseen = (path for path in (*facts.skipped, *facts.assumed) if _is_there(top, path))
    return [*differing, *unseen, *(path for path in facts.unjudged if _is_there(top, path))]


def _is_there(top: str, path: str) -> bool:
    """Whether there is a file or a link of that name."""
    whole = os.path.join(top, path)
    return os.path.lexists(whole) and (os.path.islink(whole) or not os.path.isdir(whole))


def _untracked(facts: Facts, workspace: Path, limits: Limits) -> tuple[list[str], list[str], dict[str, str]]:
    """Those untracked files that are taken, the repositories among them, and why each of the others is not."""
    top = Path(os.path.realpath(facts.repository.top))
    apart = tuple(f"{_inside(Path(os.path.realpath(workspace), folder), top)}/" for folder in limits.exclude)
    others = [path for path in facts.others if not path.startswith(apart)]
    files = [path for path in others if not path.endswith("/")]
    kept, left = chosen(git_files.sizes(top, files), limits.untracked_max, limits.untracked_total)
    return kept, [path for path in others if path.endswith("/")], left


def _inside(path: Path, top: Path) -> str:
    return os.path.relpath(path, top).replace(os.sep, "/")


def _write_patch(facts: Facts, target: Path, secrets: Sequence[str], timeout_s: float) -> None:
    """Uncommitted work of tracked files as a patch against HEAD, binary too, without the files that hold secrets."""
    top, config = facts.repository.top, (*NO_NETWORK, *no_filters(facts.settings), "diff.autoRefreshIndex=false")
    base = facts.commit or text(git.must(top, "hash-object", "-t", "tree", "--stdin")).strip()
    apart = [f":(top,exclude,literal){path}" for path in secrets]
    words = ("diff", "--binary", "--no-ext-diff", "--no-textconv", "--no-renames", *PLAIN, base, "--", ".", *apart)
    env = {**facts.env, "GIT_LITERAL_PATHSPECS": "0"}
    git.must(top, *words, config=config, env=env, into=target, timeout_s=timeout_s)


def _modules(
    top: Path, paths: Sequence[str], into: Path, limits: Limits, depth: int, partial: list[str], hidden: set[str]
) -> tuple[list[dict[str, object]], list[git.Repository]]:
    """Repositories within the repository: each that is there is captured like this one."""
    rows: list[dict[str, object]] = []
    within: list[git.Repository] = []
    for number, path in enumerate(sorted(paths)):
        inner, folder = top / path, f"modules/{number}"
        rows.append({"path": path.rstrip("/"), "tracked": not path.endswith("/"), "folder": None})
        if not os.path.lexists(inner / ".git"):
            continue  # not checked out: its commit is in the index, and there is nothing more of it here
        if depth == DEEPEST:
            partial.append(f"{path}: more than {DEEPEST} repositories within one another")
            continue
        try:
            repository = git.find(inner)
            if repository is None or not os.path.samefile(repository.top or inner, inner):
                raise git.GitError("git does not take its `.git` for a repository", where=str(inner))
            found = _captured(repository, inner, into / folder, limits._replace(exclude=()), depth=depth + 1)
        except (git.GitError, OSError) as error:
            partial.append(f"{path}: {error}")
            continue
        rows[-1]["folder"] = folder
        within.append(repository)
        partial += [f"{path.rstrip('/')}: {lack}" for lack in found.partial]
        hidden.update(f"{folder}/{each}" for each in found.secrets)
    return rows, within


def _put_away(facts: Facts, within: Sequence[git.Repository]) -> list[str]:
    """Submodules that are not checked out, and have commits of their own all the same."""
    there = {os.path.realpath(one.git_dir) for one in within}
    words = ("--git-dir=.", "--work-tree=.", "rev-list", "--max-count=1", "--all", "--not", "--remotes")
    lacks = []
    for folder in of_submodules(facts.repository):
        if os.path.realpath(folder) in there:
            continue
        said = git.ask(folder, *words, config=NO_NETWORK)
        if said.code or said.out:
            why = "it has commits that are on no remote, or that git cannot read"
            lacks.append(f"submodule `{folder.name}` is not checked out, and not captured: {why}")
    return lacks


def _lfs_lacking(facts: Facts, bundle: git_bundle.Bundle | None) -> list[str]:
    """Large files whose content is in Git LFS' own store alone, because their commits are on no remote."""
    if not facts.lfs or bundle is None:
        return []
    given = "".join(f"{line}\n" for line in (*bundle.refs.values(), *(f"^{one}" for one in bundle.needs))).encode()
    words = ("log", "-z", "--format=", "--name-only", "--no-renames", "-m", "--stdin", "--")
    touched = set(text(git.must(facts.repository.top, *words, given=given, config=NO_NETWORK)).split("\0"))
    lost = sorted(touched & set(facts.lfs))
    shown = ", ".join(lost[:3]) + (" ..." if len(lost) > 3 else "")
    files = counted(len(lost), "file")
    return [f"{files} that Git LFS keeps, in commits that are on no remote: {shown}"] if lost else []

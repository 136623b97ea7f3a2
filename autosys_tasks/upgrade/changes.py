"""Finds what changed since the last successful upgrade, by git, and which scripts need something. Read-only.

Git is run only when HEAD, its index or a script of `[upgrade] scripts` differs from the last look (`file_cache`); else
reading these files shows that nothing changed, at a hundredth of the cost.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from autosys_tasks.core import globs
from autosys_tasks.upgrade.file_cache import FileCache
from autosys_tasks.upgrade.head import Head, head
from autosys_tasks.upgrade.stamps import file_marks
from autosys_tasks.upgrade.values import Kept, Pulled, ScriptSeen

if TYPE_CHECKING:
    from autosys_tasks.upgrade.history import History


class Changes(NamedTuple):
    """What changed, which scripts need what, and what to remember of them after success."""

    pulled: Pulled = Pulled()
    scripts: tuple[ScriptSeen, ...] = ()
    known: Mapping[str, str] = {}
    notes: tuple[str, ...] = ()

    def kept(
        self, before: Kept | None, faults: Mapping[str, str], restarted: Collection[str], owed: Mapping[str, str], *,
        well: bool,
    ) -> Kept:  # fmt: skip
        """What to remember after an upgrade. `well`: everything succeeded, the next upgrade starts from this commit."""
        known = before or Kept(self.pulled.old)
        commit = self.pulled.new if well else known.commit
        done = {path: each for path, each in self.known.items() if path not in faults}
        again = {} if well else {**known.restarted, **dict.fromkeys(restarted, self.pulled.new)}
        return Kept(commit, {**known.scripts, **done}, dict(faults), again, owed)


def must_ask_git(root: str, memory: FileCache, kept: Kept | None, *, every: bool) -> bool:
    """Whether git has to be run in any case: then it can run while the workspace is looked at."""
    return every or kept is None or bool(kept.faults) or not _is_quiet(root, memory, kept)


class GitReport(NamedTuple):
    """What git reports, and which changed files are scripts (read while git still runs)."""

    history: History
    heads: dict[str, bool]  # path -> whether it begins with `#!`


def ask(root: str, commit: str, wait: Callable[[], object] = lambda: None) -> GitReport:
    """Run git for what changed in the workspace `root` since that commit; read-only.

    `wait` is called before the changed files are read.
    """
    from autosys_tasks.upgrade import history

    heads: dict[str, bool] = {}

    def read(changed: Iterable[str]) -> None:
        from autosys_tasks.upgrade import scripts  # git is at work by now

        wait()
        scripts.read_heads(root, changed, heads)

    return GitReport(history.see(root, commit, meanwhile=read), heads)


def changes_since(
    root: str, memory: FileCache, kept: Kept | None, wanted: Collection[str], told: GitReport | None, *,
    begun: str = "", every: bool,
) -> Changes:  # fmt: skip
    """What changed in the workspace `root`. `wanted`: globs of scripts. `told`: the report of `ask`, if there is one.
    `every`: look at all scripts, not only changed ones.

    Before the first upgrade it is what changed since `begun`, the commit of the first bring-up; of all other scripts
    the wanted ones are made executable, and none is checked.
    """
    known = kept or Kept(begun)
    if told is None:
        if kept is not None and not memory.moved("script"):
            return Changes(Pulled(kept.commit, kept.commit))
        told = ask(root, known.commit)
    from autosys_tasks.upgrade import history, scripts

    said = told.history
    found = scripts.look(root, said, told.heads, known.scripts, wanted, every=every or kept is None)
    if kept is None and not every:
        loud = {*said.changed, *said.edited, *said.untracked}
        found = found._replace(scripts=tuple(_for_first_upgrade(found.scripts, wanted, loud)), notes=())
    return Changes(history.pulled(said), found.scripts, found.known, found.notes)


def _for_first_upgrade(
    found: Iterable[ScriptSeen], wanted: Collection[str], loud: Collection[str]
) -> Iterator[ScriptSeen]:
    for script in found:
        needs = tuple(need for need in script.needs if need[0] != "check" and globs.matches(wanted, script.path))
        if script.path in loud or needs:
            yield script if script.path in loud else script._replace(needs=needs)


def _head(root: str) -> Head | None:
    try:
        return head(root)
    except (ValueError, OSError):
        return Head("?", "", "", "")  # only git itself knows: it is asked


def _is_quiet(root: str, memory: FileCache, kept: Kept) -> bool:
    at = _head(root)
    if at is None:
        return not kept.commit
    path = f"{at.git_dir}/index"
    before = memory.before.get(f"{path}\0watched")
    return at.commit == kept.commit and before is not None and before.marks == file_marks(path)


def watched(root: str) -> set[str]:
    """The files of git that change with every commit, checkout or pull."""
    at = _head(root)
    return {os.path.join(at.git_dir, name) for name in ("index", "HEAD", "logs/HEAD")} if at and at.git_dir else set()

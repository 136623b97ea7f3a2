"""What came since the last upgrade that ended well, as git tells it, and the scripts among it; changes nothing.

Git is asked when HEAD, its index or a script that `[upgrade] scripts` names is not as the last look saw it (`memory`
has looked already); else its own files say that nothing came, for a hundredth of the cost.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from autosys_tasks.core import globs
from autosys_tasks.upgrade.head import Head, head
from autosys_tasks.upgrade.memory import Memory
from autosys_tasks.upgrade.stamps import marks_of
from autosys_tasks.upgrade.values import Kept, Pulled, ScriptSeen

if TYPE_CHECKING:
    from autosys_tasks.upgrade.history import History


class Came(NamedTuple):
    """What came, which scripts of it need what, and what is to be known of them once that has ended well."""

    pulled: Pulled = Pulled()
    scripts: tuple[ScriptSeen, ...] = ()
    known: Mapping[str, str] = {}
    notes: tuple[str, ...] = ()

    def kept(
        self, before: Kept | None, faults: Mapping[str, str], restarted: Collection[str], owed: Mapping[str, str], *,
        well: bool,
    ) -> Kept:  # fmt: skip
        """What is to be remembered after an upgrade. `well`: everything ended so, and the next one begins from here."""
        known = before or Kept(self.pulled.old)
        commit = self.pulled.new if well else known.commit
        done = {path: each for path, each in self.known.items() if path not in faults}
        again = {} if well else {**known.restarted, **dict.fromkeys(restarted, self.pulled.new)}
        return Kept(commit, {**known.scripts, **done}, dict(faults), again, owed)


def stirs(root: str, memory: Memory, kept: Kept | None, *, every: bool) -> bool:
    """Whether git has to be asked in any case: then it can be asked while the workspace is looked at."""
    return every or kept is None or bool(kept.faults) or not _is_quiet(root, memory, kept)


class Told(NamedTuple):
    """What git says, and the first bytes of what came: they are read while git still speaks."""

    history: History
    heads: dict[str, bool]  # path -> whether it begins with `#!`


def ask(root: str, commit: str, wait: Callable[[], object] = lambda: None) -> Told:
    """What git says of what came to the workspace `root` since that commit; changes nothing.

    `wait`: is called before the files that came are read.
    """
    from autosys_tasks.upgrade import history

    heads: dict[str, bool] = {}

    def read(changed: Iterable[str]) -> None:
        from autosys_tasks.upgrade import scripts  # git is at work by now

        wait()
        scripts.read_heads(root, changed, heads)

    return Told(history.see(root, commit, meanwhile=read), heads)


def see(
    root: str, memory: Memory, kept: Kept | None, wanted: Collection[str], told: Told | None, *,
    begun: str = "", every: bool,
) -> Came:  # fmt: skip
    """What came to the workspace `root`. `wanted`: globs of scripts. `told`: what git says, if it was asked already.
    `every`: all scripts, not only what came.

    Before the first upgrade what came is what came since `begun`, the commit of the first bring-up; of all the rest
    what people run is made executable, and whether it was always faulty is no news.
    """
    known = kept or Kept(begun)
    if told is None:
        if kept is not None and not memory.moved("script"):
            return Came(Pulled(kept.commit, kept.commit))
        told = ask(root, known.commit)
    from autosys_tasks.upgrade import history, scripts

    said = told.history
    found = scripts.look(root, said, told.heads, known.scripts, wanted, every=every or kept is None)
    if kept is None and not every:
        loud = {*said.changed, *said.edited, *said.untracked}
        found = found._replace(scripts=tuple(_of_the_first(found.scripts, wanted, loud)), notes=())
    return Came(history.pulled(said), found.scripts, found.known, found.notes)


def _of_the_first(found: Iterable[ScriptSeen], wanted: Collection[str], loud: Collection[str]) -> Iterator[ScriptSeen]:
    for script in found:
        needs = tuple(need for need in script.needs if need[0] != "check" and globs.matches(wanted, script.path))
        if script.path in loud or needs:
            yield script if script.path in loud else script._replace(needs=needs)


def _head(root: str) -> Head | None:
    try:
        return head(root)
    except (ValueError, OSError):
        return Head("?", "", "", "")  # only git itself knows: it is asked


def _is_quiet(root: str, memory: Memory, kept: Kept) -> bool:
    at = _head(root)
    if at is None:
        return not kept.commit
    path = f"{at.git_dir}/index"
    before = memory.before.get(f"{path}\0watched")
    return at.commit == kept.commit and before is not None and before.marks == marks_of(path)


def watched(root: str) -> set[str]:
    """The files of git whose change tells that something came."""
    at = _head(root)
    return {os.path.join(at.git_dir, name) for name in ("index", "HEAD", "logs/HEAD")} if at and at.git_dir else set()

"""What came since the last upgrade that ended well, as git tells it, and the scripts among it; changes nothing.

Git is asked when HEAD, its index or a script that `[upgrade] scripts` names is not as the last look saw it (`memory`
has looked already); else its own files say that nothing came, for a hundredth of the cost.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from autosys_tasks.core import globs
from autosys_tasks.upgrade.head import Head, head
from autosys_tasks.upgrade.memory import Memory
from autosys_tasks.upgrade.stamps import marks_of
from autosys_tasks.upgrade.values import Kept, Pulled, ScriptSeen


class Came(NamedTuple):
    """What came, which scripts of it need what, and what is to be known of them once that has ended well."""

    pulled: Pulled = Pulled()
    scripts: tuple[ScriptSeen, ...] = ()
    known: Mapping[str, str] = {}
    notes: tuple[str, ...] = ()

    def kept(self, before: Kept | None, faults: Mapping[str, str], restarted: Collection[str], *, well: bool) -> Kept:
        """What is to be remembered after an upgrade. `well`: everything ended so, and the next one begins from here."""
        known = before or Kept(self.pulled.old)
        commit = self.pulled.new if well else known.commit
        done = {path: each for path, each in self.known.items() if path not in faults}
        again = {} if well else {**known.restarted, **dict.fromkeys(restarted, self.pulled.new)}
        return Kept(commit, {**known.scripts, **done}, dict(faults), again)


def see(
    root: str, memory: Memory, kept: Kept | None, wanted: Collection[str], *, begun: str = "", every: bool
) -> Came:
    """What came to the workspace `root`. `wanted`: globs of scripts. `every`: all of them, not only what came.

    Before the first upgrade what came is what came since `begun`, the commit of the first bring-up; of all the rest
    what people run is made executable, and whether it was always faulty is no news.
    """
    if kept is not None and not (every or kept.faults or memory.moved("script")) and _is_quiet(root, memory, kept):
        return Came(Pulled(kept.commit, kept.commit))
    from autosys_tasks.upgrade import history, scripts

    known = kept or Kept(begun)
    seen = history.see(root, known.commit)
    found = scripts.look(root, seen, known.scripts, wanted, every=every or kept is None)
    if kept is None and not every:
        loud = {*seen.changed, *seen.edited, *seen.untracked}
        found = found._replace(scripts=tuple(_of_the_first(found.scripts, wanted, loud)), notes=())
    return Came(history.pulled(seen), found.scripts, found.known, found.notes)


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

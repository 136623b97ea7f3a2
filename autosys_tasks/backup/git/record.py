"""What `state.json` says of a captured repository, written and read; no path in it is believed unseen."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from autosys_tasks.backup.git import bundle as git_bundle
from autosys_tasks.backup.git.look import Facts
from autosys_tasks.backup.git.output_text import (
    entries,
    is_kept,
    is_within,
    kept_settings,
    left_settings,
    without_secret,
)
from autosys_tasks.core.clock import counted, few
from autosys_tasks.host import git

SCHEMA = "autosys.git/1"
ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
FOLDER = re.compile(r"modules/[0-9]+")
STATE = "state.json"


def record(facts: Facts, bundle: git_bundle.Bundle | None) -> dict[str, object]:
    """What was seen, in the words of `state.json`; no time in it, so that the same state gives the same bytes."""
    remotes = {
        one.name: {
            "url": without_secret(one.url), "address": without_secret(one.address), "elsewhere": one.elsewhere,
        }
        for one in facts.remotes
        if is_kept(f"remote.{one.name}.url")
    }  # fmt: skip
    return {
        "schema": SCHEMA,
        "object_format": facts.repository.object_format,
        "head": {"ref": facts.head or None, "commit": facts.commit or None},
        "refs": {ref.name: ref.id for ref in facts.refs if not ref.symbolic and ref.name != "refs/stash"},
        "branches": {
            ref.name.removeprefix("refs/heads/"): {"upstream": ref.upstream or None, "track": ref.track}
            for ref in facts.refs
            if ref.name.startswith("refs/heads/")
        },
        "remotes": remotes,
        "settings": kept_settings(facts.settings),
        "stashes": [{"commit": one.id, "message": one.message} for one in facts.stashes],
        "bundle": bundle and {"refs": bundle.refs, "needs": bundle.needs},
        "needs_remote": bool(git_bundle.elsewhere(facts)),
        "shallow": facts.shallow,
        "status": facts.status,
        "skipped": facts.skipped,
        "assumed": facts.assumed,
        "filtered": sorted({path for paths in facts.filtered.values() for path in paths}),
        "under_way": facts.under_way or None,
        "texts": facts.texts,
        "worktrees": [{"path": path, "commit": commit} for path, commit in facts.worktrees],
    }


def notes(facts: Facts, within: Iterable[git.Repository]) -> list[str]:
    """What a person should know, and that is no lack of this capture; `within` are captured as well."""
    beside = {path for path, _ in facts.worktrees} - {one.top for one in within}
    notes = [f"a {facts.under_way} is under way"] if facts.under_way else []
    notes += ["the history is shallow: it ends where the clone was cut"] if facts.shallow else []
    notes += [f"uncommitted work of the other work tree `{path}` is not part of this" for path in sorted(beside)]
    near = [one.name for one in facts.remotes if not one.elsewhere]
    notes += [f"remote `{without_secret(name)}` lies on this machine: it does not count" for name in near]
    notes += [f"{counted(facts.hooks, 'hook')} of the repository's own: not kept"] if facts.hooks else []
    left = left_settings(facts.settings)
    notes += [f"{counted(len(left), 'setting')} of the repository's own: not kept ({few(left)})"] if left else []
    notes += [f"what the filter `{name}` of git does to {few(its)}: not kept" for name, its in facts.filtered.items()]
    also = [ref.name for ref in facts.refs if ref.symbolic and not ref.name.startswith("refs/remotes/")]
    notes += [f"`{name}`, another name of a branch: not kept" for name in also]
    grafts = Path(facts.repository.common_dir, "info", "grafts")
    notes += ["`.git/info/grafts`: not kept"] if grafts.exists() else []
    lock = Path(facts.repository.git_dir, "index.lock")
    return [*notes, "`index.lock` is there: git is at work, or was killed"] if lock.exists() else notes


def summary(facts: Facts, counts: Mapping[str, int]) -> str:
    """One line: where HEAD is, and how much there was of each."""
    where = facts.head.removeprefix("refs/heads/") or "detached"
    more = {"stashed": len(facts.stashes), "branches ahead": sum("ahead" in ref.track for ref in facts.refs)}
    parts = [f"{count} {what}" for what, count in {**counts, **more}.items() if count]
    return ", ".join([f"{where} at {facts.commit[:12] or 'no commit yet'}", *parts])


def read_state(folder: Path) -> dict[str, Any]:
    """The `state.json` of a captured folder; raises GitError when it is not one, or names a path that leads out."""
    try:
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise git.GitError(f"not a captured repository: {error}", where=str(folder)) from error
    if not isinstance(state, dict) or state.get("schema") != SCHEMA:
        raise git.GitError("not a captured repository of this version", where=str(folder / STATE))
    strange = next(_strange(state), None)
    if strange is not None:
        raise git.GitError(f"it holds what no capture writes: `{strange}`", where=str(folder / STATE))
    return state


def _strange(state: Mapping[str, Any]) -> Iterator[str]:
    """Paths that lead out of the work tree or into `.git`, and words that git would take for something else."""
    paths = [*state["files"], *state["links"], *state["texts"], *(one["path"] for one in state["modules"])]
    paths += [one.path for one in entries(state["status"])]
    yield from (path for path in paths if not is_within(path))
    ids = [*state["staged"], *state["refs"].values(), *state["shallow"], *(one["commit"] for one in state["stashes"])]
    yield from (one for one in [*ids, state["head"]["commit"]] if one is not None and not ID.fullmatch(one))
    yield from (name for name in (*state["refs"], state["head"]["ref"] or "refs/") if not name.startswith("refs/"))
    yield from (name for name in state["remotes"] if f"remote.{name}.url" not in state["settings"])
    yield from (one["folder"] for one in state["modules"] if not FOLDER.fullmatch(one["folder"] or "modules/0"))

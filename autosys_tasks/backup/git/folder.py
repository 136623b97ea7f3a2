"""Reads what lies in the git folder itself: small files of an operation under way, patterns, hooks, submodules' own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from autosys_tasks.host import git

UNDER_WAY = {
    "rebase-merge": "rebase", "rebase-apply": "rebase", "MERGE_HEAD": "merge", "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert", "BISECT_LOG": "bisect", "sequencer": "sequence",
}  # fmt: skip
ITS_FILES = (
    *UNDER_WAY, "MERGE_MSG", "MERGE_MODE", "MERGE_RR", "REBASE_HEAD", "ORIG_HEAD", "BISECT_START", "BISECT_TERMS",
    "BISECT_NAMES", "BISECT_EXPECTED_REV", "BISECT_HEAD", "BISECT_RUN", "BISECT_FIRST_PARENT", "BISECT_ANCESTORS_OK",
    "MERGE_AUTOSTASH",
)  # fmt: skip
SHARED_FILES = ("info/exclude", "info/attributes")
OWN_FILES = ("SQUASH_MSG", "info/sparse-checkout")
LARGEST_KEPT = 1_000_000  # bytes; these files are lines of text


def shallow(repository: git.Repository) -> tuple[str, ...]:
    """The commits at which a shallow history ends."""
    if not repository.shallow:
        return ()
    return tuple(Path(repository.common_dir, "shallow").read_text(encoding="ascii").split())


def kept_texts(repository: git.Repository) -> dict[str, str]:
    """Small files of the git folder: what an operation under way needs, and the repository's own lists of patterns."""
    own = Path(repository.git_dir)
    its = ITS_FILES if any((own / name).exists() for name in UNDER_WAY) else ()
    rows: dict[str, str] = {}
    for base, names in ((own, (*its, *OWN_FILES)), (Path(repository.common_dir), SHARED_FILES)):
        for path in (base / name for name in names):
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if file.is_file() and file.stat().st_size <= LARGEST_KEPT:
                    rows[file.relative_to(base).as_posix()] = file.read_bytes().decode("utf-8", "surrogateescape")
    return rows


def named_ids(texts: Mapping[str, str]) -> list[str]:
    """Every object that an operation under way may still need, by its id or the beginning of one."""
    word = re.compile(r"\b[0-9a-f]{7,64}\b")
    return sorted({found for name, words in texts.items() if "info/" not in name for found in word.findall(words)})


def own_hooks(repository: git.Repository) -> int:
    """How many hooks the repository has beside the samples that git puts there."""
    folder = Path(repository.common_dir, "hooks")
    return sum(not file.name.endswith(".sample") for file in folder.glob("*")) if folder.is_dir() else 0


def stashed(repository: git.Repository) -> int:
    """How many stashes the log of `refs/stash` holds, whether or not they can be read."""
    log = Path(repository.common_dir, "logs", "refs", "stash")
    return log.read_bytes().count(b"\n") if log.is_file() else 0


def of_submodules(repository: git.Repository) -> Iterator[Path]:
    """The git folders that the repository keeps of its submodules, those that are not checked out too."""
    for above, folders, files in os.walk(Path(repository.git_dir, "modules")):
        if "HEAD" in files and "objects" in folders:
            folders.clear()
            yield Path(above)

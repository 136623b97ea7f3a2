"""A workspace as a tree of real files, and what collect finds in it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from autosys_tasks.backup.collect import collect
from autosys_tasks.backup.values import Collected
from autosys_tasks.config.model import Backup, BackupSet, Config

NOW = 1_800_000_000.0


def tree(root: Path, *paths: str, age_s: float = 0.0) -> Path:
    """Files below `root` that hold their own path; a path with `/` at its end is a folder."""
    for path in paths:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.endswith("/"):
            target.mkdir(exist_ok=True)
            continue
        target.write_bytes(os.fsencode(path))
        os.utime(target, (NOW - age_s, NOW - age_s))
    return root


def config_of(root: Path, *include: str, git: bool = False, **more: Any) -> Config:
    """A configuration with one set of that name, `set`."""
    return Config(str(root), "desk", backup=Backup(sets={"set": BackupSet("set", include, **more)}, git=git))


def collected(config: Config, now: float = NOW, *, folder: Path | None = None) -> Collected:
    """What the sets of `config` find."""
    root = Path(config.path)
    return collect(config, folder or root / "backups", now, root.parent / "state" / "staging-1")


def paths(found: Collected, *kinds: str) -> list[str]:
    """The paths found; of these kinds, if any are named."""
    return [one.path for one in found.found if not kinds or one.kind in kinds]


@contextmanager
def for_nobody() -> Iterator[Path]:
    """A workspace that a user without rights can get at."""
    folder = Path(tempfile.mkdtemp(prefix="autosys-test-"))
    folder.chmod(0o755)
    (folder / "desk").mkdir(mode=0o755)
    try:
        yield folder / "desk"
    finally:
        for path, folders, _ in os.walk(folder):
            for name in folders:  # before it is looked into
                os.chmod(os.path.join(path, name), 0o700)
        shutil.rmtree(folder)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read everything: for a while we are somebody else."""
    before = os.geteuid()
    if not before:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)

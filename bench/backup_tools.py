"""The programs whose archives are measured: how each is told to make, verify and restore, and what it then takes."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

ALONE, PACKER = Path(__file__).with_name("alone.py"), Path(__file__).with_name("packer.py")
ID = "2026-11-29T033000Z-full"
DEBIAN = {"7zz": "7zip", "restic": "restic", "borg": "borgbackup"}
OURS = ("autosys deflate", "autosys lzma2")
PICKS = 3  # a tenth of a second each, and the first one finds its code on the disk
SLOW = ("py7zr", "borg")  # nothing is promised of them that one round cannot tell
AUTOSYS = "autosys"  # the whole command, as of a night


class Cost(NamedTuple):
    """What one command took: seconds by the clock, of all its CPUs, and the most memory it had."""

    wall_s: float
    cpu_s: float
    rss_mb: float


class Tool(NamedTuple):
    """How a program makes, verifies and restores; each gives argv of (tree, store, target)."""

    create: Callable[[Path, Path], list[str]]
    verify: Callable[[Path], list[str]]
    restore: Callable[[Path, Path], list[str]]
    one: Callable[[Path, Path, str], list[str]] | None = None  # the tree's last file alone
    archive: Callable[[Path], Path] | None = None  # a 7z archive in a store
    prepare: Callable[[Path], list[str]] | None = None  # an empty store; not counted
    again: Callable[[Path, Path], list[str]] | None = None  # one more, of the same tree a night later


def tools() -> Mapping[str, Tool]:
    """Every tool that is there."""
    known = {
        "7zz": Tool(
            lambda tree, store: ["7zz", "a", "-mx1", "-mmt=2", "-bso0", "-bsp0", f"{store}/a.7z", "."],
            lambda store: ["7zz", "t", "-mmt=2", "-bso0", "-bsp0", f"{store}/a.7z"],
            lambda store, out: ["7zz", "x", "-mmt=2", "-bso0", "-bsp0", f"{store}/a.7z"],
            lambda store, out, last: ["7zz", "x", "-mmt=2", "-bso0", "-bsp0", f"{store}/a.7z", last],
            lambda store: store / "a.7z",
        ),
        **{tool: _packed(tool) for tool in (*OURS, "py7zr")},
        "restic": Tool(
            lambda tree, store: ["restic", "-q", "-r", f"{store}", "backup", "."],
            lambda store: ["restic", "-q", "-r", f"{store}", "check", "--read-data"],
            lambda store, out: ["restic", "-q", "-r", f"{store}", "restore", "latest", "--target", f"{out}"],
            again=lambda tree, store: ["restic", "-q", "-r", f"{store}", "backup", "."],
            prepare=lambda store: ["restic", "-q", "-r", f"{store}", "init"],
        ),
        "borg": Tool(
            lambda tree, store: ["borg", "create", "-C", "zstd,3", f"{store}::a", "."],
            lambda store: ["borg", "check", "--verify-data", f"{store}"],
            lambda store, out: ["borg", "extract", f"{store}::a"],
            again=lambda tree, store: ["borg", "create", "-C", "zstd,3", f"{store}::{{now:%f}}", "."],
            prepare=lambda store: ["borg", "init", "-e", "none", f"{store}"],
        ),
    }  # fmt: skip
    return {name: tool for name, tool in known.items() if name not in DEBIAN or shutil.which(name)}


def _packed(tool: str) -> Tool:
    def argv(doing: str, store: Path, folder: Path) -> list[str]:
        return [sys.executable, str(PACKER), doing, tool, f"{store}/{ID}.7z", str(folder)]

    return Tool(
        lambda tree, store: argv("create", store, tree),
        lambda store: argv("verify", store, store),
        lambda store, out: argv("restore", store, out),
        (lambda store, out, last: argv("one", store, out)) if tool in OURS else None,
        (lambda store: store / f"{ID}.7z") if tool in OURS else None,
    )


def picked(archive: Path, out: Path, last: str) -> Cost:
    """What py7zr takes for one file of an archive, once Python has started: the median of a few, in new folders."""
    took = []
    for number in range(PICKS):
        argv = [sys.executable, str(PACKER), "one", "py7zr", str(archive), str(out / str(number)), last]
        took.append(json.loads(subprocess.run(argv, capture_output=True, check=True).stdout))
    wall_s, cpu_s = (statistics.median(each) for each in zip(*took, strict=True))
    return Cost(wall_s, cpu_s, 0.0)


def environment(scratch: Path) -> dict[str, str]:
    """The person's, with caches and keys of its own; Python keeps there what it has compiled, as for a person."""
    person = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    apart = {"RESTIC_PASSWORD": "bench", "XDG_CACHE_HOME": f"{scratch}/cache", "BORG_BASE_DIR": f"{scratch}/borg"}
    return {**person, **apart, "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}


def warm(tree: Path) -> None:
    """Read all of a tree, so that each tool finds it in memory, and none pays for the others."""
    for path in tree.rglob("*"):
        if path.is_file():
            path.read_bytes()


def run(argv: list[str], env: Mapping[str, str], cwd: Path | None = None) -> Cost:
    """Run one command to its end, on a disk that has nothing left to write; raises RuntimeError when it fails."""
    os.sync()
    with tempfile.TemporaryFile() as said, tempfile.NamedTemporaryFile() as took:
        alone = [sys.executable, "-IS", str(ALONE), took.name, *argv]
        code = subprocess.run(
            alone, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False
        ).returncode
        if code:
            said.seek(0)
            raise RuntimeError(f"`{' '.join(argv)}` ended {code}: {said.read()[-600:]!r}")
        return Cost(*json.loads(took.read()))

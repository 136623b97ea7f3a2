"""Measures our archives beside 7-Zip, py7zr, restic and borg, in one run, on trees made for it; Linux only.

python bench/backup.py [--times 3] [--only workspace,logs] [--quick] [--json FILE] [--write-docs]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import backup_page
import cache
import corpora
import machine
import page

DOCS = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
PACKER = Path(__file__).with_name("packer.py")
ID = "2026-11-29T033000Z-full"
DEBIAN = {"7zz": "7zip", "restic": "restic", "borg": "borgbackup"}
OURS = ("autosys deflate", "autosys lzma2")


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
    prepare: Callable[[Path], list[str]] | None = None  # an empty store; not counted


def main() -> int:
    """Measure, print, write down; 3 when a target is missed."""
    asked = _arguments()
    results = json.loads(asked.read.read_text("utf-8")) if asked.read else figures(asked)
    for table in backup_page.tables(results):
        print(page.aligned(table), end="\n\n")
    if asked.json:
        asked.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8", newline="\n")
    if asked.write_docs:
        text = page.with_section(DOCS.read_text("utf-8"), "backup", backup_page.section(results))
        DOCS.write_text(text, encoding="utf-8", newline="\n")
    return 3 if backup_page.missed(results) else 0


def figures(asked: argparse.Namespace) -> dict[str, object]:
    """One run: every tool on every tree that was asked for."""
    results: dict[str, object] = {
        "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "machine": machine.describe(),
        "quick": asked.quick, "times": asked.times, "versions": versions(),
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="bench-backup-") as scratch:
        measured = {name: measure(name, Path(scratch), asked) for name in asked.only}
    results["corpora"] = measured
    results["load_after"] = round(os.getloadavg()[0], 2)
    return results


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=3, help="how often each is measured, in turns")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(corpora.FULL), metavar="TREE,...")
    parser.add_argument("--quick", action="store_true", help="small trees: no figures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything down")
    parser.add_argument("--read", type=Path, metavar="FILE", help="measure nothing: take the figures of a run before")
    parser.add_argument("--write-docs", action="store_true", help="write its section of docs/benchmarks.md")
    return parser.parse_args()


def versions() -> dict[str, str]:
    """What each tool is; a tool that is not there says how to get it."""
    found = {"autosys": version("autosys"), "py7zr": version("py7zr")}
    try:
        found["isal"] = version("isal")
    except PackageNotFoundError:
        found["isal"] = "not installed: DEFLATE by zlib"
    words = {"7zz": ["7zz", "i"], "restic": ["restic", "version"], "borg": ["borg", "--version"]}
    for name, argv in words.items():
        found[name] = cache.version_of(*argv) or f"not measured; to be had with apt-get install {DEBIAN[name]}"
    return found


def measure(name: str, scratch: Path, asked: argparse.Namespace) -> dict[str, object]:
    """Medians of every tool on one tree: each round asks all of them, in turn."""
    tree = scratch / name
    corpora.make(name, tree, (corpora.QUICK if asked.quick else corpora.FULL)[name])
    facts = sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file())
    costs: dict[str, dict[str, list[Cost]]] = {}
    sizes: dict[str, int] = {}
    for number in range(asked.times):
        for tool, how in tools(scratch).items():
            print(f"{name} {number + 1}/{asked.times}: {tool}", file=sys.stderr)
            round_of = one_round(how, tool, tree, scratch / "store", scratch / "out", facts[-1])
            for doing, cost in round_of[0].items():
                costs.setdefault(tool, {}).setdefault(doing, []).append(cost)
            sizes[tool] = round_of[1]
    shutil.rmtree(tree)
    medians = {tool: {doing: median(all_of) for doing, all_of in doings.items()} for tool, doings in costs.items()}
    return {"files": len(facts), "bytes": sizes.pop("tree", 0), "sizes": sizes, "costs": medians}


def median(costs: Sequence[Cost]) -> dict[str, float]:
    """The median of each figure; the most memory of all."""
    return {
        "wall_s": statistics.median(cost.wall_s for cost in costs),
        "cpu_s": statistics.median(cost.cpu_s for cost in costs),
        "rss_mb": max(cost.rss_mb for cost in costs),
    }


def one_round(how: Tool, tool: str, tree: Path, store: Path, out: Path, last: str) -> tuple[dict[str, Cost], int]:
    """Make, verify, restore, restore one; what is restored must be the tree. Returns costs, and the store's bytes."""
    for folder in (store, out, out.with_name("last")):
        shutil.rmtree(folder, ignore_errors=True)
    store.mkdir()
    env = environment(store.parent)
    if how.prepare:
        run(how.prepare(store), env)
    costs = {"create": run(how.create(tree, store), env, cwd=tree)}
    size = sum(path.stat().st_size for path in store.rglob("*") if path.is_file())
    costs["verify"] = run(how.verify(store), env)
    out.mkdir()
    costs["restore"] = run(how.restore(store, out), env, cwd=out)
    same(tree, out, tool)
    if how.one:
        target = out.with_name("last")
        target.mkdir()
        costs["one"] = run(how.one(store, target, last), env, cwd=target)
        assert [path.name for path in target.rglob("*") if path.is_file()] == [last.rpartition("/")[2]], tool
    return costs, size


def tools(scratch: Path) -> Mapping[str, Tool]:
    """Every tool that is there."""
    known = {
        "7zz": Tool(
            lambda tree, store: ["7zz", "a", "-mx1", "-mmt=2", "-bso0", "-bsp0", f"{store}/a.7z", "."],
            lambda store: ["7zz", "t", "-mmt=2", "-bso0", "-bsp0", f"{store}/a.7z"],
            lambda store, out: ["7zz", "x", "-mmt=2", "-bso0", "-bsp0", f"{store}/a.7z"],
            lambda store, out, last: ["7zz", "x", "-mmt=2", "-bso0", "-bsp0", f"{store}/a.7z", last],
        ),
        **{tool: _packed(tool) for tool in (*OURS, "py7zr")},
        "restic": Tool(
            lambda tree, store: ["restic", "-q", "-r", f"{store}", "backup", "."],
            lambda store: ["restic", "-q", "-r", f"{store}", "check", "--read-data"],
            lambda store, out: ["restic", "-q", "-r", f"{store}", "restore", "latest", "--target", f"{out}"],
            prepare=lambda store: ["restic", "-q", "-r", f"{store}", "init"],
        ),
        "borg": Tool(
            lambda tree, store: ["borg", "create", "-C", "zstd,3", f"{store}::a", "."],
            lambda store: ["borg", "check", "--verify-data", f"{store}"],
            lambda store, out: ["borg", "extract", f"{store}::a"],
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
    )


def environment(scratch: Path) -> dict[str, str]:
    """The person's, with caches and keys of its own."""
    apart = {"RESTIC_PASSWORD": "bench", "XDG_CACHE_HOME": f"{scratch}/cache", "BORG_BASE_DIR": f"{scratch}/borg"}
    return {**os.environ, **apart, "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}


def run(argv: list[str], env: Mapping[str, str], cwd: Path | None = None) -> Cost:
    """Run one command to its end; raises RuntimeError with what it wrote when it fails."""
    with tempfile.TemporaryFile() as said:
        began = time.monotonic()
        process = subprocess.Popen(argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        took = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(f"`{' '.join(argv)}` ended {process.returncode}: {said.read()[-600:]!r}")
    return Cost(took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def same(tree: Path, out: Path, tool: str) -> None:
    """Raises RuntimeError unless `out` holds the files of `tree`, to the byte."""
    if subprocess.run(["diff", "-rq", tree, out], stdout=subprocess.DEVNULL, check=False).returncode:
        raise RuntimeError(f"{tool} restored something else than it was given")


if __name__ == "__main__":
    sys.exit(main())

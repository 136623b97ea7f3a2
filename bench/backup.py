"""Measures our archives beside 7-Zip, py7zr, restic and borg, in one run, on trees made for it; Linux only.

python bench/backup.py [--times 3] [--only workspace,logs] [--tree FOLDER] [--quick] [--json FILE] [--write-docs]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import backup_page
import cache
import corpora
import machine
import page
from backup_nights import nights, stored
from backup_tools import DEBIAN, SLOW, Cost, Tool, environment, picked, run, tools, warm

DOCS = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"


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
    cache.compile_environment()
    results: dict[str, object] = {
        "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "machine": machine.describe(),
        "quick": asked.quick, "times": asked.times, "versions": versions(),
    }  # fmt: skip
    began = machine.cpu_seconds()
    results["corpora"] = measured = {}
    with tempfile.TemporaryDirectory(prefix="bench-backup-") as scratch:  # nothing goes before the end: see one_round
        for name in (*asked.only, *asked.tree):
            measured[Path(name).name] = measure(name, Path(scratch, Path(name).name), asked)
    results["others"] = round(machine.share_of_others(began), 3)
    return results


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=3, help="how often each is measured, in turns")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(corpora.FULL), metavar="TREE,...")
    parser.add_argument("--tree", action="append", default=[], metavar="FOLDER", help="one of yours too: a copy of it")
    parser.add_argument("--quick", action="store_true", help="small trees, once: no figures, two minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything down")
    parser.add_argument("--read", type=Path, metavar="FILE", help="measure nothing: take the figures of a run before")
    parser.add_argument("--write-docs", action="store_true", help="write its section of docs/benchmarks.md")
    asked = parser.parse_args()
    asked.times = 1 if asked.quick else asked.times
    return asked


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
    """Medians of every tool on one tree: each round asks all of them, in turn; the slow ones have one round."""
    tree = scratch / "desk" / "tree"
    if name in corpora.FULL:
        corpora.make(name, tree, (corpora.QUICK if asked.quick else corpora.FULL)[name])
    else:
        corpora.copy(Path(name), tree)
    files = sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file())
    costs: dict[str, dict[str, list[Cost]]] = {}
    sizes: dict[str, int] = {}
    archives: dict[str, int] = {}
    for number in range(asked.times):
        for tool, how in tools().items():
            if number and tool in SLOW:
                continue
            said = f"{name} {number + 1}/{asked.times}: {tool}"
            print(said, file=sys.stderr)
            place = scratch / f"{number} {tool}"
            found, sizes[tool], archives[tool] = one_round(how, tool, tree, place, files[-1])
            for doing, cost in found.items():
                costs.setdefault(tool, {}).setdefault(doing, []).append(cost)
    medians = {tool: {doing: median(all_of) for doing, all_of in doings.items()} for tool, doings in costs.items()}
    size = sum((tree / path).stat().st_size for path in files)
    return {"files": len(files), "bytes": size, "sizes": sizes, "archives": archives, "costs": medians,
            "nights": medians_of_nights(name, tree, scratch, asked.times)}  # fmt: skip


def medians_of_nights(name: str, tree: Path, scratch: Path, times: int) -> dict[str, dict[str, dict[str, float]]]:
    """Of each tool and night: the medians, and the bytes that it added."""
    rounds = [nights(tree, scratch, tools(), f"{name} {number + 1}/{times}") for number in range(times)]
    return {
        tool: {
            night: {**median([each[tool][night][0] for each in rounds]), "added": rounds[-1][tool][night][1]}
            for night in of_one
        }
        for tool, of_one in rounds[0].items()
    }


def median(costs: Sequence[Cost]) -> dict[str, float]:
    """The median of each figure; the most memory of all."""
    return {
        "wall_s": statistics.median(cost.wall_s for cost in costs),
        "cpu_s": statistics.median(cost.cpu_s for cost in costs),
        "rss_mb": max(cost.rss_mb for cost in costs),
    }


def one_round(how: Tool, tool: str, tree: Path, place: Path, last: str) -> tuple[dict[str, Cost], int, int]:
    """Make, verify, restore, restore one; what is restored must be the tree.

    Returns costs, and the bytes of the store and of its archive: all but the manifest beside one of ours.

    Each is a new folder, and nothing is removed before all of them are done: ext4 is slow to make files where others
    have been removed a moment ago, and the next tool would pay for it.
    """
    store, out, target, by_py7zr = (place / name for name in ("store", "out", "last", "by-py7zr"))
    for folder in (store, out, target, by_py7zr):
        folder.mkdir(parents=True)
    env = environment(place.parent)
    if how.prepare:
        run(how.prepare(store), env)
    warm(tree)
    costs = {"create": run(how.create(tree, store), env, cwd=tree)}
    size = stored(store)
    archive = size - sum(path.stat().st_size for path in store.glob("*.manifest.json"))
    costs["verify"] = run(how.verify(store), env)
    costs["restore"] = run(how.restore(store, out), env, cwd=out)
    same(tree, out, tool)
    if how.one:
        costs["one"] = run(how.one(store, target, last), env, cwd=target)
        only(last, target, tool)
    if how.archive:
        costs["picked"] = picked(how.archive(store), by_py7zr, last)
        only(last, by_py7zr / "0", tool)
    return costs, size, archive


def only(last: str, folder: Path, tool: str) -> None:
    """Raises RuntimeError unless that file and no other is in `folder`."""
    if [path.name for path in folder.rglob("*") if path.is_file()] != [last.rpartition("/")[2]]:
        raise RuntimeError(f"of the archive of {tool} another file was taken than `{last}`")


def same(tree: Path, out: Path, tool: str) -> None:
    """Raises RuntimeError unless `out` holds the files of `tree`, to the byte."""
    if subprocess.run(["diff", "-rq", tree, out], stdout=subprocess.DEVNULL, check=False).returncode:
        raise RuntimeError(f"{tool} restored something else than it was given")


if __name__ == "__main__":
    sys.exit(main())

"""What an upgrade costs: nothing to do, a large pull, a hook, and a switch to a new environment; beside pip and uv.

python bench/upgrade.py [--times 15] [--write-docs]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import cache
import machine
from bare import bare, inv
from peers import autosys
from promises import Promise, told
from room import Room, compile_child, independent, room
from timing import Command, in_turn, spread

FOLDERS, FILES, PACKAGES, PULLED = 200, 15, 20, 10_000
BARE_TOO = "bare inv noop, in the turns of the pull"
PROMISES = (
    Promise("a bare `inv` task", "bare inv noop"),
    Promise("`inv upgrade`, nothing to do", "inv upgrade, nothing to do", 250),
    Promise("of that its own work", "own work, nothing to do", 15),
    Promise("`uv pip install`, nothing to do", "uv pip install, nothing to do"),
    Promise("a new environment of 20 packages, warm cache", "a new environment of 20 packages", 2_000),
    Promise("back to one that was built before", "back to one that was built before"),
    Promise("the same by `python -m venv` and `pip install`", "python -m venv, pip install"),
    Promise("10,000 files pulled: told, over a bare `inv` task", "10,000 files pulled, told", 150, over=BARE_TOO),
    Promise("a hook that begins an upgrade", "a hook that begins one", 100),
)


def main() -> int:
    """Measure, print, write down; 3 when a target is missed."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--times", type=int, default=15, help="how often each is measured, at least 5 for figures")
    asked.add_argument("--write-docs", action="store_true", help="write its section of docs/benchmarks.md")
    said = asked.parse_args()
    results: dict[str, object] = {"at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "machine": machine.describe()}
    cache.compile_environment()
    with tempfile.TemporaryDirectory(prefix="bench-child-") as folder:
        results |= measure(compile_child(Path(folder)), times=said.times)
    return told("upgrade", PROMISES, results, write_docs=said.write_docs)


def measure(child: Path, *, times: int) -> dict[str, object]:
    """Milliseconds of each; `own work` is what the run itself took, as its journal says."""
    with room(autosys, child, independent(1)) as made, bare() as nothing:
        folder = made.folder
        autosys.write(made, "[environments.main]\n")
        _workspace(folder)
        _wants(folder, 1)
        made.run(autosys.tool("inv"), "upgrade")
        time.sleep(2.5)  # a file that has only just been written is read again
        made.run(autosys.tool("inv"), "upgrade")
        python = str(folder / ".venv" / "bin" / "python")
        commands = {
            "bare inv noop": inv(nothing, "noop"),
            "inv upgrade, nothing to do": Command([autosys.tool("inv"), "upgrade"], folder, made.env),
            "uv pip install, nothing to do": _pip(folder, [autosys.tool("uv"), "pip", "install", "--python", python]),
        }
        timed: dict[str, object] = dict(in_turn(commands, times=times))
        timed["own work, nothing to do"] = spread(_own(folder)[-times:])
        timed["a new environment of 20 packages"] = spread(_turns(made, times, lambda n: _wants(folder, 2 + n)))
        timed["back to one that was built before"] = spread(
            _turns(made, times, lambda n: _wants(folder, times + n % 2))
        )
        timed["python -m venv, pip install"] = spread([_by_pip(folder)])
        return timed | _after_a_pull(made, inv(nothing, "noop"), times)


def _after_a_pull(made: Room, noop: Command, times: int) -> dict[str, object]:
    """A commit of 10,000 files told and looked through, and a hook that begins an upgrade: the pull waits for that."""
    folder = made.folder
    (folder / ".gitignore").write_text("outputs/\n.venv*\nby-pip/\nwheels/\n", encoding="utf-8")
    _commit(folder)
    made.run(autosys.tool("inv"), "upgrade")
    made.run(autosys.tool("inv"), "upgrade.hooks", "install")
    for number in range(PULLED):
        at = folder / f"pulled/{number // 100}"
        at.mkdir(parents=True, exist_ok=True)
        (at / f"{number}.py").write_text(f"NUMBER = {number}\n", encoding="utf-8")
    _commit(folder)
    commands = {
        BARE_TOO: noop,
        "10,000 files pulled, told": Command(
            [autosys.tool("inv"), "upgrade", "--dry-run", "--explain"], folder, made.env
        ),
    }
    timed: dict[str, object] = dict(in_turn(commands, times=times))
    hook = Command([str(folder / ".git/hooks/post-merge"), "0"], folder, made.env)
    timed |= in_turn({"a hook that begins one": hook}, times=times)
    made.run(autosys.tool("inv"), "upgrade", "--timeout", "60")  # and with it ends what the hooks have begun
    return timed


def _commit(folder: Path) -> None:
    who = ("-c", "user.name=bench", "-c", "user.email=bench@example.org", "-c", "core.hooksPath=/dev/null")
    subprocess.run(["git", "add", "--all"], cwd=folder, check=True)
    subprocess.run(["git", *who, "commit", "-q", "-m", "bench"], cwd=folder, check=True)


def _workspace(folder: Path) -> None:
    """A repository of some size, and packages at hand."""
    for number in range(FOLDERS):
        at = folder / f"src/폴더 {number}"
        at.mkdir(parents=True)
        for name in range(FILES):
            (at / f"{name}.py").touch()
    (folder / "wheels").mkdir()
    for number in range(PACKAGES):
        for version in range(1, 60):
            _wheel(folder / "wheels", f"pack{number}", f"{version}.0") if number == 0 or version == 1 else None
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)


def _wheel(folder: Path, name: str, version: str) -> None:
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}.py", f"VERSION = {version!r}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")


def _wants(folder: Path, version: int) -> None:
    lines = ["--no-index", "--find-links ./wheels", f"pack0=={version}.0", *(f"pack{n}" for n in range(1, PACKAGES))]
    (folder / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _pip(folder: Path, argv: Sequence[str]) -> Command:
    import os

    return Command([*argv, "-q", "-r", "requirements.txt"], folder, dict(os.environ))


def _own(folder: Path) -> list[float]:
    lines = (folder / "outputs/auto_upgrade_log.jsonl").read_text(encoding="utf-8").splitlines()
    return [float(line["ms"]) for line in map(json.loads, lines) if line["step"] == "summary"]


def _turns(made: Room, times: int, change: Callable[[int], None]) -> list[float]:
    """Wall milliseconds of `inv upgrade` after each change."""
    took = []
    for turn in range(times + 1):
        change(turn)
        begin = time.perf_counter()
        made.run(autosys.tool("inv"), "upgrade")
        took.append((time.perf_counter() - begin) * 1000)
    return took[1:]  # the first fills the caches


def _by_pip(folder: Path) -> float:
    """What the same takes without uv and without us."""
    begin = time.perf_counter()
    target = folder / "by-pip"
    subprocess.run([sys.executable, "-m", "venv", str(target)], check=True)
    subprocess.run(_pip(folder, [str(target / "bin/python"), "-m", "pip", "install"]).argv, cwd=folder, check=True)
    return (time.perf_counter() - begin) * 1000


if __name__ == "__main__":
    sys.exit(main())

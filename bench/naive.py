"""The watchdog that everybody writes first: a pid file after the spawn, `pid_exists` before it. A baseline, not a tool.

python bench/naive.py FOLDER NAME...   one tick: starts what its pid file says is not running
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def tick(folder: Path, names: list[str], argv: list[str]) -> None:
    """Start each of these that has no living pid in its file."""
    no = subprocess.DEVNULL
    for name in names:
        file = folder / f"{name}.pid"
        if file.exists() and _exists(file.read_text(encoding="ascii")):
            continue
        child = subprocess.Popen([*argv, name, str(folder / "oracle")], start_new_session=True, stdin=no)
        child.returncode = 0
        file.write_text(str(child.pid), encoding="ascii")


def _exists(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (OSError, ValueError):
        return False
    return state != "Z"


if __name__ == "__main__":
    oracle = [sys.executable, "-I", "-S", str(Path(__file__).parent.parent / "tests" / "programs" / "oracle.py")]
    tick(Path(sys.argv[1]), sys.argv[2:], oracle)

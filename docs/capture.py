"""Makes docs/picture.svg: the real commands in a scratch copy of this workspace, and what they really print.

python docs/capture.py      (in the environment that `python tasks.py bringup` made)
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMAND = [sys.executable, "-m", "autosys_tasks.program"]
COLOURS = {"ready": "#7ec16e", "OK": "#7ec16e", "started": "#6cb6d9", "NG": "#e06c75", "SKIP": "#d7ba6b"}
LINE, CHAR, EDGE = 19, 8.43, 16  # pixels


def main() -> None:
    """Run the story, draw it, write the picture."""
    folder = Path(tempfile.mkdtemp(prefix="autosys-picture-"))
    desk = folder / "desk"
    desk.mkdir()
    text = (ROOT / "autosys.toml").read_text(encoding="utf-8").replace('name = "autosys"', 'name = "desk"')
    (desk / "autosys.toml").write_text(text, encoding="utf-8", newline="\n")
    shutil.copy(ROOT / "pyproject.toml", desk)
    (desk / ".venv").symlink_to(sys.prefix)
    env = {**os.environ, "AUTOSYS_STATE": str(folder / "state"), "PYTHONPATH": str(ROOT)}
    env |= {"AUTOSYS_QUEUE_PORT": "18091", "AUTOSYS_MONITOR_PORT": "18092"}
    story: list[str] = []

    def show(*args: str) -> None:
        done = subprocess.run([*COMMAND, *args], cwd=desk, env=env, capture_output=True, text=True, check=False)
        story.append(f"$ inv {' '.join(args)}")
        story.extend(done.stdout.replace(str(desk), "~/desk").splitlines())

    try:
        show("bringup")
        pid = next(row["pid"] for row in rows(desk, env) if row["name"] == "worker")
        story.append(f"$ kill -9 {pid}        # the worker dies")
        os.kill(pid, signal.SIGKILL)
        wait_for_another(desk, env, pid)
        show("ps")
        show("backup")
        show("backup.drill")
        show("health")
    finally:
        subprocess.run([*COMMAND, "down"], cwd=desk, env=env, capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)
    (ROOT / "docs" / "picture.svg").write_text(drawn(story), encoding="utf-8", newline="\n")


def rows(desk: Path, env: dict[str, str]) -> list[dict[str, object]]:
    """The services of `ps --json`."""
    done = subprocess.run([*COMMAND, "ps", "--json"], cwd=desk, env=env, capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout)["services"])


def wait_for_another(desk: Path, env: dict[str, str], pid: object) -> None:
    """Until the worker is ready under another pid."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        worker = next(row for row in rows(desk, env) if row["name"] == "worker")
        if worker["pid"] != pid and worker["state"] == "ready":
            return
    sys.exit("the worker did not come back")


def drawn(story: list[str]) -> str:
    """The lines as an SVG of a terminal; it needs nothing from outside."""
    width = round(max(map(len, story)) * CHAR + 2 * EDGE)
    height = len(story) * LINE + 2 * EDGE
    style = "font: 14px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace; white-space: pre"
    texts = [
        f'<text x="{EDGE}" y="{EDGE + LINE * (row + 1) - 5}" xml:space="preserve">{coloured(line)}</text>'
        for row, line in enumerate(story)
    ]
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
            f'<rect width="{width}" height="{height}" rx="8" fill="#1f2428"/>',
            f'<g fill="#d5dae0" style="{style}">',
            *texts,
            "</g>",
            "</svg>",
            "",
        ]
    )


def coloured(line: str) -> str:
    """One line as SVG text, commands bold, verdicts in colour."""
    if line.startswith("$ "):
        return f'<tspan font-weight="bold" fill="#ffffff">{escape(line)}</tspan>'
    marked = re.compile(rf"\b({'|'.join(COLOURS)})\b")
    return marked.sub(lambda found: f'<tspan fill="{COLOURS[found[1]]}">{found[1]}</tspan>', escape(line))


if __name__ == "__main__":
    main()

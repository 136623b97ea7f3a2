"""A person's Windows desk: a copy of this project in an awkward folder, made ready by `tasks.py bringup` itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import rig

NAME = "내 책상 & 100%"
PARTS = ("tasks.py", "pyproject.toml", "autosys.toml", "README.md", "LICENSE", "autosys_tasks")
NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)


class Desk(rig.Workspace):
    """A workspace whose commands are `python tasks.py TASK`, as the README has them, with the system's own Python."""

    def __init__(self, folder: Path) -> None:
        root = folder / NAME
        root.mkdir()
        for part in PARTS:
            source = rig.REPOSITORY / part
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, root / part, ignore=ignore) if source.is_dir() else shutil.copy(source, root)
        super().__init__(root, rig.scratch_state())
        self.ports = {"AUTOSYS_QUEUE_PORT": str(rig.free_port()), "AUTOSYS_MONITOR_PORT": str(rig.free_port())}

    def env(self) -> dict[str, str | None]:
        """The workspace's own, with code page 949 as Windows has it: no PYTHONUTF8, no PYTHONIOENCODING."""
        return {**super().env(), **self.ports, "PYTHONUTF8": None, "PYTHONIOENCODING": None}

    def environ(self) -> dict[str, str]:
        """All of it, for a process that is started by hand."""
        merged = {**os.environ, **self.env()}
        return {key: value for key, value in merged.items() if value is not None}

    def types(self, *args: str, timeout_s: float = 240, console: bool = False) -> rig.Result:
        """`python tasks.py ARGS`, to its end."""
        argv = [rig.PYTHON, "tasks.py", *args]
        return rig.start(argv, cwd=self.root, env=self.env(), console=console).result(timeout_s)

    @property
    def scripts(self) -> Path:
        """Where its environment keeps its programs."""
        return self.root / ".venv" / "Scripts"

    def pythonw(self, *args: str) -> subprocess.Popen[bytes]:
        """As Task Scheduler starts it: no console, no streams; a console program below it would open a window."""
        detached = 0x00000008
        argv = [str(self.scripts / "pythonw.exe"), "-X", "utf8", "-m", "invoke", *args]
        return subprocess.Popen(argv, cwd=self.root, env=self.environ(), creationflags=detached, close_fds=True)


def text(raw: bytes) -> str:
    """What a Windows program wrote into a pipe or file without being told an encoding."""
    return raw.decode("cp949").replace("\r\n", "\n")


def tree_of(pid: int) -> list[psutil.Process]:
    """A process and all below it, less who only draws their console."""
    one = psutil.Process(pid)
    below = [child for child in one.children(recursive=True) if "conhost.exe" not in child.cmdline()[0]]
    return [one, *below]


assert sys.platform == "win32" or NO_WINDOW == 0

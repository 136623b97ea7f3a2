"""A scratch checkout that `python tasks.py` is run in for real: small, so that an install takes seconds."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import rig

REAL_CACHES = Path.home() / ".cache"
PYTHON = Path(getattr(sys, "_base_executable", sys.executable))
BIN = "Scripts" if os.name == "nt" else "bin"
NOWHERE = "http://127.0.0.1:9/simple"
WORDS = "a b  \"c\" '한글' $HOME %PATH% \\"

PYPROJECT = """\
[build-system]
requires = []
build-backend = "builds"
backend-path = ["."]
[project]
name = "autosys"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["invoke>=3.0.3"]
[project.optional-dependencies]
test = ["iniconfig"]
"""
TASKS = '''\
import importlib.util, json, os, sys
from invoke import Collection, Exit, task

@task(auto_shortflags=False)
def echo(c, words="", code=0):
    """Say what arrived."""
    seen = {"words": words, "cwd": os.getcwd(), "workspace": os.environ.get("AUTOSYS_WORKSPACE"),
            "prefix": sys.prefix, "iniconfig": bool(importlib.util.find_spec("iniconfig"))}
    print(json.dumps(seen))
    if code:
        raise Exit(code=code)

@task
def test(c):
    """The task that needs an extra."""
    import iniconfig

ns = Collection(echo, test)
'''


class Checkout:
    """A folder with tasks.py, a pyproject.toml that needs Invoke only, and two tasks."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.venv = root / ".venv"
        self.stamp = self.venv / "autosys-stamp"
        (root / "autosys_tasks").mkdir(parents=True)
        shutil.copy(rig.REPOSITORY / "tasks.py", root)
        shutil.copy(Path(__file__).with_name("builds.py"), root)
        ours = rig.REPOSITORY / "autosys_tasks" / "bootstrap"
        shutil.copytree(
            ours, root / "autosys_tasks" / "bootstrap", ignore=shutil.ignore_patterns("__pycache__")
        )
        self.declare(PYPROJECT)
        (root / "autosys_tasks" / "__init__.py").write_text(TASKS, encoding="utf-8", newline="\n")

    def declare(self, pyproject: str) -> None:
        """Another pyproject.toml."""
        (self.root / "pyproject.toml").write_text(pyproject, encoding="utf-8", newline="\n")

    def script(self, name: str) -> Path:
        """A command of the environment."""
        return self.venv / BIN / (f"{name}.exe" if os.name == "nt" else name)

    def start(
        self,
        *args: str,
        python: Path = PYTHON,
        path: Path | None = None,
        cwd: Path | None = None,
        env: dict[str, str | None] | None = None,
    ) -> rig.Running:
        """Start `python tasks.py ARGS`, with `path` as the first folder of a PATH that has no uv."""
        argv: list[str | Path] = [python, self.root / "tasks.py", *args]
        return rig.start(argv, cwd=cwd or self.root, env={**quiet_environ(path), **(env or {})})

    def run(self, *args: str, **how: object) -> rig.Result:
        """The same, to its end."""
        return self.start(*args, **how).result(100)  # type: ignore[arg-type]

    def state(self) -> list[str]:
        """The words of the stamp's first line."""
        return self.stamp.read_bytes().split(b"\n")[0].decode().split() if self.stamp.exists() else []


def quiet_environ(first: Path | None) -> dict[str, str | None]:
    """An environment whose caches are warm, and whose PATH holds no uv but one in `first`."""
    folders = [
        folder for folder in os.environ["PATH"].split(os.pathsep) if not shutil.which("uv", path=folder)
    ]
    return {
        "PATH": os.pathsep.join([*([str(first)] if first else []), *folders]),
        "PIP_CACHE_DIR": str(REAL_CACHES / "pip"),
        "UV_CACHE_DIR": str(REAL_CACHES / "uv"),
        "PYTHONIOENCODING": None,
        "PYTHONUTF8": None,
        "VIRTUAL_ENV": None,
    }


def stub(folder: Path, name: str, script: str) -> Path:
    """A program `name` in `folder` that runs a shell script; returns the folder, for a PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8", newline="\n")
    program.chmod(0o755)
    return folder

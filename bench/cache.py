"""Finds peers on PATH and in a cache outside the repository; installs those that PyPI and npm have."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path


def folder() -> Path:
    """Where installed peers are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "autosys-bench"


def python_tool(name: str) -> Path:
    """A command of the cached Python environment; it may not exist."""
    return folder() / "python" / "bin" / name


def node_tool(name: str) -> Path:
    """A command of the cached Node folder; it may not exist."""
    return folder() / "node" / "node_modules" / ".bin" / name


def program(name: str) -> str | None:
    """A program on PATH or in the cache's own `bin`, or None."""
    return shutil.which(name) or shutil.which(name, path=str(folder() / "bin"))


def version_of(*argv: str | Path) -> str | None:
    """The first thing like a version that a command prints, or None when it cannot be run."""
    try:
        done = subprocess.run(argv, text=True, capture_output=True, timeout=60, check=False)
    except OSError:
        return None
    found = re.search(r"\d+\.\d+[\w.+-]*", done.stdout + done.stderr)
    return found[0] if found else None


def install_python(*packages: str) -> None:
    """Bring `packages` from PyPI into the cached environment."""
    if not python_tool("pip").exists():
        subprocess.run([sys.executable, "-m", "venv", folder() / "python"], check=True)
    subprocess.run([python_tool("pip"), "install", "--quiet", *packages], check=True)


def install_node(*packages: str) -> None:
    """Bring `packages` from npm into the cached Node folder."""
    target = folder() / "node"
    target.mkdir(parents=True, exist_ok=True)
    quiet = ["--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(["npm", "install", "--prefix", target, *quiet, *packages], check=True)


def compile_environment() -> None:
    """Compile what this environment holds, as pip does: `inv` itself never writes compiled files."""
    places = [sysconfig.get_path("purelib")]
    ours = find_spec("autosys_tasks")
    if ours is not None:
        places += ours.submodule_search_locations or []
    subprocess.run([sys.executable, "-m", "compileall", "-q", "-j", "0", *places], check=False)

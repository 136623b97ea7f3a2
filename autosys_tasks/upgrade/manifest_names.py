"""The names of the files that say what belongs into an environment. Pure; light: every look asks it of every name."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

PYTHON = ("requirements*.txt", "*requirements.txt", "pyproject.toml", "uv.lock", "poetry.lock", "pdm.lock")
NODE = (
    "package.json", "package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "pnpm-workspace.yaml", "yarn.lock",
)  # fmt: skip
ENDS = frozenset(name[-4:] for name in (*PYTHON, *NODE))


def manifests(names: Iterable[str]) -> list[str]:
    """Those of a folder's names that say what belongs into an environment; Python's in any letter case."""
    likely = [name for name in names if name[-4:].lower() in ENDS]  # of thousands, few get further
    return [name for name in likely if name in NODE or any(fnmatchcase(name.lower(), glob) for glob in PYTHON)]

"""The names of the files that say what belongs into an environment. Pure; light: every look asks it of every name."""

from __future__ import annotations

from fnmatch import fnmatchcase

PYTHON = ("requirements*.txt", "*requirements.txt", "pyproject.toml", "uv.lock", "poetry.lock", "pdm.lock")
NODE = (
    "package.json", "package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "pnpm-workspace.yaml", "yarn.lock",
)  # fmt: skip


def is_python(name: str) -> bool:
    """Whether a file of this name says what belongs into a Python environment."""
    likely = name[-4:].lower() in (".txt", "toml", "lock")  # of thousands of names, few get further
    return likely and any(fnmatchcase(name.lower(), glob) for glob in PYTHON)

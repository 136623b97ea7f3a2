"""Checks whether an environment exists: its interpreter, its modules, or its command's outputs. Runs nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from autosys_tasks import host
from autosys_tasks.config.model import Environment
from autosys_tasks.core.clock import few
from autosys_tasks.core.files import read_json
from autosys_tasks.upgrade.discover import matching

PNP = (".pnp.cjs", ".pnp.js")  # what Yarn makes instead of node_modules
LABEL = "autosys.json"  # in each environment that we built: its name, and whether its install was completed
# What an interrupted install may leave: a folder with nothing else may be replaced.
LEFTOVER_NAMES = {
    "bin", "scripts", "lib", "lib64", "include", "share", "pyvenv.cfg", "cachedir.tag", ".gitignore", ".lock",
}  # fmt: skip


class Presence(NamedTuple):
    """What was found of an environment, what of it is missing ("": nothing), and its interpreter."""

    found: str
    missing: str = ""
    interpreter: str = ""
    taken: bool = False  # the folder holds other files, which an install would delete


def look(environment: Environment, root: str) -> Presence:
    """Whether an environment is there; `root` is the workspace."""
    if environment.kind == "python":
        if names := _other_content(environment.path):
            where = os.path.relpath(environment.path, root)
            return Presence(environment.path, f"`{where}` is no virtual environment and holds {names}", taken=True)
        return _python(Path(environment.path))
    if environment.kind == "node":
        return _node(Path(environment.path))
    gone = [name for name in environment.outputs if not _exists(environment.path, root, name)]
    return Presence(", ".join(environment.outputs), f"missing: {', '.join(gone)}" if gone else "")


def _exists(path: str, root: str, name: str) -> bool:
    if any(char in name for char in "*?["):
        return any(matching(base, name) for base in (path, root))
    return any(os.path.exists(os.path.join(base, name)) for base in (path, root))


def _node(path: Path) -> Presence:
    if found := _yarn_map(path):
        return Presence(found)
    modules = path / "node_modules"
    return Presence(str(modules), "" if modules.is_dir() else f"there is no folder `{modules}`")


def _yarn_map(path: Path) -> str:
    """The path of Yarn's Plug'n'Play map; "" when there is none (then there is a folder node_modules)."""
    return next((str(path / name) for name in PNP if (path / name).is_file()), "")


def missing_packages(environment: Environment) -> str:
    """Which dependencies of package.json Node would not find, as text; "": none."""
    path = Path(environment.path)
    if environment.kind != "node" or _yarn_map(path):
        return ""
    gone = [name for name in _needed(path) if not _resolves(path, name)]
    return f"not in `{path / 'node_modules'}`: {', '.join(gone)}" if gone else ""


def _needed(path: Path) -> Iterator[str]:
    """What package.json lists under `dependencies`; the other sections may be left out on purpose."""
    try:
        found = read_json(path / "package.json")
    except (ValueError, OSError):
        return
    said = found if isinstance(found, dict) else {}
    sections = (said.get("dependencies"), said.get("optionalDependencies"))
    listed, optional = (set(each) if isinstance(each, dict) else set() for each in sections)
    yield from sorted(listed - optional)


def _resolves(path: Path, name: str) -> bool:
    """Whether Node finds it from there: a member of a workspace has much of its own in folders above."""
    return any((above / "node_modules" / name / "package.json").exists() for above in (path, *path.parents))


def _python(path: Path) -> Presence:
    python = Path(host.python_in(str(path)))
    if not path.is_dir():
        return Presence("nothing there", f"there is no environment at `{path}`")
    if not python.exists():
        where = f" (it leads to `{python.readlink()}`, which is gone)" if python.is_symlink() else ""
        return Presence(str(path), f"there is no interpreter `{python}`{where}")
    if not os.access(python, os.X_OK):
        return Presence(str(path), f"`{python}` cannot be run")
    made = base_python(path)
    if made is None and not (path / "conda-meta").is_dir():
        return Presence(str(path), f"`{path}` has no pyvenv.cfg: it is no virtual environment")
    home, version = made or ("", "")
    if home and not os.path.isdir(home):
        return Presence(str(path), f"the Python that it was made from is gone (`{home}`)")
    return Presence(str(python), "", f"{version} {home or os.path.realpath(python)}")


def _other_content(path: str) -> str:
    """What else is in a folder that is no virtual environment, and would be deleted by making one; "": nothing."""
    folder = Path(path)
    if not folder.is_dir() or any((folder / name).exists() for name in ("pyvenv.cfg", "conda-meta", LABEL)):
        return ""
    names = sorted(name for name in os.listdir(folder) if name.lower() not in LEFTOVER_NAMES)
    return few(names)


def base_python(path: Path) -> tuple[str, str] | None:
    """(folder, version) of the Python that a virtual environment was made from; None when it is none."""
    try:
        text = (path / "pyvenv.cfg").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    lines = (line.partition("=") for line in text.splitlines())
    values = {key.strip(): value.strip() for key, _, value in lines}
    return values.get("home", ""), values.get("version") or values.get("version_info", "")

"""The commands that make an environment, as argv lists. Pure: which tools there are comes as an argument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from autosys_tasks.upgrade.manifests import Project
from autosys_tasks.upgrade.mapping import folder_of

NO_ENV: Mapping[str, str] = {}
NPM_QUIET = ("--no-audit", "--no-fund", "--prefer-offline")
CLASSIC_YARN = "# yarn lockfile v1"


class Tools(NamedTuple):
    """The programs that were found, "" where there is none; `base` is the Python that new environments are made of."""

    base: str
    uv: str = ""
    poetry: str = ""
    pdm: str = ""
    npm: str = ""
    pnpm: str = ""
    yarn: str = ""


class Command(NamedTuple):
    """One command: what it runs, where, and what its environment has beside the usual."""

    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str] = NO_ENV


class Python(NamedTuple):
    """A Python environment to be made: where, from what, and what of the files has to be known."""

    path: str  # its folder
    python: str  # its interpreter
    root: str  # the workspace
    manifests: tuple[str, ...]  # seen from the workspace
    projects: Mapping[str, Project]  # of each pyproject.toml
    scratch: str  # a file for what one command hands to the next
    has_pip: bool = True
    utf8: bool = True  # every list is UTF-8


# --- Python -----------------------------------------------------------------------------------------------


def new_venv(path: str, tools: Tools, cwd: str) -> Command:
    """An empty environment at `path`, also over what is left of one."""
    if tools.uv:
        return Command((tools.uv, "venv", "--quiet", "--allow-existing", "--python", tools.base, path), cwd)
    return Command((tools.base, "-m", "venv", path), cwd)


def python_commands(want: Python, tools: Tools) -> tuple[list[Command], list[str]]:
    """What brings a Python environment to what its manifests ask for, and what a person should know about that."""
    locked: list[Command] = []
    notes: list[str] = []
    targets: list[str] = []
    lists = [path for path in want.manifests if path.lower().endswith((".txt", ".in"))]
    for path in want.manifests:
        if path.rpartition("/")[2].lower() == "pyproject.toml":
            commands, more, note = _of_project(path, want, tools)
            locked, targets, notes = locked + commands, targets + more, notes + note
    folders = {folder_of(path) for path in lists}
    home = folders.pop() if len(folders) == 1 else ""  # `-e .` in a list is seen from where pip runs
    targets += [word for path in lists for word in ("-r", path.removeprefix(f"{home}/"))]
    return [*locked, *_pip_install(targets, want, tools, _in(want.root, home))], notes


def _in(root: str, folder: str) -> str:
    return f"{root}/{folder}" if folder else root


def _of_project(path: str, want: Python, tools: Tools) -> tuple[list[Command], list[str], list[str]]:
    """(commands of the tool that made the lock, targets for pip, notes)."""
    folder = folder_of(path)
    where = _in(want.root, folder)
    active = {"VIRTUAL_ENV": want.path, "PDM_IGNORE_SAVED_PYTHON": "1"}
    locks = {each.rpartition("/")[2]: each for each in want.manifests if folder_of(each) == folder}
    if "uv.lock" in locks and tools.uv:
        export = ("export", "--quiet", "--frozen", "--format", "requirements-txt", "--output-file", want.scratch)
        install = ("pip", "install", "--python", want.python, "-r", want.scratch)
        return [Command((tools.uv, *export), where), Command((tools.uv, *install), where)], [], []
    project = want.projects.get(path, Project(builds=True))
    if ("poetry.lock" in locks and tools.poetry) or project.poetry:  # where it is not there, that is said
        return [Command((tools.poetry or "poetry", "install", "--no-interaction"), where, active)], [], []
    if "pdm.lock" in locks and tools.pdm:
        return [Command((tools.pdm, "sync"), where, active)], [], []
    found = sorted(name for name in locks if name.endswith(".lock"))
    notes = [
        f"{locks[name]} needs {name[:-5]}, which was not found: versions are not those of the lock" for name in found
    ]
    return [], ["-e", where] if project.builds else list(project.dependencies), notes


def _pip_install(targets: list[str], want: Python, tools: Tools, cwd: str) -> list[Command]:
    if not targets:
        return []
    if tools.uv and want.utf8:
        return [Command((tools.uv, "pip", "install", "--python", want.python, *targets), cwd)]
    pip = (want.python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", *targets)
    env = NO_ENV if want.utf8 else {"PYTHONUTF8": "0"}  # then it is the system's code page
    bring = [] if want.has_pip else [Command((want.python, "-m", "ensurepip", "--default-pip"), want.root)]
    return [*bring, Command(pip, cwd, env)]


def pip_check(python: str, tools: Tools, cwd: str) -> Command:
    """Whether what is installed fits together."""
    if tools.uv:
        return Command((tools.uv, "pip", "check", "--python", python), cwd)
    return Command((python, "-m", "pip", "check", "--disable-pip-version-check"), cwd)


# --- Node -------------------------------------------------------------------------------------------------


def node_command(path: str, manager: str, files: Iterable[str], lock_head: str, tools: Tools) -> Command:
    """What brings node_modules to what the lock says; without a lock to what package.json asks for.

    Without a lock none is written: the next look would find a new file.
    """
    tool = getattr(tools, manager)
    names = {each.rpartition("/")[2] for each in files}
    if manager == "npm":
        locked = names & {"package-lock.json", "npm-shrinkwrap.json"}
        return Command((tool, *(["ci"] if locked else ["install", "--no-package-lock"]), *NPM_QUIET), path)
    if manager == "yarn" and not lock_head.startswith(CLASSIC_YARN):
        return Command((tool, "install", "--immutable"), path)
    return Command((tool, "install", "--frozen-lockfile"), path)

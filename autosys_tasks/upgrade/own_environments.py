"""Environments that we build: each in a folder `.venvs/<hash>` with a label; a link leads to the current one."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from autosys_tasks import host
from autosys_tasks.config.model import Environment
from autosys_tasks.core.errors import AutosysError
from autosys_tasks.core.files import make_folder, read_json, read_text, write_atomic
from autosys_tasks.upgrade.discover import listed
from autosys_tasks.upgrade.presence import LABEL
from autosys_tasks.upgrade.users import users
from autosys_tasks.upgrade.values import STORE

GONE = ".gone"  # the end of a name that is being removed


def store(root: str, environment: Environment) -> str:
    """The folder for what we keep, on the file system of the environment; git leaves it out."""
    near = os.path.dirname(environment.path)
    there = root if not os.path.isdir(near) or os.stat(root).st_dev == os.stat(near).st_dev else near
    folder = make_folder(Path(there, STORE))
    if not (folder / ".gitignore").exists():
        write_atomic(folder / ".gitignore", "*\n")
    return str(folder)


def is_ours(environment: Environment) -> bool:
    """Whether we may build a new one and switch to it: the path is free, or a link to one that we built."""
    if environment.kind != "python":
        return False
    target = host.pointed(environment.path)
    if target is None:
        return not os.path.lexists(environment.path)
    return is_built(target) or not os.path.isdir(target)


def is_built(folder: str) -> bool:
    """Whether we began to build this one."""
    return os.path.isfile(f"{folder}/{LABEL}")


def write_label(folder: str, name: str, *, whole: bool) -> None:
    """Write down whose environment this is, and whether its install has ended well."""
    said = {"environment": name, "whole": whole, "path": folder}  # its scripts hold that path
    write_atomic(f"{folder}/{LABEL}", json.dumps(said), durable=True)


def is_whole(folder: str) -> bool:
    """Whether an environment of ours was built to its end, in this very place."""
    said = _label(folder)
    return bool(said.get("whole")) and said.get("path") == folder


def _label(folder: str) -> dict[str, object]:
    try:
        found = read_json(f"{folder}/{LABEL}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def remove_old(root: str, environment: Environment, keep: set[str]) -> list[str]:
    """Remove what we built for this environment earlier; returns why for each that has to stay."""
    folders = [entry.path for entry in listed(store(root, environment)) if entry.is_dir(follow_symlinks=False)]
    old = [each for each in folders if each not in keep and _label(each).get("environment") == environment.name]
    running = users(old)
    return [said for folder in old if (said := _remove(folder, running.get(folder)))]


def _remove(folder: str, pid: int | None) -> str:
    """Remove it whole, or not at all; why not, or ""."""
    name, away = os.path.basename(folder), folder if folder.endswith(GONE) else folder + GONE
    if pid is not None:
        return f"{name} stays: pid {pid} runs from it"
    try:
        os.rename(folder, away)  # Windows refuses that while a file in it is held: then it is still whole
    except OSError as error:
        return f"{name} stays: {error.strerror or error}"
    shutil.rmtree(away, ignore_errors=True)
    return ""


def exclude_from_git(root: str, link: str) -> list[str]:
    """Keep a link of ours out of `git status`; a note where that fails.

    `.venv/` in .gitignore names folders, and a link is none.
    """
    from autosys_tasks.host import git

    path = os.path.relpath(link, root).replace(os.sep, "/")
    try:
        _exclude(root, path)
    except git.NotInstalled:
        return []
    except (AutosysError, OSError) as error:
        return [f"git may show {path} as a new file: {error}"]
    return []


def _exclude(root: str, path: str) -> None:
    from autosys_tasks.host import git

    env = {"GIT_LITERAL_PATHSPECS": "0"}  # check-ignore refuses to be asked so
    if git.ask(root, "check-ignore", "-q", path, env=env).code != 1:
        return  # left out already, or there is no repository
    asked = ("rev-parse", "--path-format=absolute", "--git-path", "info/exclude")
    exclude = os.fsdecode(git.must(root, *asked)).rstrip("\n")
    prefix = os.fsdecode(git.must(root, "rev-parse", "--show-prefix")).rstrip("\n")
    make_folder(Path(exclude).parent)
    before = read_text(exclude) or ""
    write_atomic(exclude, f"{before.rstrip()}\n/{prefix}{path}\n".lstrip())

"""Walks the workspace for manifests and virtual environments; changes nothing, opens no file."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from autosys_tasks.core import globs
from autosys_tasks.upgrade import manifest_names

NEVER = frozenset({"node_modules", "backups", "outputs", "__pycache__", "site-packages", "bower_components"})


class Found(NamedTuple):
    """What a walk found; paths are seen from the workspace, with `/`."""

    manifests: tuple[str, ...]
    venvs: Mapping[str, tuple[str, ...]]  # folder -> names of the virtual environments in it
    ignores: tuple[str, ...]  # files that tell git what to leave out
    scripts: tuple[str, ...] = ()


def walk(root: str, scripts: Collection[str] = ()) -> Found:
    """Every manifest that a person may have written, every virtual environment beside one, and what globs name."""
    found: list[str] = []
    venvs: dict[str, list[str]] = {}
    ignores: list[str] = []
    wanted: list[str] = []
    is_script, endings = globs.compiled(tuple(scripts)).fullmatch, tuple(map(_ending, scripts))
    todo = [""]
    while todo:
        folder = todo.pop()
        entries = listed(f"{root}/{folder}")
        there = {entry.name: entry for entry in entries}
        if folder and "pyvenv.cfg" in there:
            parent, _, name = folder.rpartition("/")
            venvs.setdefault(parent, []).append(name)
        elif not folder or "autosys.toml" not in there:  # else it is a workspace of its own
            at = f"{folder}/" if folder else ""
            todo += [f"{at}{name}" for name in _folders(entries)]
            found += [f"{at}{name}" for name in manifest_names.manifests(there) if not _is_folder(there[name])]
            paths = [f"{at}{name}" for name in there if name.endswith(endings)]
            wanted += filter(is_script, paths)
            ignores += [f"{at}.gitignore"] if ".gitignore" in there else []
            if hidden := _hidden_venvs(entries):
                venvs.setdefault(folder, []).extend(hidden)
    return Found(
        tuple(sorted(found)),
        {at: tuple(sorted(each)) for at, each in venvs.items()},
        tuple(sorted(ignores)),
        tuple(wanted),
    )


def _ending(glob: str) -> str:
    """What the name of each file that a glob names ends with; of thousands, few are worth a look at the whole glob."""
    return "" if glob.endswith(("/", "\\")) else re.split(r"[*?\]}/\\]", glob)[-1]


def listed(folder: str) -> list[os.DirEntry[str]]:
    """The entries of a folder; none when it cannot be read: what we may not see, we do not install."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False) or (entry.is_symlink() and os.path.isdir(entry.path))


def _folders(entries: list[os.DirEntry[str]]) -> list[str]:
    found = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    return [name for name in found if name[0] != "." and name not in NEVER]


def _hidden_venvs(entries: list[os.DirEntry[str]]) -> list[str]:
    """Hidden ones are not walked, and one that we made is a link."""
    likely = [entry for entry in entries if "venv" in entry.name and (entry.name[0] == "." or entry.is_symlink())]
    return [entry.name for entry in likely if os.path.isfile(f"{entry.path}/pyvenv.cfg")]


def matching(root: str, glob: str) -> list[str]:
    """The files below `root` that a glob names, hidden ones too; never in node_modules, `.git` or an environment."""
    glob = glob.replace("\\", "/").removeprefix("./")
    head, _, tail = glob.partition("/")
    if not any(char in glob for char in "*?["):
        return [glob] if os.path.isfile(f"{root}/{glob}") else []
    if tail and not any(char in head for char in "*?["):
        return [f"{head}/{each}" for each in matching(f"{root}/{head}", tail)]
    return sorted(path for path in _files(root, deep="/" in glob or "**" in glob) if globs.matches((glob,), path))


def _files(root: str, *, deep: bool) -> Iterator[str]:
    todo = [""]
    while todo:
        folder = todo.pop()
        entries = listed(f"{root}/{folder}")
        if folder and any(entry.name == "pyvenv.cfg" for entry in entries):
            continue
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if not entry.is_dir(follow_symlinks=False):
                yield path
            elif deep and entry.name not in ("node_modules", ".git", ".venvs"):
                todo.append(path)

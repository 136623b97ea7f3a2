"""Ways back: what is kept of an environment before it is changed, and how it comes back from that.

link   an environment of ours: the new one is built beside it as `.venvs/<hash>`, and a link is switched
copy   the person's own, changed in place: every file of it is kept under a second name (a hard link; installers
       replace files, they do not write into them), and put back where another file stands now
moved  node_modules, or Yarn's map in its place: set aside as it is, and moved back
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from autosys_tasks import host
from autosys_tasks.config.model import Environment
from autosys_tasks.core.faults import fault
from autosys_tasks.core.files import make_folder, patiently, read_json, read_text, write_atomic
from autosys_tasks.upgrade.discover import listed, matching
from autosys_tasks.upgrade.there import LABEL, PNP
from autosys_tasks.upgrade.users import users
from autosys_tasks.upgrade.values import Way

STORE = ".venvs"
GONE = ".gone"  # the end of a name that is being removed
INDEX = "index.json"


def store(root: str, environment: Environment) -> str:
    """The folder for what we keep, on the file system of the environment; git leaves it out."""
    near = os.path.dirname(environment.path)
    there = root if not os.path.isdir(near) or os.stat(root).st_dev == os.stat(near).st_dev else near
    folder = make_folder(Path(there, STORE))
    if not (folder / ".gitignore").exists():
        write_atomic(folder / ".gitignore", "*\n")
    return str(folder)


def is_ours(environment: Environment) -> bool:
    """Whether we may build it anew and switch: it is not there, or it is a link to one that we built."""
    if environment.kind != "python":
        return False
    target = host.pointed(environment.path)
    return not os.path.lexists(environment.path) if target is None else is_built(target) or not os.path.isdir(target)


# --- environments of ours ---------------------------------------------------------------------------------


def is_built(folder: str) -> bool:
    """Whether we began to build this one."""
    return os.path.isfile(f"{folder}/{LABEL}")


def label(folder: str, name: str, *, whole: bool) -> None:
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


def sweep(root: str, environment: Environment, keep: set[str]) -> list[str]:
    """Remove what we built for this environment earlier; of what stays for the next time, why."""
    folders = [entry.path for entry in listed(store(root, environment)) if entry.is_dir(follow_symlinks=False)]
    old = [each for each in folders if each not in keep and _label(each).get("environment") == environment.name]
    running = users(old)
    return [said for folder in old if (said := _removed(folder, running.get(folder)))]


def _removed(folder: str, pid: int | None) -> str:
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


def hide(root: str, link: str) -> None:
    """Keep a link of ours out of `git status`: `.venv/` in .gitignore names folders, and a link is none."""
    from autosys_tasks.host import git

    path = os.path.relpath(link, root).replace(os.sep, "/")
    env = {"GIT_LITERAL_PATHSPECS": "0"}  # check-ignore refuses to be asked so
    with contextlib.suppress(git.GitError):
        if git.ask(root, "check-ignore", "-q", path, env=env).code != 1:
            return  # left out already, or there is no repository
        exclude = os.fsdecode(git.must(root, "rev-parse", "--path-format=absolute", "--git-path", "info/exclude"))
        prefix = os.fsdecode(git.must(root, "rev-parse", "--show-prefix")).strip("\n")
        before = read_text(exclude.strip("\n")) or ""
        make_folder(Path(exclude).parent)
        write_atomic(exclude.strip("\n"), f"{before.rstrip()}\n/{prefix}{path}\n".lstrip())


def is_there(way: Way) -> bool:
    """Whether what was kept still is."""
    return os.path.isdir(way.path) if way.kind == "link" else os.path.isfile(f"{way.path}/{INDEX}")


# --- copies -----------------------------------------------------------------------------------------------


def save(root: str, environment: Environment) -> Way:
    """Keep the environment as it is. Raises OSError; what was there of an unfinished copy is made anew."""
    folder = f"{store(root, environment)}/before-{environment.name}.new"
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    kind = "moved" if environment.kind == "node" else "copy"
    kept = []
    for number, path in enumerate(_parts(root, environment)):
        there = os.path.lexists(path)
        kept.append([path, there])
        if there and kind == "copy":
            _copy(path, f"{folder}/{number}", hard=environment.kind == "python")
    write_atomic(f"{folder}/{INDEX}", json.dumps(kept), durable=True)
    fault("upgrade.after-save")
    return Way(kind, folder)


def set_aside(way: Way) -> None:
    """Move away what is to be built anew (`moved` alone)."""
    for number, (path, there) in enumerate(_index(way)):
        if there and os.path.lexists(path):
            patiently(lambda path=path, number=number: os.rename(path, f"{way.path}/{number}"), for_s=5.0)  # type: ignore[misc]


def _parts(root: str, environment: Environment) -> list[str]:
    """What an install may change."""
    if environment.kind == "python":
        return [os.path.realpath(environment.path)]
    if environment.kind == "node":
        return [f"{environment.path}/{name}" for name in ("node_modules", *PNP, ".pnp.loader.mjs")]
    found = []
    for name in environment.outputs:
        bases = (environment.path, root)
        paths = [f"{base}/{each}" for base in bases for each in matching(base, name)] if "*" in name else []
        exact = next((f"{base}/{name}" for base in bases if os.path.lexists(f"{base}/{name}")), f"{bases[0]}/{name}")
        found += paths or ([exact.rstrip("/")] if "*" not in name else [])
    return list(dict.fromkeys(found))


def _index(way: Way) -> list[tuple[str, bool]]:
    found = read_json(f"{way.path}/{INDEX}")
    return [(str(path), bool(there)) for path, there in found] if isinstance(found, list) else []


def _copy(source: str, target: str, *, hard: bool) -> None:
    """A file, link or tree under a second name; where the file system has no hard links, and for what its command
    may write into, a copy."""
    if os.path.islink(source):
        os.symlink(os.readlink(source), target, target_is_directory=os.path.isdir(source))
    elif os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
        for entry in os.scandir(source):
            _copy(entry.path, f"{target}/{entry.name}", hard=hard)
    elif hard:
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)
    else:
        shutil.copy2(source, target)


def bring_back(way: Way) -> None:
    """The environment as it was kept; raises OSError when a file of it cannot be put back."""
    for number, (path, there) in enumerate(_index(way)):
        kept = f"{way.path}/{number}"
        if way.kind == "moved":
            if not there or os.path.lexists(kept):  # else it had not been moved yet
                _remove(path)
            if os.path.lexists(kept):
                patiently(lambda kept=kept, path=path: os.rename(kept, path), for_s=5.0)  # type: ignore[misc]
        elif there:
            _put_back(kept, path)
        else:
            _remove(path)


def _put_back(kept: str, path: str) -> None:
    """File by file, so that whatever runs from it goes on: only what is another file now is replaced."""
    if os.path.isdir(kept) and not os.path.islink(kept):
        if not os.path.isdir(path) or os.path.islink(path):
            _remove(path)
            os.makedirs(path)
        names = set(os.listdir(kept))
        for name in set(os.listdir(path)) - names:
            _remove(f"{path}/{name}")
        for name in names:
            _put_back(f"{kept}/{name}", f"{path}/{name}")
    elif not _same(kept, path):
        if os.path.isdir(path) and not os.path.islink(path):
            _remove(path)
        scratch = f"{path}.autosys-tmp"
        _remove(scratch)
        _copy(kept, scratch, hard=True)
        patiently(lambda: os.replace(scratch, path), for_s=5.0)


def _same(one: str, other: str) -> bool:
    try:
        first, second = os.lstat(one), os.lstat(other)
    except OSError:
        return False
    if os.path.islink(one) or os.path.islink(other):
        return os.path.islink(one) and os.path.islink(other) and os.readlink(one) == os.readlink(other)
    same_text = (first.st_size, first.st_mtime_ns) == (second.st_size, second.st_mtime_ns)
    return os.path.samestat(first, second) or same_text


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        patiently(lambda: shutil.rmtree(path), for_s=5.0)
    else:
        with contextlib.suppress(FileNotFoundError):
            patiently(lambda: os.unlink(path))


def keep(way: Way) -> Way:
    """After a success: what was saved takes the place of what was kept before."""
    target = way.path.removesuffix(".new")
    shutil.rmtree(target, ignore_errors=True)
    if os.path.lexists(target):  # somebody holds a file of it: this one stays under its own name
        return way
    os.rename(way.path, target)
    return way._replace(path=target)


def forget(way: Way) -> None:
    """After a failure: the environment is back, what was saved is not needed."""
    if way.kind != "link":
        shutil.rmtree(way.path, ignore_errors=True)


def readable_paths(venv: str) -> None:
    """Write the paths of editable installs in ASCII.

    Python before 3.13 reads .pth files in the system's code page: Hangul in UTF-8 keeps it from starting.
    """
    for path in _path_files(venv):
        try:
            lines = path.read_bytes().decode("utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        if any(not line.isascii() and not line.startswith("import ") for line in lines):
            text = "\n".join(line if line.isascii() else f"import sys; sys.path.append({line!a})" for line in lines)
            scratch = path.with_suffix(".new")  # not in its place: it may be a hard link into a cache
            scratch.write_bytes(f"{text}\n".encode("ascii"))
            scratch.replace(path)


def _path_files(venv: str) -> Iterator[Path]:
    for pattern in ("lib/python*/site-packages/*.pth", "Lib/site-packages/*.pth"):
        yield from Path(venv).glob(pattern)

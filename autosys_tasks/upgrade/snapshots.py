"""Snapshots of an environment before it is changed, and their restore. Three kinds:

link   an environment of ours (own_environments.py): the link is switched back
copy   the person's own, changed in place: every file gets a second name (a hard link; installers replace files, they
       do not write into them), and is put back where another file is now
moved  node_modules, or Yarn's map: moved away, and moved back
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Collection

from autosys_tasks import host
from autosys_tasks.config.model import Environment
from autosys_tasks.core.faults import fault
from autosys_tasks.core.files import read_json, retry_while_held, write_atomic
from autosys_tasks.upgrade import own_environments
from autosys_tasks.upgrade.discover import listed, matching
from autosys_tasks.upgrade.presence import PNP
from autosys_tasks.upgrade.values import Snapshot

INDEX = "index.json"
UNFINISHED = ".new"


def exists(way: Snapshot) -> bool:
    """Whether the snapshot still exists."""
    return os.path.isdir(way.path) if way.kind == "link" else os.path.isfile(f"{way.path}/{INDEX}")


def save(root: str, environment: Environment) -> Snapshot:
    """Make a snapshot of the environment; an unfinished one is replaced. Raises OSError."""
    folder = f"{own_environments.store(root, environment)}/before-{environment.name}{UNFINISHED}"
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
    return Snapshot(kind, folder)


def move_away(way: Snapshot) -> None:
    """Move the files into the snapshot (kind `moved` only)."""
    for number, (path, there) in enumerate(_index(way)):
        if there and os.path.lexists(path):
            retry_while_held(lambda path=path, number=number: os.rename(path, f"{way.path}/{number}"), for_s=5.0)  # type: ignore[misc]


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


def _index(way: Snapshot) -> list[tuple[str, bool]]:
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


def restore(path: str, way: Snapshot) -> None:
    """Restore the environment at `path`; raises OSError when a file cannot be put back."""
    if way.kind != "link":
        _restore_files(way)
    elif way.path:
        host.point_to(path, way.path)
    elif host.pointed(path) is not None:
        host.unpoint(path)


def _restore_files(way: Snapshot) -> None:
    for number, (path, there) in enumerate(_index(way)):
        kept = f"{way.path}/{number}"
        if way.kind == "moved":
            if not there or os.path.lexists(kept):  # else it had not been moved yet
                _remove(path)
            if os.path.lexists(kept):
                retry_while_held(lambda kept=kept, path=path: os.rename(kept, path), for_s=5.0)  # type: ignore[misc]
        elif there:
            _put_back(kept, path)
        else:
            _remove(path)


def _put_back(kept: str, path: str) -> None:
    """Put back file by file, only what has changed: programs that run from it go on."""
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
        retry_while_held(lambda: os.replace(scratch, path), for_s=5.0)


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
        retry_while_held(lambda: shutil.rmtree(path), for_s=5.0)
    else:
        with contextlib.suppress(FileNotFoundError):
            retry_while_held(lambda: os.unlink(path))


def keep_for_rollback(way: Snapshot) -> Snapshot:
    """After success: replace the snapshot kept before by this one."""
    target = way.path.removesuffix(UNFINISHED)
    shutil.rmtree(target, ignore_errors=True)
    try:
        retry_while_held(lambda: os.rename(way.path, target), for_s=5.0)
    except OSError:  # somebody holds a file of the one or the other: this one stays under its own name
        return way
    return way._replace(path=target)


def discard(way: Snapshot) -> None:
    """Remove a snapshot that is no longer needed."""
    if way.kind != "link":
        shutil.rmtree(way.path, ignore_errors=True)


def discard_unknown(store: str, known: Collection[str]) -> None:
    """Remove unfinished snapshots without a record: those with none of these names."""
    for entry in listed(store):
        if entry.name.startswith("before-") and entry.name.endswith(UNFINISHED) and entry.name not in known:
            shutil.rmtree(entry.path, ignore_errors=True)

"""The tree that holds this package: whose it is, as what it is seen, and copies of it."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
import zlib
from typing import Any

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE, ENTRY, FOLDER, ORIGIN = "autosys_tasks", "tasks.py", "last-good", "origin.json"
HERE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # the package that runs
INSTALLED = ("site-packages", "dist-packages")
KEPT = 3  # copies: a guard may still run from an older one


@functools.cache
def source() -> str:
    """The folder with the package that is meant: where this one was copied from, else where it is."""
    root = os.path.dirname(HERE)
    return str(read(os.path.join(root, ORIGIN)).get("root") or root)


@functools.cache
def is_copy() -> bool:
    """Whether this process runs from a copy."""
    return os.path.exists(os.path.join(os.path.dirname(HERE), ORIGIN))


def at_risk(root: str) -> bool:
    """Whether a pull may change the package there."""
    return not set(INSTALLED) & set(root.replace("\\", "/").split("/"))


def seen(root: str) -> str:
    """Every file of the package and tasks.py with time and size, and what is installed beside: one digest for 2 ms."""
    found: list[tuple[object, ...]] = []
    tasks = os.path.join(root, ENTRY)
    folders = [os.path.join(root, PACKAGE)]
    try:
        if os.path.exists(tasks):
            found.append((tasks, os.stat(tasks).st_mtime_ns, os.stat(tasks).st_size))
        while folders:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders += [entry.path] if entry.name != "__pycache__" else []
                    elif entry.name.endswith(".py"):
                        stat = entry.stat()
                        found.append((entry.path, stat.st_mtime_ns, stat.st_size))
        beside = [path for path in sys.path if os.path.basename(path) in INSTALLED and os.path.isdir(path)]
        found += [(path, os.stat(path).st_mtime_ns) for path in sorted(set(beside))]
    except OSError:  # a pull is under way: it is seen when it has ended
        found.append(("in motion", len(found)))
    said = repr(sorted(found, key=str)).encode("utf-8", "surrogatepass")
    return f"{zlib.crc32(said):08x}{zlib.adler32(said):08x}"


def copied(root: str, folder: str) -> str:
    """A copy of the package, in a folder that is named after what is in it."""
    files = dict(_files(root))
    said = repr((root, sorted(files.items()))).encode("utf-8", "surrogatepass")
    copy = os.path.join(folder, f"{zlib.crc32(said):08x}{zlib.adler32(said):08x}")
    if not os.path.isdir(copy):
        scratch = f"{copy}.{os.getpid()}"
        for path, content in {**files, ORIGIN: json.dumps({"root": root}).encode("ascii")}.items():
            os.makedirs(os.path.dirname(os.path.join(scratch, path)), exist_ok=True)
            with open(os.path.join(scratch, path), "wb") as file:
                file.write(content)
        try:
            os.rename(scratch, copy)
        except OSError:
            remove(scratch)
            if not os.path.isdir(copy):  # else somebody was quicker
                raise
    os.utime(copy)
    return copy


def _files(root: str) -> Iterator[tuple[str, bytes]]:
    for base, folders, names in os.walk(os.path.join(root, PACKAGE)):
        folders[:] = [folder for folder in folders if folder != "__pycache__"]
        for name in names:
            with open(os.path.join(base, name), "rb") as file:
                yield os.path.relpath(file.name, root), file.read()


def sweep(folder: str, latest: str) -> None:
    """Remove copies but the last few, and what is left of one that was not finished."""
    with os.scandir(folder) as entries:
        copies = sorted((entry.stat().st_mtime, entry.path) for entry in entries if entry.is_dir())
    for _at, path in copies[:-KEPT]:
        if path != latest:
            remove(path)


def remove(folder: str) -> None:
    """Delete a folder, as far as nobody holds a file of it."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def read(path: str) -> dict[str, Any]:
    """What a small file of ours holds, {} when that cannot be read."""
    try:
        with open(path, encoding="utf-8") as file:
            said = json.load(file)
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def write(path: str, values: dict[str, Any]) -> None:
    """Replace a small file in one step; one that cannot be written is done without."""
    try:
        write_text(path, json.dumps(values))
    except OSError:
        pass


def write_text(path: str, text: str) -> None:
    """Replace a file in one step; raises OSError that names it, and leaves nothing beside it."""
    scratch = f"{path}.{os.getpid()}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        with open(scratch, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.replace(scratch, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(scratch)
        raise OSError(error.errno, error.strerror, path) from error  # a full disk names no file

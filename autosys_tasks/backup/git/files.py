"""Takes the files of a work tree that no commit has: as they lie there, byte for byte, no filter in between."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from autosys_tasks.backup.git.output_text import ABSENT, SUBMODULE, StatusEntry
from autosys_tasks.core.files import retry_while_held
from autosys_tasks.host import git


class Taken(NamedTuple):
    """What was copied, and what could not be: path -> why."""

    files: tuple[str, ...]
    programs: tuple[str, ...]  # of these, what may be executed
    links: dict[str, str]  # path -> where it leads; recorded, not copied
    missing: dict[str, str]


def take(top: Path, paths: Iterable[str], into: Path) -> Taken:
    """Copy these paths of a work tree to the same paths below `into`."""
    files, programs, links, missing = [], [], {}, {}
    for path in sorted(set(paths)):
        try:
            found = os.lstat(top / path)
            if stat.S_ISLNK(found.st_mode):
                links[path] = os.readlink(top / path)
            elif stat.S_ISREG(found.st_mode):
                copy(top / path, into / path)
                files.append(path)
                programs += [path] if found.st_mode & stat.S_IXUSR else []
            else:
                missing[path] = "neither a file nor a link"
        except OSError as error:
            missing[path] = error.strerror or str(error)
    return Taken(tuple(files), tuple(programs), links, missing)


def copy(source: Path, target: Path) -> None:
    """One file's bytes; tried again while somebody holds it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    retry_while_held(lambda: shutil.copyfile(source, target))


def sizes(top: Path, paths: Iterable[str]) -> dict[str, int]:
    """The size of each path that is a file or link; one that has vanished counts as 0 and is named later."""
    found = {}
    for path in paths:
        try:
            found[path] = os.lstat(top / path).st_size
        except OSError:
            found[path] = 0
    return found


def take_staged(top: Path, entries: Iterable[StatusEntry], into: Path, lost: list[str], timeout_s: float) -> list[str]:
    """What is staged, each in a file of its id below `into`; the ids. `lost` takes what is missing."""
    ids = sorted({blob for one in entries for mode, blob, _ in one.staged() if is_staged(one, mode)})
    if not ids:
        return []
    into.mkdir(parents=True, exist_ok=True)
    stream = into.with_name(".staged")
    try:
        given = "".join(f"{one}\n" for one in ids).encode()
        git.must(top, "cat-file", "--batch", given=given, into=stream, timeout_s=timeout_s)
        missing = _split(stream, into)
    finally:
        stream.unlink(missing_ok=True)
    lost += [f"the staged content {blob} is {kind}" for blob, kind in missing.items()]
    return [one for one in ids if one not in missing]


def is_staged(one: StatusEntry, mode: str) -> bool:
    """Whether a side of an entry is content of the index's own."""
    return (one.in_conflict or one.in_index != ".") and mode not in (ABSENT, SUBMODULE)


def _split(stream: Path, into: Path) -> dict[str, str]:
    """`git cat-file --batch`: a line `ID blob SIZE`, the content, a newline; again and again. What is not so, by id."""
    missing = {}
    with stream.open("rb") as source:
        while line := source.readline():
            blob, kind, *size = line.decode("ascii").split()
            if not size:
                missing[blob] = kind
                continue
            left = int(size[0])
            with (into / blob).open("wb") as target:
                while left and (part := source.read(min(left, 1 << 20))):
                    left -= target.write(part)
            source.read(1)
    return missing

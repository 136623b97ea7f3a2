"""A cache of the digests of a workspace's manifests, so that a look reads only files that changed.

A file is read again when its size, times or inode changed, or when it was changed so shortly before it was read that
another change could have the same time.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from autosys_tasks.core.files import make_folder, read_bytes, write_atomic
from autosys_tasks.supervise.state import Place
from autosys_tasks.upgrade.discover import matching
from autosys_tasks.upgrade.mapping import folder_of, join
from autosys_tasks.upgrade.stamps import FILES, VERSION, file_marks, files_of, folder
from autosys_tasks.upgrade.values import ABSENT, ManifestDigest

RACY_S = 2.0  # coarser than the clock of any file system in use


class CachedFile(NamedTuple):
    """A file as it was when it was read."""

    marks: tuple[int, ...]  # size, times, number; () = it was not there
    young: bool  # read so soon after its last change that it must be read again
    digest: str
    includes: tuple[str, ...] = ()  # seen from the workspace


class FileCache:
    """The cached digests of one workspace's files."""

    def __init__(self, place: Place, root: str) -> None:
        self.root = root
        self.place = place
        self.before, self.notes = _kept(place)
        self.files: dict[str, CachedFile] = {}

    def said(self, path: str, *, whole: bool = False) -> ManifestDigest:
        """The digest of one file, and the files that it includes, globs resolved."""
        key = f"{path}\0whole" if whole else path
        if key not in self.files:
            self.files[key] = self._look(path, key, whole)
        return ManifestDigest(self.files[key].digest, self.files[key].includes)

    def _look(self, path: str, key: str, whole: bool) -> CachedFile:
        marks, known = file_marks(os.path.join(self.root, path)), self.before.get(key)
        if known is not None and known.marks == marks and not known.young:
            return known
        try:
            raw = read_bytes(os.path.join(self.root, path)) if marks else None
        except OSError:  # what installs it says why; until then it is none that any upgrade has seen
            return CachedFile(marks, True, "unreadable")
        if raw is None:
            return CachedFile(marks, False, ABSENT)
        from autosys_tasks.upgrade import manifests  # not needed where nothing changed

        said = manifests.digest_of(path, raw, whole=whole)
        young = time.time() - marks[1] / 1e9 < RACY_S
        return CachedFile(marks, young, said.digest, tuple(self._resolved(path, said.includes)))

    def _resolved(self, path: str, includes: Iterable[str]) -> list[str]:
        found: list[str] = []
        for each in includes:
            full = join(folder_of(path), each)
            found += matching(self.root, full) if any(char in full for char in "*?[") else [full]
        return found

    def with_includes(self, paths: Iterable[str], *, whole: bool = False) -> dict[str, str]:
        """The digests of these files and of all that they include."""
        found: dict[str, str] = {}
        todo = list(paths)
        while todo:
            path = todo.pop()
            if path not in found:
                said = self.said(path, whole=whole)
                found[path] = said.digest
                todo += said.includes
        return found

    def watch(self, path: str, kind: str = "watched") -> None:
        """Keep the marks of a file or a folder, for `stamps.has_changed`."""
        self.files[f"{path}\0{kind}"] = CachedFile(file_marks(os.path.join(self.root, path)), False, "")

    def moved(self, kind: str) -> bool:
        """Whether any path of that kind is new, gone or different since the last save."""
        now, before = (
            {key: each.marks for key, each in files.items() if key.endswith(f"\0{kind}")}
            for files in (self.files, self.before)
        )
        return now != before

    def save(self) -> None:
        """Write the cache when it has changed."""
        if (self.files, self.notes) == _kept(self.place):
            return
        make_folder(Path(folder(self.place)))
        files = {
            key: [list(each.marks), each.young, each.digest, list(each.includes)] for key, each in self.files.items()
        }
        text = json.dumps({"v": VERSION, "files": files, "notes": self.notes}, ensure_ascii=True)
        write_atomic(f"{folder(self.place)}/{FILES}", text, mode=0o600)


def _kept(place: Place) -> tuple[dict[str, CachedFile], dict[str, Any]]:
    found = files_of(place)
    try:
        files = {
            key: CachedFile(tuple(marks), young, digest, tuple(includes))
            for key, (marks, young, digest, includes) in found["files"].items()
        }
        return files, dict(found["notes"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}, {}

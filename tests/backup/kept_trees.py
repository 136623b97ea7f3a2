"""Backups of a folder as the product writes them, made straight from a tree; and trees to keep."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from autosys_tasks.backup import manifest
from autosys_tasks.backup.seven_zip.write import Writer
from autosys_tasks.backup.values import DIFFERENTIAL, FILE, FOLDER, FULL, HARDLINK, LINK, MANIFEST, Backup, Entry
from autosys_tasks.core.files import long_path

FIRST, SECOND = "2026-11-28T033000Z", "2026-11-29T033000Z"
DATA_ALONE = """
[workspace]
name = "desk"
[backup.git]
enabled = false
[backup.sets.all]
include = ["data/"]
"""


class Thing(NamedTuple):
    """What lies at a path: enough to tell whether a restore is exact."""

    kind: str
    data: bytes
    mode: int
    mtime_ns: int


def keep(
    folder: Path, tree: Path, *, at: str = FIRST, base: Backup | None = None, passphrase: str = "", git: str = "",
    more: Mapping[str, bytes] | None = None, flags: Mapping[str, tuple[str, ...]] | None = None,
) -> Backup:  # fmt: skip
    """A backup of all in `tree`; with `base` (its full) a differential. `more`: further members."""
    folder.mkdir(parents=True, exist_ok=True)
    tree = long(tree)
    before = {entry.path: entry for entry, _ in manifest.state(folder, base, passphrase)} if base else {}
    kind = DIFFERENTIAL if base else FULL
    head = Backup(at, kind, 1.0, encrypted=bool(passphrase), files=1, bytes=1, git=git)
    head = head._replace(base=base.id, base_sha256=base.archive_sha256) if base else head
    archive, entries, gone = folder / f"{head.stem}.7z", [], set(before)
    with Writer(archive, passphrase=passphrase, threads=1) as writer:
        for path, entry in sorted(found(tree).items()):
            gone.discard(path)
            if _unchanged(before.get(path), entry, tree):
                continue
            entries.append(_packed(writer, entry, tree)._replace(flags=(flags or {}).get(path, ())))
        for path, data in (more or {}).items():
            entries.append(_bytes(writer, path, data))
        inner = folder / "inner"
        entries.sort(key=lambda entry: entry.path)
        manifest.write(inner, head, entries, sorted(gone), head._replace(verified=True))
        with inner.open("rb") as file:
            writer.add_file(MANIFEST, file, 0, 0o600)
        inner.unlink()
        size, sha256 = writer.finish()
    made = head._replace(archive_bytes=size, archive_sha256=sha256, verified=True)
    manifest.write(folder / f"{head.stem}.manifest.json", head, entries, sorted(gone), made)
    return made


def _unchanged(old: Entry | None, new: Entry, tree: Path) -> bool:
    if old is None or (old.kind, old.mtime_ns, old.mode, old.link) != (new.kind, new.mtime_ns, new.mode, new.link):
        return False
    return new.kind != FILE or hashlib.sha256((tree / new.path).read_bytes()).hexdigest() == old.sha256


def _bytes(writer: Writer, path: str, data: bytes) -> Entry:
    import io

    size, sha256 = writer.add_file(path, io.BytesIO(data), 0, 0o644)
    return Entry(path, FILE, size, 0, 0o644, sha256)


def _packed(writer: Writer, entry: Entry, tree: Path) -> Entry:
    if entry.kind == FOLDER:
        writer.add_folder(entry.path, entry.mtime_ns, entry.mode)
    elif entry.kind == LINK:
        writer.add_link(entry.path, entry.link, entry.mtime_ns, entry.mode)
    elif entry.kind == FILE:
        with open(tree / entry.path, "rb") as file:
            size, sha256 = writer.add_file(entry.path, file, entry.mtime_ns, entry.mode)
        return entry._replace(size=size, sha256=sha256)
    return entry._replace(size=0)


def found(tree: Path) -> dict[str, Entry]:
    """Every path below a folder as an entry without its hash; later names of one file are hard links."""
    rows, first, tree = {}, {}, long(tree)
    for path in sorted(tree.rglob("*"), key=lambda one: one.relative_to(tree).as_posix()):
        name, status = path.relative_to(tree).as_posix(), os.lstat(path)
        kind = LINK if path.is_symlink() else FOLDER if path.is_dir() else FILE
        link = os.readlink(path).replace(os.sep, "/") if kind == LINK else ""
        if kind == FILE and status.st_nlink > 1:
            link = first.setdefault((status.st_dev, status.st_ino), name)
            kind, link = (FILE, "") if link == name else (HARDLINK, link)
        size = status.st_size if kind == FILE else 0
        mode = stat.S_IMODE(status.st_mode) & (0o700 if os.name == "nt" else 0o7777)  # Windows knows the owner's alone
        rows[name] = Entry(name, kind, size, status.st_mtime_ns, mode, link=link)
    return rows


def things(tree: Path) -> dict[str, Thing]:
    """What lies below a folder, byte for byte, with modes and times."""
    rows, tree = {}, long(tree)
    for name, entry in found(tree).items():
        data = os.fsencode(entry.link) if entry.kind == LINK else b""
        data = (tree / name).read_bytes() if entry.kind in (FILE, HARDLINK) else data
        kind = FILE if entry.kind == HARDLINK else entry.kind
        mode, time = (0, 0) if kind == LINK else (entry.mode, entry.mtime_ns)
        rows[name] = Thing(kind, data, mode, time // 100)  # an archive's time has 100 ns
    return rows


def long(path: Path) -> Path:
    """The same path for a Windows that takes no long ones."""
    return Path(long_path(os.path.abspath(path)))


def write(path: Path, data: bytes, *, mode: int = 0o644, mtime: int = 1_700_000_000) -> Path:
    """A file with these bytes, this mode and time."""
    path = long(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)
    os.utime(path, (mtime, mtime))
    return path

"""Proves that a backup restores: the newest one into a temporary folder, where every hash is compared.

What came of it is in the state folder, `backup/drill.json`, for the health page. The workspace is not touched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from autosys_tasks.backup import store
from autosys_tasks.backup.drill_result import Drill, reasons, save
from autosys_tasks.backup.git.bundle import read_head
from autosys_tasks.backup.git.capture import BUNDLE
from autosys_tasks.backup.git.record import read_state
from autosys_tasks.backup.progress import Progress, Say, TellBytes
from autosys_tasks.backup.read import sha256_of
from autosys_tasks.backup.restore import run as restore
from autosys_tasks.backup.restore.look import target_path
from autosys_tasks.backup.restore.plan import LINK_TO, REPLACE, WRITE, Item
from autosys_tasks.backup.scratch import own_folder, remove_tree
from autosys_tasks.backup.values import DECLARE, FILE, GIT, SQLITE, Entry
from autosys_tasks.core.clock import counted, size, utc_text
from autosys_tasks.core.errors import AutosysError, NotSo
from autosys_tasks.core.files import make_folder
from autosys_tasks.core.garbage import gc_disabled
from autosys_tasks.host import git

UNPACK_S = 600.0
RESERVE = 1.05  # of what it takes must be free


def drill(
    folder: Path, state: Path, workspace: Path, owner: str = "", *, passphrase: str = "",
    say: Say = lambda line: None,
) -> Drill:  # fmt: skip
    """Restore this owner's newest verified backup below `state`, compare, remove, and save the result."""
    found = Drill(utc_text(), "", 0, ())
    with own_folder(state, "drill") as scratch, gc_disabled():
        try:
            backup = store.newest_in(folder, owner)
            found = found._replace(id=backup.id)
            order = restore.Order(folder, backup, (), scratch / "all", passphrase=passphrase, own=True)
            files, why = _drilled(order, workspace, say)
            found = found._replace(files=files, why=tuple(why))
        except AutosysError as error:
            found = found._replace(why=(f"{error.message} ({error.hint})" if error.hint else error.message,))
    save(state, found)
    return found


def _drilled(order: restore.Order, workspace: Path, say: Say) -> tuple[int, list[str]]:
    """How many files were compared, and what is wrong."""
    seen = restore.planned(order, say)
    files = [item for item in seen.items if item.kind in (WRITE, REPLACE)]
    amount, free = sum(item.wanted.entry.size for item in files), shutil.disk_usage(order.to.parent).free
    needed = amount if free > amount * RESERVE else sum(_room(item.wanted.entry, workspace) for item in files)
    if free < needed * RESERVE:
        raise NotSo(f"{size(needed)} are needed in `{order.to.parent}` for a drill, {size(free)} are free")
    report = restore.carry_out(order, seen, say)
    bad = {str(one.step.detail["path"]): one.detail for one in report.failed if one.step.kind != LINK_TO}
    why = [f"{path}: {detail}" for path, detail in bad.items()]
    progress, count = Progress("comparing", amount, say), 0
    for item in files:
        if item.wanted.entry.path not in bad:
            count += item.wanted.entry.kind == FILE  # as every command counts: a hard link is a name, and no file
            why += _differing(order.to, item, progress.add)
    return count, [*why, *_broken_bundles(order.to / GIT, workspace, order.to.parent / "bundle")]


def _room(entry: Entry, workspace: Path) -> int:
    """Bytes that a file takes: no more than in the workspace, where it lies there as it was, for holes stay holes."""
    try:
        now = os.stat(workspace / entry.path, follow_symlinks=False)
    except (OSError, ValueError):
        return entry.size
    is_as_it_was = (now.st_size, now.st_mtime_ns) == (entry.size, entry.mtime_ns)
    return min(entry.size, getattr(now, "st_blocks", entry.size) * 512) if is_as_it_was else entry.size


def _differing(to: Path, item: Item, tell_bytes: TellBytes) -> Iterator[str]:
    """What is wrong with a file that was restored, as it lies there now."""
    path, entry = target_path(to, item.wanted.target), item.wanted.entry
    try:
        if sha256_of(path, tell_bytes) != entry.sha256:
            yield f"{entry.path}: its bytes are not the same any more, once restored"
        elif SQLITE in entry.flags and (said := _integrity(path, to.parent / "database")) != "ok":
            yield f"{entry.path}: the database is not whole: {said}"
    except OSError as error:
        yield f"{entry.path}: cannot be read, once restored: {error.strerror or error}"


def _integrity(path: str, short: Path) -> str:
    """What SQLite says of a database; it takes no path of any length, and gets a copy with a short one."""
    import sqlite3

    shutil.copyfile(path, short)
    uri = f"{short.as_uri()}?mode=ro&immutable=1"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as database:
            return str(database.execute("PRAGMA integrity_check").fetchone()[0])
    except sqlite3.DatabaseError as error:
        return str(error)


def _broken_bundles(folder: Path, repository: Path, scratch: Path) -> Iterator[str]:
    """What git says of the bundles: each is unpacked upon the repository that it came from, where that is here."""
    if not folder.is_dir():
        return
    try:
        state = read_state(folder)
        if (folder / BUNDLE).exists():
            _unpack(folder / BUNDLE, repository, scratch, state["object_format"])
    except AutosysError as error:
        yield f"{GIT}: {error.message}"
        return
    for module in state["modules"]:
        if module["folder"]:
            yield from _broken_bundles(folder / module["folder"], repository / module["path"], scratch)


def _unpack(bundle: Path, repository: Path, scratch: Path, object_format: str) -> None:
    """Unpack a bundle into a scratch repository that borrows what the bundle stands on; raises GitError."""
    needs = read_head(bundle).needs
    origin = git.find(repository) if repository.is_dir() else None
    if needs and origin is None:
        return  # it stands on commits of a remote, and there is nothing here to hold it against
    try:
        form = f"--object-format={object_format}"
        git.must(scratch.parent, "init", "--quiet", "--bare", "--template=", form, str(scratch))
        if origin is not None:
            objects = f"{Path(origin.common_dir, 'objects').as_posix()}\n".encode("utf-8", "surrogateescape")
            (make_folder(scratch / "objects" / "info") / "alternates").write_bytes(objects)
        for number, commit in enumerate(needs):
            if git.ask(scratch, "--git-dir=.", "update-ref", f"refs/autosys/{number}", commit).code:
                raise git.GitError(f"its bundle stands on commit {commit}, which the repository here lacks")
        git.must(scratch, "--git-dir=.", "bundle", "verify", "--quiet", str(bundle))
        git.must(scratch, "--git-dir=.", "bundle", "unbundle", str(bundle), timeout_s=UNPACK_S)
    finally:
        remove_tree(scratch)


def verdict(found: Drill) -> str:
    """How it ended in one line."""
    if found.ok and not found.files:
        return f"WARN: {found.id} holds no file, and a drill of it is no evidence: {DECLARE}"
    if found.ok:
        return f"OK: {found.id} restores: {counted(found.files, 'file')}, every hash the same"
    return f"NG: {found.id or 'no backup'} does not restore: {reasons(found)}"

"""Packs what was collected into one archive and reads all of it back, under a temporary name.

What of it cannot be read is named, and the rest is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from autosys_tasks.backup import manifest, plan, tail, verify
from autosys_tasks.backup.batch import Batch, batches
from autosys_tasks.backup.errors import Damaged
from autosys_tasks.backup.progress import Progress
from autosys_tasks.backup.read import SMALL, read_small, read_steadily
from autosys_tasks.backup.readme_text import readme
from autosys_tasks.backup.retry import RetryBudget
from autosys_tasks.backup.secrets_text import with_secret
from autosys_tasks.backup.seven_zip.write import Writer, codec_of
from autosys_tasks.backup.spool import Spool
from autosys_tasks.backup.values import (
    FILE,
    FOLDER,
    HARDLINK,
    LINK,
    MANIFEST,
    OWN,
    SECRET,
    SQLITE,
    Backup,
    Entry,
    Failed,
    Found,
    as_entry,
)
from autosys_tasks.backup.walk import reason
from autosys_tasks.core.files import is_full

README = f"{OWN}/README.txt"
BULK = 64_000_000  # bytes to read from which on speed counts more than size
Say = Callable[[str], object]


class Load(NamedTuple):
    """What goes into one archive, and what its manifest says beside that."""

    head: Backup
    found: tuple[tuple[Found, Entry | None], ...]  # each with what the base has under its path
    deleted: tuple[str, ...] = ()  # paths of the base that are gone
    files: int = 0  # of the base, that stay as they are
    bytes: int = 0
    required: frozenset[str] = frozenset()  # the sets of which nothing may be lacking


class Packed(NamedTuple):
    """An archive that was written: what its manifest says, and where its entries are."""

    backup: Backup
    entries: Spool
    secrets: int = 0  # files with something like a key in their text, beside those whose names tell


def pack(load: Load, part: Path, spool: Spool, secret: str, say: Say) -> Packed:
    """Write the archive. Raises StateError when it cannot be written; what cannot be read is in `failed`.

    `spool` takes the entries.
    """
    bulk = sum(each.size for each, _before in load.found) >= BULK
    with batches(load.found, codec_of(bulk), load.required) as read:  # first: copies of this process have no threads
        progress = Progress("writing", plan.to_store(load.found), say)
        with Writer(part, passphrase=secret, bulk=bulk, tell=progress.add) as writer, tail.Ahead(load.found) as ahead:
            packing = _Packing(load, writer, ahead, spool)
            for batch in read:
                packing.take(batch)
            backup = packing.described(secret)
            archive_bytes, archive_sha256 = writer.finish()
    backup = backup._replace(archive_bytes=archive_bytes, archive_sha256=archive_sha256)
    return Packed(backup, spool, packing.secrets)


class _Packing:
    """What was packed so far of a load, and what could not be."""

    def __init__(self, load: Load, writer: Writer, ahead: tail.Ahead, spool: Spool) -> None:
        self._load, self._writer, self._ahead, self._spool = load, writer, ahead, spool
        self._at = 0  # of what was found, the first that was not yet seen
        self._retries, self._failed = RetryBudget(), list(load.head.failed)
        self._files, self._size, self.secrets = load.files, load.bytes, 0

    def take(self, batch: Batch) -> None:
        """What was read together, and in its place by path what was left."""
        self.secrets += batch.secrets
        for chunk in batch.chunks:
            self._writer.together(chunk)
        for run in batch.runs:
            if run.lines:
                self._spool.add_lines(run.lines, run.first, run.last, run.size)
            self._failed += (Failed(*one) for one in run.failed)
            self._files, self._size = self._files + run.done - len(run.failed), self._size + run.size
            left = self._at + run.done
            self._at = left + run.left
            for each, before in self._load.found[left : self._at]:
                self._one(each, before)

    def _one(self, each: Found, before: Entry | None) -> None:
        try:
            entry = before if before and _is_as_before(each, before, self._retries) else None
            if each.kind == HARDLINK and any(one.path == each.link for one in self._failed):
                raise OSError("the file that it shares its content with could not be read")
            if entry is None:
                entry = _stored(self._writer, each, before, self._ahead, self._retries)
                self._spool.add(entry)
                self.secrets += entry.flags != each.flags
        except OSError as error:
            if is_full(error):
                raise
            self._failed.append(Failed(each.path, reason(error), not self._load.required.isdisjoint(each.sets)))
            entry = before  # the last known one stays
        if entry and entry.kind == FILE:
            self._files, self._size = self._files + 1, self._size + entry.size

    def described(self, secret: str) -> Backup:
        """What is known of the backup now; the archive says so of itself, for whoever finds it."""
        head, load = self._load.head, self._load
        backup = head._replace(files=self._files, bytes=self._size, failed=tuple(self._failed), verified=True)
        backup = backup._replace(local_only=backup.local_only or (bool(self.secrets) and not secret))
        at = round(backup.created * 1e9)
        self._writer.small(README, readme(), at, 0o644)
        self._writer.file(MANIFEST, manifest.stream(backup, self._spool, load.deleted, backup), at, 0o600)
        return backup


def _is_as_before(found: Found, before: Entry, retries: RetryBudget) -> bool:
    """Whether its bytes are those of the base, and so is all else of it that matters; raises OSError.

    A staged copy is made anew each time: its own times tell nothing.
    """
    if (found.kind, before.kind, found.size) != (FILE, FILE, before.size):
        return False
    staged = SQLITE in found.flags or found.path.startswith(f"{OWN}/")
    if not staged and (found.mtime_ns, found.mode) != (before.mtime_ns, before.mode):
        return False
    if not staged and {*found.flags, SECRET} != {*before.flags, SECRET}:  # its text told that it is one, perhaps
        return False
    return read_steadily(found, _sha256_of, retries) == before.sha256


def _sha256_of(source: BinaryIO) -> str:
    digest = hashlib.sha256()
    while data := source.read(1 << 20):
        digest.update(data)
    return digest.hexdigest()


def _stored(
    writer: Writer, found: Found, before: Entry | None, ahead: tail.Ahead, retries: RetryBudget
) -> Entry:
    """One thing in the archive, or what is new at its end, and its line of the manifest."""
    if found.kind == FILE:
        before = before if before and plan.is_longer(found, before) else None
        only_grew = before and found.size > SMALL and tail.stored(writer, found, before, ahead, retries)
        return only_grew or _file(writer, found, before, retries)
    if found.kind == FOLDER:
        writer.folder(found.path, found.mtime_ns, found.mode)
    elif found.kind == LINK:
        writer.link(found.path, found.link, found.mtime_ns, found.mode)
    return as_entry(found)


def _file(writer: Writer, found: Found, before: Entry | None, retries: RetryBudget) -> Entry:
    """The file as a whole; of a small one its tail is enough when it is `before` and more behind it."""
    path, time, mode = found.path, found.mtime_ns, found.mode
    if (data := read_small(found, SMALL, retries)) is not None:
        if before and (only_grew := tail.of_small(writer, found, before, data)):
            return only_grew
        sha256, flags = writer.small(path, data, time, mode), with_secret(found.flags, data)
        return Entry(path, FILE, len(data), time, mode, sha256, "", "", flags, found.stamp)
    size, sha256 = read_steadily(found, lambda source: writer.file(path, source, time, mode), retries)
    return as_entry(found)._replace(size=size, sha256=sha256)


def check(packed: Packed, part: Path, secret: str, say: Say) -> None:
    """Read back every byte of the archive; raises Damaged when one of them is not what was read from its source."""
    progress = Progress("reading back", packed.entries.bytes, say)
    _files, damaged = verify.check(part, packed.entries.read(), secret, progress.add, proving=True)
    if damaged:
        raise Damaged(f"`{damaged[0].path}` does not read back as it was written: {damaged[0].why}", where=part.name)

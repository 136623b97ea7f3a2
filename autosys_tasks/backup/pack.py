"""Packs collected files into one archive, under a temporary name, and reads it back.

A file that cannot be read is listed as failed; the others are packed all the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from autosys_tasks import host
from autosys_tasks.backup import manifest, plan, tail, verify
from autosys_tasks.backup.batch import Batch, batches
from autosys_tasks.backup.errors import Damaged
from autosys_tasks.backup.progress import Progress, Say
from autosys_tasks.backup.read import SMALL, read_small, read_steadily, sha256_of_stream
from autosys_tasks.backup.readme_text import readme
from autosys_tasks.backup.retry import RetryBudget
from autosys_tasks.backup.secrets_text import with_secret
from autosys_tasks.backup.seven_zip.write import Writer, default_codec
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
BULK = 64_000_000  # bytes; from here on quick DEFLATE is used instead of LZMA2


class Content(NamedTuple):
    """What goes into one archive, and what its manifest says about the rest."""

    head: Backup
    found: tuple[tuple[Found, Entry | None], ...]  # each with the base's entry of that path
    deleted: tuple[str, ...] = ()  # paths of the base that are gone
    files: int = 0  # unchanged files, whose bytes the base has
    bytes: int = 0
    required: frozenset[str] = frozenset()  # names of sets with `required = true`


class Packed(NamedTuple):
    """An archive that was written, and its entries."""

    backup: Backup
    entries: Spool
    secrets: int = 0  # files found to be secret by their text (others were flagged by name before)


def pack(load: Content, part: Path, spool: Spool, secret: str, say: Say) -> Packed:
    """Write the archive `part`, and its entries to `spool`. Raises StateError when it cannot be written.

    Files that cannot be read are in `failed` of the backup.
    """
    host.keep_freed_memory()
    bulk = sum(each.size for each, _before in load.found) >= BULK
    with batches(load.found, default_codec(bulk), load.required) as read:  # first: no thread may run when it forks
        progress = Progress("writing", plan.bytes_to_store(load.found), say)
        with (
            Writer(part, passphrase=secret, bulk=bulk, tell_bytes=progress.add) as writer,
            tail.TailPrefetcher(load.found) as ahead,
        ):
            packing = _Packer(load, writer, ahead, spool)
            for batch in read:
                packing.take(batch)
            backup = packing.add_manifest(secret)
            archive_bytes, archive_sha256 = writer.finish()
    backup = backup._replace(archive_bytes=archive_bytes, archive_sha256=archive_sha256)
    return Packed(backup, spool, packing.secrets)


class _Packer:
    """Packs one archive: keeps the position in `load.found`, and the totals so far."""

    def __init__(self, load: Content, writer: Writer, ahead: tail.TailPrefetcher, spool: Spool) -> None:
        self._load, self._writer, self._ahead, self._spool = load, writer, ahead, spool
        self._at = 0  # index in `load.found` of the next thing
        self._retries, self._failed = RetryBudget(), list(load.head.failed)
        self._files, self._size, self.secrets = load.files, load.bytes, 0

    def take(self, batch: Batch) -> None:
        """Pack a batch of small files; then, one by one in order of path, the things that the batch left."""
        self.secrets += batch.secrets
        for chunk in batch.chunks:
            self._writer.add_chunk(chunk)
        for run in batch.runs:
            if run.lines:
                self._spool.add_lines(run.lines, run.first, run.last, run.size)
            self._failed += (Failed(*one) for one in run.failed)
            self._files, self._size = self._files + run.done - len(run.failed), self._size + run.size
            left = self._at + run.done
            self._at = left + run.left
            for each, before in self._load.found[left : self._at]:
                self._pack_one(each, before)

    def _pack_one(self, each: Found, before: Entry | None) -> None:
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
            entry = before  # a failed file counts with its base's bytes
        if entry and entry.kind == FILE:
            self._files, self._size = self._files + 1, self._size + entry.size

    def add_manifest(self, secret: str) -> Backup:
        """Add the README and the manifest to the archive; returns the backup as its manifest describes it."""
        head, load = self._load.head, self._load
        backup = head._replace(files=self._files, bytes=self._size, failed=tuple(self._failed), verified=True)
        backup = backup._replace(local_only=backup.local_only or (bool(self.secrets) and not secret))
        at = round(backup.created * 1e9)
        self._writer.add_bytes(README, readme(), at, 0o644)
        self._writer.add_file(MANIFEST, manifest.stream(backup, self._spool, load.deleted, backup), at, 0o600)
        return backup


def _is_as_before(found: Found, before: Entry, retries: RetryBudget) -> bool:
    """Whether a file is the same as in the base: its metadata, then its hash; raises OSError.

    Times of staged copies (databases, git) are ignored: they are made anew each night.
    """
    if (found.kind, before.kind, found.size) != (FILE, FILE, before.size):
        return False
    staged = SQLITE in found.flags or found.path.startswith(f"{OWN}/")
    if not staged and (found.mtime_ns, found.mode) != (before.mtime_ns, before.mode):
        return False
    if not staged and {*found.flags, SECRET} != {*before.flags, SECRET}:  # SECRET may come from its text
        return False
    return read_steadily(found, sha256_of_stream, retries) == before.sha256


def _stored(
    writer: Writer, found: Found, before: Entry | None, ahead: tail.TailPrefetcher, retries: RetryBudget
) -> Entry:
    """Pack one thing, or only the tail of a file that grew; returns its entry."""
    if found.kind == FILE:
        before = before if before and plan.may_have_grown(found, before) else None
        only_grew = before and found.size > SMALL and tail.pack_tail(writer, found, before, ahead, retries)
        return only_grew or _file(writer, found, before, retries)
    if found.kind == FOLDER:
        writer.add_folder(found.path, found.mtime_ns, found.mode)
    elif found.kind == LINK:
        writer.add_link(found.path, found.link, found.mtime_ns, found.mode)
    return as_entry(found)


def _file(writer: Writer, found: Found, before: Entry | None, retries: RetryBudget) -> Entry:
    """Pack a file; of a small one only the tail, when it begins with the bytes of `before`. Returns its entry."""
    path, time, mode = found.path, found.mtime_ns, found.mode
    if (data := read_small(found, SMALL, retries)) is not None:
        if before and (only_grew := tail.pack_tail_of_small(writer, found, before, data)):
            return only_grew
        sha256, flags = writer.add_bytes(path, data, time, mode), with_secret(found.flags, data)
        return Entry(path, FILE, len(data), time, mode, sha256, "", "", flags, found.stamp)
    size, sha256 = read_steadily(found, lambda source: writer.add_file(path, source, time, mode), retries)
    return as_entry(found)._replace(size=size, sha256=sha256)


def check(packed: Packed, part: Path, secret: str, say: Say) -> None:
    """Read back every byte of the archive; raises Damaged when one of them is not what was read from its source."""
    progress = Progress("reading back", packed.entries.bytes, say)
    _files, damaged = verify.check(part, packed.entries.read(), secret, progress.add, independent=True)
    if damaged:
        raise Damaged(f"`{damaged[0].path}` does not read back as it was written: {damaged[0].why}", where=part.name)

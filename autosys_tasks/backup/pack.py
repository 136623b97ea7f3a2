"""Packs what was collected into one archive and reads all of it back, under a temporary name.

What of it cannot be read is named, and the rest is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from autosys_tasks.backup import manifest, plan, tail, verify
from autosys_tasks.backup.damaged import Damaged
from autosys_tasks.backup.patience import Patience
from autosys_tasks.backup.progress import Progress
from autosys_tasks.backup.read import SMALL, read_small, read_steadily
from autosys_tasks.backup.readme_text import readme
from autosys_tasks.backup.secret_files import with_secret
from autosys_tasks.backup.seven_zip_write import Writer
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
    total = plan.to_store(load.found)
    progress, failed = Progress("writing", total, say), list(load.head.failed)
    files, size, secrets = load.files, load.bytes, 0
    patience = Patience()
    bulk = sum(each.size for each, _before in load.found) >= BULK
    with (
        Writer(part, passphrase=secret, bulk=bulk, tell=progress.add) as writer,
        tail.Ahead(load.found) as ahead,
    ):
        for each, before in load.found:
            try:
                entry = before if before and _is_as_before(each, before, patience) else None
                if each.kind == HARDLINK and any(one.path == each.link for one in failed):
                    raise OSError("the file that it shares its content with could not be read")
                if entry is None:
                    entry = _stored(writer, each, before, ahead, patience)
                    spool.add(entry)
                    secrets += entry.flags != each.flags
            except OSError as error:
                if is_full(error):
                    raise
                failed.append(Failed(each.path, reason(error), not load.required.isdisjoint(each.sets)))
                entry = before  # the last known one stays
            if entry and entry.kind == FILE:
                files, size = files + 1, size + entry.size
        backup = load.head._replace(files=files, bytes=size, failed=tuple(failed), verified=True)
        backup = backup._replace(local_only=backup.local_only or (bool(secrets) and not secret))
        _describe(writer, load, backup, spool)
        archive_bytes, archive_sha256 = writer.finish()
    return Packed(backup._replace(archive_bytes=archive_bytes, archive_sha256=archive_sha256), spool, secrets)


def _is_as_before(found: Found, before: Entry, patience: Patience) -> bool:
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
    return read_steadily(found, _sha256_of, patience) == before.sha256


def _sha256_of(source: BinaryIO) -> str:
    digest = hashlib.sha256()
    while data := source.read(1 << 20):
        digest.update(data)
    return digest.hexdigest()


def _describe(writer: Writer, load: Load, backup: Backup, spool: Spool) -> None:
    """What an archive says of itself: a word for whoever finds it, and its manifest."""
    at = round(backup.created * 1e9)
    writer.small(README, readme(), at, 0o644)
    writer.file(MANIFEST, manifest.stream(backup, spool, load.deleted, backup), at, 0o600)


def _stored(
    writer: Writer, found: Found, before: Entry | None, ahead: tail.Ahead, patience: Patience
) -> Entry:
    """One thing in the archive, or what is new at its end, and its line of the manifest."""
    if found.kind == FILE:
        before = before if before and plan.is_longer(found, before) else None
        only_grew = before and found.size > SMALL and tail.stored(writer, found, before, ahead, patience)
        return only_grew or _file(writer, found, before, patience)
    if found.kind == FOLDER:
        writer.folder(found.path, found.mtime_ns, found.mode)
    elif found.kind == LINK:
        writer.link(found.path, found.link, found.mtime_ns, found.mode)
    return as_entry(found)


def _file(writer: Writer, found: Found, before: Entry | None, patience: Patience) -> Entry:
    """The file as a whole; of a small one its tail is enough when it is `before` and more behind it."""
    path, time, mode = found.path, found.mtime_ns, found.mode
    if (data := read_small(found, SMALL, patience)) is not None:
        if before and (only_grew := tail.of_small(writer, found, before, data)):
            return only_grew
        sha256, flags = writer.small(path, data, time, mode), with_secret(found.flags, data)
        return Entry(path, FILE, len(data), time, mode, sha256, "", "", flags, found.stamp)
    size, sha256 = read_steadily(found, lambda source: writer.file(path, source, time, mode), patience)
    return as_entry(found)._replace(size=size, sha256=sha256)


def check(packed: Packed, part: Path, secret: str, say: Say) -> None:
    """Read back every byte of the archive; raises Damaged when one of them is not what was read from its source."""
    progress = Progress("reading back", packed.entries.bytes, say)
    _files, damaged = verify.check(part, packed.entries.read(), secret, progress.add, proving=True)
    if damaged:
        raise Damaged(f"`{damaged[0].path}` does not read back as it was written: {damaged[0].why}", where=part.name)

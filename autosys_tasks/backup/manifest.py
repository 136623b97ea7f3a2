"""Reads and writes a backup's manifest line by line: a million entries need little memory.

The manifest beside an encrypted archive has no entries: they are read from the one within the archive.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, pairwise
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from autosys_tasks.backup.errors import Damaged, NeedsPassphrase
from autosys_tasks.backup.manifest_text import (
    DELETED_LINE,
    DIGEST_BEGIN,
    FOOT_BEGIN,
    LONGEST,
    backup_of,
    comma_separated,
    digest_line,
    entries_of,
    lines,
    parse_foot,
    parse_head,
    paths_of,
    rows_of,
    split,
    whole_lines,
)
from autosys_tasks.backup.spool import Spool
from autosys_tasks.backup.values import ARCHIVE_END, FULL, MANIFEST, MANIFEST_END, Backup, Entry
from autosys_tasks.core.files import cannot_write, retry_while_held

T = TypeVar("T")
Entries = Iterable[Entry] | Spool  # in order of path
EARLIER = "an earlier backup may be whole: inv backup.list"
PIECE = 1 << 16  # bytes read at once; fits a CPU's cache


def write(path: Path, head: Backup, entries: Entries, deleted: Iterable[str], foot: Backup) -> None:
    """Write a manifest to `path`, readable for this user alone. Entries and `deleted` come in order of path.

    With the archive's hash in `foot` it is the manifest beside the archive (without names, if that is encrypted), else
    the one within. Raises StateError when it cannot be written, ValueError when something is out of order.
    """
    try:
        with open(path, "wb", opener=_private) as file:
            file.writelines(_with_digest(head, entries, deleted, foot))
    except OSError as error:
        raise cannot_write(path, error) from error


def stream(head: Backup, entries: Entries, deleted: Iterable[str], foot: Backup) -> BinaryIO:
    """The same manifest as a stream (`read` alone)."""
    return cast(BinaryIO, _Stream(_with_digest(head, entries, deleted, foot)))


class _Stream:
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._ready = pieces, bytearray()

    def read(self, most: int) -> bytes:
        while len(self._ready) < most and (piece := next(self._pieces, b"")):
            self._ready += piece
        data = bytes(self._ready[:most])
        del self._ready[:most]
        return data


def _with_digest(head: Backup, entries: Entries, deleted: Iterable[str], foot: Backup) -> Iterator[bytes]:
    digest = hashlib.sha256()
    rows = entries.pieces() if isinstance(entries, Spool) else comma_separated(rows_of(entries))
    for piece in lines(head, rows, deleted, foot):
        digest.update(piece)
        yield piece
    yield digest_line(digest.hexdigest())


def read_backup(path: Path) -> Backup:
    """The backup that a manifest describes, by its first and last line; raises Damaged."""
    with _as_damaged(path), _open(path) as file:
        backup = backup_of(parse_head(file.readline(LONGEST)), parse_foot(_last_line(file)))
        if not path.name.startswith(f"{backup.stem}."):
            raise Damaged(f"it is the manifest of `{backup.stem}`")
    return backup


def with_names(folder: Path, backup: Backup, passphrase: str) -> Backup:
    """The same backup, with the names of what is not in it that an encrypted one hides; raises Damaged."""
    path = folder / backup.manifest
    with _as_damaged(path), contextlib.ExitStack() as stack:
        texts = whole_lines(_pieces(path, passphrase, stack))
        first = last = next(texts, "")
        for last in texts:  # noqa: B007 - at last it is the foot: it comes alone
            pass
        within = backup_of(parse_head(f"{first.partition(chr(10))[0]}\n".encode()), parse_foot(last.encode()))
    return backup._replace(failed=within.failed, skipped=within.skipped)


def read_entries(path: Path, passphrase: str = "") -> Iterator[Entry]:
    """Every entry, in order of path; the manifest's own hash is checked at the end. Raises Damaged, NeedsPassphrase."""
    return _in_order(path, _values_of_list(path, passphrase, entries_of, deleted=False), attrgetter("path"))


def read_lines(path: Path, passphrase: str = "") -> Iterator[str]:
    """The same entries as unparsed lines (see manifest_text); their order is not checked."""
    return chain.from_iterable(_values_of_list(path, passphrase, list, deleted=False))


def read_deleted(path: Path, passphrase: str = "") -> Iterator[str]:
    """The paths of the base that were deleted, in order; raises Damaged, NeedsPassphrase."""
    return _in_order(path, _values_of_list(path, passphrase, paths_of, deleted=True), str)


def state(folder: Path, backup: Backup, passphrase: str = "") -> Iterator[tuple[Entry, Backup]]:
    """The whole state at the time of `backup`: each entry, in order of path, with the backup whose archive holds it.

    Raises Damaged, also when a differential's base is not in `folder` as it was; NeedsPassphrase.
    """
    own = ((entry, backup) for entry in read_entries(folder / backup.manifest, passphrase))
    if backup.kind == FULL:
        return own
    base = base_of(folder, backup)
    before = ((entry, base) for entry in read_entries(folder / base.manifest, passphrase))
    return _merged(before, own, read_deleted(folder / backup.manifest, passphrase))


def base_of(folder: Path, backup: Backup) -> Backup:
    """The full backup that a differential was made against; Damaged when it is gone or another."""
    path = folder / backup._replace(id=backup.base, kind=FULL).manifest
    if not path.exists():
        raise Damaged(f"its base `{backup.base}` is not there", where=backup.stem, hint=EARLIER)
    base = read_backup(path)
    if base.archive_sha256 != backup.base_sha256:
        said = f"its base `{backup.base}` is another archive than when it was made"
        raise Damaged(said, where=backup.stem, hint=EARLIER)
    return base


def _merged(
    base: Iterator[tuple[Entry, Backup]], own: Iterator[tuple[Entry, Backup]], deleted: Iterator[str]
) -> Iterator[tuple[Entry, Backup]]:
    """Merge streams in order of path: entries of the base, unless deleted or replaced by an own one."""
    new, gone = next(own, None), next(deleted, None)
    for old in base:
        path = old[0].path
        while new and new[0].path < path:
            yield new
            new = next(own, None)
        while gone is not None and gone < path:
            gone = next(deleted, None)
        if gone != path and not (new and new[0].path == path):
            yield old
    if new:
        yield new
    yield from own
    for _ in deleted:
        pass  # to its end, where the hash is compared


def _in_order(path: Path, things: Iterator[list[T]], path_of: Callable[[T], str]) -> Iterator[T]:
    last = ""
    for thing in chain.from_iterable(things):
        name = path_of(thing)
        if name <= last:
            raise Damaged(f"`{name}` is out of order in it", where=str(path))
        last = name
        yield thing


def _values_of_list(
    path: Path, passphrase: str, values: Callable[[list[str]], list[T]], *, deleted: bool
) -> Iterator[list[T]]:
    """The values of one of the two lists, entries or `deleted`, a piece at a time. All of the file is hashed."""
    with _as_damaged(path), contextlib.ExitStack() as stack:
        texts = whole_lines(_pieces(path, passphrase, stack))
        first, end, rest = next(texts, "").partition("\n")
        head, foot = f"{first}{end}".encode(), ""
        parse_head(head)
        digest, within = hashlib.sha256(head), not deleted
        for text, foot in pairwise(chain([rest], texts)):  # noqa: B007 - at last it is that: it comes alone
            digest.update(text.encode())
            lines = split(text)
            here = lines if within else []
            if DELETED_LINE in lines:
                turn, within = lines.index(DELETED_LINE), deleted
                here = lines[turn + 1 :] if deleted else lines[:turn]
            if here:
                here[0] = f",{here[0].removeprefix(',')}"  # the first of a list has none
            yield values(here)
        words, _, said = foot.encode().rpartition(DIGEST_BEGIN)
        digest.update(words)
        if not words.startswith(FOOT_BEGIN) or DIGEST_BEGIN + said != digest_line(digest.hexdigest()):
            raise Damaged("it is not what was written: its own hash differs")


def _pieces(path: Path, passphrase: str, stack: contextlib.ExitStack) -> Iterator[bytes]:
    """The manifest in pieces; of an encrypted backup, the one within the archive."""
    file = stack.enter_context(_open(path))
    first = file.readline(LONGEST)
    if not parse_head(first)["encrypted"]:
        file.seek(0)
        return iter(partial(file.read, PIECE), b"")
    from autosys_tasks.backup.seven_zip.read import Archive

    archive = path.with_name(path.name.removesuffix(MANIFEST_END) + ARCHIVE_END)
    return stack.enter_context(Archive(archive, passphrase)).stream(MANIFEST)


def _last_line(file: BinaryIO) -> bytes:
    size, step = file.seek(0, os.SEEK_END), 4096
    while True:
        file.seek(max(0, size - step))
        tail = file.read(step)
        at = tail.rfind(b"\n" + FOOT_BEGIN)
        if at >= 0:
            return tail[at + 1 :]
        if step >= min(size, LONGEST):
            raise Damaged("it ends too early")
        step *= 4


def _open(path: Path) -> BinaryIO:
    return retry_while_held(lambda: open(path, "rb"))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@contextlib.contextmanager
def _as_damaged(path: Path) -> Iterator[None]:
    """Turn every error within into Damaged, except NeedsPassphrase."""
    try:
        yield
    except NeedsPassphrase:
        raise
    except Damaged as error:
        raise Damaged(f"`{path.name}`: {error.message}", where=error.where or str(path), hint=EARLIER) from error
    except OSError as error:
        said = f"`{path.name}` cannot be read: {error.strerror or error}"
        raise Damaged(said, where=str(path), hint=EARLIER) from error
    except Exception as error:
        said = f"`{path.name}` says what it cannot: {type(error).__name__}: {error}"
        raise Damaged(said, where=str(path), hint=EARLIER) from error

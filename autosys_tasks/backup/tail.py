"""Packs only the tail of a file that grew at its end: the bytes after those that the base has.

The file is read once: the hash of its beginning is compared with the base's, then continued through the tail.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, NamedTuple, cast

from autosys_tasks.backup.plan import may_have_grown
from autosys_tasks.backup.read import PART, SMALL, open_steadily, read_steadily
from autosys_tasks.backup.retry import RetryBudget
from autosys_tasks.backup.secrets_text import with_secret
from autosys_tasks.backup.seven_zip.write import Writer
from autosys_tasks.backup.threads import worker_count
from autosys_tasks.backup.values import SECRET, TAILS, Entry, Found, as_entry

SHORT = 4 << 20  # bytes; a tail of up to this size is prefetched into memory
MOST_PREFETCHED = 4  # files


class Tail(NamedTuple):
    """The new end of a file, and the SHA-256 of the whole file."""

    data: bytes
    sha256: str


NOT_GROWN = Tail(b"", "")  # the file does not begin with the base's bytes


class TailPrefetcher:
    """Reads short tails in threads before they are packed; a context manager. After an error the packer reads again."""

    def __init__(self, things: Iterable[tuple[Found, Entry | None]]) -> None:
        self._to_read = (
            (found, before) for found, before in things
            if found.size > SMALL and before and may_have_grown(found, before) and found.size - before.size <= SHORT
        )  # fmt: skip
        self._pool = ThreadPoolExecutor(worker_count(), "tail")
        self._pending: deque[tuple[str, Future[Tail | None]]] = deque()
        self._stopped = False

    def __enter__(self) -> TailPrefetcher:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def take(self, found: Found) -> Tail | None:
        """The tail of a file, NOT_GROWN, or None when it was not prefetched. To be called in the order of the files."""
        self._fill()
        if not self._pending or self._pending[0][0] != found.path:
            return None
        _path, future = self._pending.popleft()
        self._fill()
        return future.result()

    def _fill(self) -> None:
        while len(self._pending) < MOST_PREFETCHED and (next_one := next(self._to_read, None)):
            self._pending.append((next_one[0].path, self._pool.submit(self._read, *next_one)))

    def _read(self, found: Found, before: Entry) -> Tail | None:
        try:
            with open_steadily(found) as source:
                whole = _HashingStream(source)
                for _ in whole.parts(before.size):
                    if self._stopped:
                        return None
                if whole.digest.hexdigest() != before.sha256:
                    return NOT_GROWN
                data = b"".join(whole.parts(SHORT + 1))
                return Tail(data, whole.digest.hexdigest()) if len(data) <= SHORT else None
        except OSError:
            return None


def pack_tail(
    writer: Writer, found: Found, before: Entry, ahead: TailPrefetcher, retries: RetryBudget
) -> Entry | None:
    """Pack the tail of a file; returns its entry, or None when more than its end has changed. Raises OSError."""
    entry = _tail_entry(found, before)
    tail = ahead.take(found)
    if tail is None:
        return read_steadily(found, lambda source: _pack_streamed(writer, entry, before, source), retries)
    if tail == NOT_GROWN:
        return None
    sha256 = writer.add_bytes(entry.member, tail.data, entry.mtime_ns, entry.mode)
    return entry._replace(size=before.size + len(tail.data), sha256=tail.sha256, tail=(before.size, sha256))


def pack_tail_of_small(writer: Writer, found: Found, before: Entry, data: bytes) -> Entry | None:
    """The same for a file in memory, which is searched for secrets as a whole: the tail may hold half of one."""
    digest = hashlib.sha256(data[: before.size])
    if len(data) <= before.size or digest.hexdigest() != before.sha256:
        return None
    entry, end = _tail_entry(found, before), data[before.size :]
    digest.update(end)
    sha256 = writer.add_bytes(entry.member, end, entry.mtime_ns, entry.mode)
    return entry._replace(
        size=len(data), sha256=digest.hexdigest(), flags=with_secret(entry.flags, data), tail=(before.size, sha256)
    )


def _tail_entry(found: Found, before: Entry) -> Entry:
    """The entry that names the tail's member; the flag SECRET of the base stays."""
    flags = found.flags if SECRET in found.flags or SECRET not in before.flags else (*found.flags, SECRET)
    return as_entry(found)._replace(member=f"{TAILS}/{found.path}", flags=flags)


def _pack_streamed(writer: Writer, entry: Entry, before: Entry, source: BinaryIO) -> Entry | None:
    whole = _HashingStream(source)
    for _ in whole.parts(before.size):
        pass
    if whole.digest.hexdigest() != before.sha256:
        return None
    size, sha256 = writer.add_file(entry.member, cast(BinaryIO, whole), entry.mtime_ns, entry.mode)
    return entry._replace(size=before.size + size, sha256=whole.digest.hexdigest(), tail=(before.size, sha256))


class _HashingStream:
    """A stream that hashes what is read from it (SHA-256)."""

    def __init__(self, source: BinaryIO) -> None:
        self.source, self.digest = source, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        data = self.source.read(size)
        self.digest.update(data)
        return data

    def parts(self, count: int) -> Iterable[bytes]:
        """The next `count` bytes, or as many as there are."""
        while count and (data := self.read(min(PART, count))):
            count -= len(data)
            yield data

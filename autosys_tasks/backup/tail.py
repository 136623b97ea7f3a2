"""Packs of a file that only grew since the base the tail: the bytes behind those that the base has.

The file is read once: the hash of its beginning is compared with the base's, and goes on through the tail.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, NamedTuple, cast

from autosys_tasks.backup.plan import is_longer
from autosys_tasks.backup.read import PART, SMALL, open_steadily, read_steadily
from autosys_tasks.backup.retry import RetryBudget
from autosys_tasks.backup.secrets_text import with_secret
from autosys_tasks.backup.seven_zip.write import Writer
from autosys_tasks.backup.threads import worker_count
from autosys_tasks.backup.values import SECRET, TAILS, Entry, Found, as_entry

SHORT = 4 << 20  # bytes; a tail of up to so many is read ahead, into memory
AHEAD = 4  # files that are read ahead


class Tail(NamedTuple):
    """The end of a file, and the SHA-256 of the whole."""

    data: bytes
    sha256: str


OTHER = Tail(b"", "")  # the file does not begin as the base's does: it has no tail


class Ahead:
    """Reads short tails in threads before they are packed; a context manager. Errors are left to the packer."""

    def __init__(self, things: Iterable[tuple[Found, Entry | None]]) -> None:
        self._coming = (
            (found, before) for found, before in things
            if found.size > SMALL and before and is_longer(found, before) and found.size - before.size <= SHORT
        )  # fmt: skip
        self._pool = ThreadPoolExecutor(worker_count(), "tail")
        self._begun: deque[tuple[str, Future[Tail | None]]] = deque()
        self._stopped = False

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def take(self, found: Found) -> Tail | None:
        """The tail of the next file; OTHER when it has none, None when it was not read ahead. Asked in order."""
        self._go_on()
        if not self._begun or self._begun[0][0] != found.path:
            return None
        _path, future = self._begun.popleft()
        self._go_on()
        return future.result()

    def _go_on(self) -> None:
        while len(self._begun) < AHEAD and (coming := next(self._coming, None)):
            self._begun.append((coming[0].path, self._pool.submit(self._read, *coming)))

    def _read(self, found: Found, before: Entry) -> Tail | None:
        try:
            with open_steadily(found) as source:
                whole = _Hashed(source)
                for _ in whole.parts(before.size):
                    if self._stopped:
                        return None
                if whole.digest.hexdigest() != before.sha256:
                    return OTHER
                data = b"".join(whole.parts(SHORT + 1))
                return Tail(data, whole.digest.hexdigest()) if len(data) <= SHORT else None
        except OSError:
            return None


def stored(
    writer: Writer, found: Found, before: Entry, ahead: Ahead, retries: RetryBudget
) -> Entry | None:
    """Pack the tail of a file; its entry, None when the file did not only grow. Raises OSError."""
    entry = _named(found, before)
    tail = ahead.take(found)
    if tail is None:
        return read_steadily(found, lambda source: _streamed(writer, entry, before, source), retries)
    if tail == OTHER:
        return None
    sha256 = writer.add_bytes(entry.member, tail.data, entry.mtime_ns, entry.mode)
    return entry._replace(size=before.size + len(tail.data), sha256=tail.sha256, tail=(before.size, sha256))


def of_small(writer: Writer, found: Found, before: Entry, data: bytes) -> Entry | None:
    """The same for a file in memory. All of it is searched for secrets: the tail may hold half of one."""
    digest = hashlib.sha256(data[: before.size])
    if len(data) <= before.size or digest.hexdigest() != before.sha256:
        return None
    entry, end = _named(found, before), data[before.size :]
    digest.update(end)
    sha256 = writer.add_bytes(entry.member, end, entry.mtime_ns, entry.mode)
    return entry._replace(
        size=len(data), sha256=digest.hexdigest(), flags=with_secret(entry.flags, data), tail=(before.size, sha256)
    )


def _named(found: Found, before: Entry) -> Entry:
    """The entry that names the tail's member; what was flagged as a secret stays so."""
    flags = found.flags if SECRET in found.flags or SECRET not in before.flags else (*found.flags, SECRET)
    return as_entry(found)._replace(member=f"{TAILS}/{found.path}", flags=flags)


def _streamed(writer: Writer, entry: Entry, before: Entry, source: BinaryIO) -> Entry | None:
    whole = _Hashed(source)
    for _ in whole.parts(before.size):
        pass
    if whole.digest.hexdigest() != before.sha256:
        return None
    size, sha256 = writer.add_file(entry.member, cast(BinaryIO, whole), entry.mtime_ns, entry.mode)
    return entry._replace(size=before.size + size, sha256=whole.digest.hexdigest(), tail=(before.size, sha256))


class _Hashed:
    """A stream, with the SHA-256 of all that was read of it."""

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

"""Reads many small files in batches, and where there are very many, in forked workers.

A worker compresses its batch, too; without workers the writer's threads do that.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from autosys_tasks.backup.fork_pool import ForkPool
from autosys_tasks.backup.manifest_text import listed, rows_of
from autosys_tasks.backup.read import SMALL, read_small
from autosys_tasks.backup.retry import RetryBudget
from autosys_tasks.backup.secrets_text import with_secret
from autosys_tasks.backup.seven_zip.block import Chunk
from autosys_tasks.backup.seven_zip.codec import compress, crc32
from autosys_tasks.backup.seven_zip.header import DATA, EMPTY, Columns
from autosys_tasks.backup.seven_zip.write import CHUNK, fitting
from autosys_tasks.backup.values import FILE, Entry, Failed, Found
from autosys_tasks.backup.walk import reason
from autosys_tasks.core.files import is_full
from autosys_tasks.core.garbage import uncollected

MANY = 10_000  # things; from so many on forked workers pay off
NO_BLOCK = b""  # in place of a codec, for empty files: they are in no block
MOST = 4_096  # things in a batch, for empty files never fill one
Thing = tuple[Found, Entry | None]  # with what the base has under its path


class Run(NamedTuple):
    """The results of consecutive small files, and how many things behind them are left to the packer."""

    done: int
    left: int
    lines: bytes  # the entries of those that were read, as a manifest has them
    first: str  # the path of the first of them
    last: str
    size: int  # bytes of them all
    failed: list[tuple[str, str, bool, bool]]  # the others, as Failed has them


class Batch(NamedTuple):
    """Bytes for the archive, and whose they are."""

    chunks: list[Chunk]
    runs: list[Run]
    secrets: int  # files whose text tells, and not their name


@contextlib.contextmanager
def batches(things: Sequence[Thing], codec: bytes, required: frozenset[str]) -> Iterator[Iterator[Batch]]:
    """A context manager that gives the batches of all things, in order. Enter it before any thread is started.

    `codec` is for what shrinks; of the sets in `required` nothing may be lacking. What is no small file, or is longer
    now than it was found, is left. Each process has a `RetryBudget` of its own.
    """
    jobs, retries, here = _jobs(things), RetryBudget(), os.getpid()

    def work(job: tuple[int, int]) -> tuple[Any, ...]:
        with uncollected():
            return _Reading(codec, required, retries).told(things[slice(*job)], packed=os.getpid() != here)

    with ForkPool(jobs, work) if len(things) >= MANY else contextlib.nullcontext(map(work, jobs)) as results:
        yield itertools.starmap(_heard, results)


def _heard(chunks: list[Any], runs: list[Any], secrets: int) -> Batch:
    return Batch([Chunk(*chunk) for chunk in chunks], [Run(*run) for run in runs], secrets)


def _jobs(things: Sequence[Thing]) -> list[tuple[int, int]]:
    """From which to which of them: each with as many bytes of small files as are compressed at once."""
    jobs, begin, size = list[tuple[int, int]](), 0, 0
    for at, (found, before) in enumerate(things):
        more = 0 if before or found.size > SMALL else found.size
        size += more
        if size > CHUNK or at - begin == MOST:
            jobs.append((begin, at))
            begin, size = at, more
    return [*jobs, (begin, len(things))] if things else []


def _is_small(found: Found, before: Entry | None) -> bool:
    """Whether it is a file that is read at once, and stored as a whole whatever is in it."""
    return found.size <= SMALL and found.kind == FILE and before is None


class _Reading:
    """One batch while it is read: the bytes and the columns of its files, by their codec."""

    def __init__(self, codec: bytes, required: frozenset[str], retries: RetryBudget) -> None:
        self._codec, self._required, self._retries = codec, required, retries
        self._members: dict[bytes, tuple[bytearray, Columns]] = {}
        self._secrets = 0

    def told(self, things: Sequence[Thing], packed: bool) -> tuple[Any, ...]:
        """What a Batch is made of, in marshal's types; its bytes are compressed if they are to be `packed`."""
        came = [self._tried(found) if _is_small(found, before) else None for found, before in things]
        chunks = [
            (codec, len(data), compress(codec, data) if packed and data else data, packed, columns.told())
            for codec, (data, columns) in self._members.items()
        ]
        return chunks, [_run(*each) for each in _in_runs(came)], self._secrets

    def _tried(self, found: Found) -> Entry | Failed | None:
        try:
            data = read_small(found, found.size, self._retries)
        except OSError as error:
            if is_full(error):
                raise
            return Failed(found.path, reason(error), not self._required.isdisjoint(found.sets))
        return None if data is None else self._kept(found, data)

    def _kept(self, found: Found, data: bytes) -> Entry:
        path, time, mode, size = found.path, found.mtime_ns, found.mode, len(data)
        codec = fitting(self._codec, path, data) if data else NO_BLOCK  # py7zr loses its place at one among others
        if codec not in self._members:
            self._members[codec] = bytearray(), Columns()
        raw, columns = self._members[codec]
        raw += data
        columns.add(path, DATA if data else EMPTY, time, stat.S_IFREG | stat.S_IMODE(mode), size, crc32(data))
        flags = with_secret(found.flags, data)
        self._secrets += flags != found.flags
        return Entry(path, FILE, size, time, mode, hashlib.sha256(data).hexdigest(), "", "", flags, found.stamp)


def _in_runs(came: Iterable[Entry | Failed | None]) -> Iterator[tuple[list[Entry | Failed], int]]:
    """What was done, one behind the other, and how many behind that are left."""
    done, left = list[Entry | Failed](), 0
    for one in came:
        if one is None:
            left += 1
        elif left:
            yield done, left
            done, left = [one], 0
        else:
            done.append(one)
    yield done, left


def _run(done: list[Entry | Failed], left: int) -> tuple[Any, ...]:
    """What a Run is made of."""
    entries = [one for one in done if isinstance(one, Entry)]
    failed = [tuple(one) for one in done if isinstance(one, Failed)]
    lines = b"".join(listed(rows_of(entries)))
    first, last = (entries[0].path, entries[-1].path) if entries else ("", "")
    return len(done), left, lines, first, last, sum(one.size for one in entries), failed

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
from autosys_tasks.backup.manifest_text import comma_separated, rows_of
from autosys_tasks.backup.read import SMALL, read_small
from autosys_tasks.backup.retry import RetryBudget
from autosys_tasks.backup.secrets_text import with_secret
from autosys_tasks.backup.seven_zip.block import Chunk
from autosys_tasks.backup.seven_zip.codec import compress, crc32
from autosys_tasks.backup.seven_zip.header import DATA, EMPTY, Columns
from autosys_tasks.backup.seven_zip.write import CHUNK, choose_codec
from autosys_tasks.backup.values import FILE, Entry, Failed, Found
from autosys_tasks.backup.walk import reason
from autosys_tasks.core.files import is_full
from autosys_tasks.core.garbage import gc_disabled

MANY = 10_000  # things; from so many on forked workers pay off
NO_BLOCK = b""  # instead of a codec, for empty files: they are in no block
MOST = 4_096  # things in a batch: empty files alone would never fill one
Thing = tuple[Found, Entry | None]  # with what the base has under its path


class Run(NamedTuple):
    """The results of consecutive small files, and how many things behind them are left to the packer."""

    done: int
    left: int
    lines: bytes  # the entries of those that were read, as lines of a manifest
    first: str  # the path of the first of them
    last: str
    size: int  # bytes of them all
    failed: list[tuple[str, str, bool, bool]]  # the others; fields of Failed


class Batch(NamedTuple):
    """Chunks for the archive, and the results for the files in them."""

    chunks: list[Chunk]
    runs: list[Run]
    secrets: int  # files that are secret by their text, not by their name


@contextlib.contextmanager
def batches(things: Sequence[Thing], codec: bytes, required: frozenset[str]) -> Iterator[Iterator[Batch]]:
    """A context manager that gives the batches of all things, in order. Enter it before any thread is started.

    `codec`: for compressible data. `required`: names of the required sets. Whatever is no small file, or is longer now
    than when it was found, is left to the caller. Each process has a `RetryBudget` of its own.
    """
    jobs, retries, here = _jobs(things), RetryBudget(), os.getpid()

    def work(job: tuple[int, int]) -> tuple[Any, ...]:
        with gc_disabled():
            return _BatchReader(codec, required, retries).batch(things[slice(*job)], compressed=os.getpid() != here)

    with ForkPool(jobs, work) if len(things) >= MANY else contextlib.nullcontext(map(work, jobs)) as results:
        yield itertools.starmap(_as_batch, results)


def _as_batch(chunks: list[Any], runs: list[Any], secrets: int) -> Batch:
    return Batch([Chunk(*chunk) for chunk in chunks], [Run(*run) for run in runs], secrets)


def _jobs(things: Sequence[Thing]) -> list[tuple[int, int]]:
    """Slices (begin, end) of `things`, each with at most CHUNK bytes of small files."""
    jobs, begin, size = list[tuple[int, int]](), 0, 0
    for at, (found, before) in enumerate(things):
        more = 0 if before or found.size > SMALL else found.size
        size += more
        if size > CHUNK or at - begin == MOST:
            jobs.append((begin, at))
            begin, size = at, more
    return [*jobs, (begin, len(things))] if things else []


def _is_small(found: Found, before: Entry | None) -> bool:
    """Whether it is a file that is read at once and stored as a whole."""
    return found.size <= SMALL and found.kind == FILE and before is None


class _BatchReader:
    """Reads one batch: collects the bytes and the columns of its files, by codec."""

    def __init__(self, codec: bytes, required: frozenset[str], retries: RetryBudget) -> None:
        self._codec, self._required, self._retries = codec, required, retries
        self._members: dict[bytes, tuple[bytearray, Columns]] = {}
        self._secrets = 0

    def batch(self, things: Sequence[Thing], compressed: bool) -> tuple[Any, ...]:
        """The fields of a Batch as types that marshal knows. `compressed`: whether to compress the chunks here."""
        results = [self._read(found) if _is_small(found, before) else None for found, before in things]
        chunks = [
            (codec, len(data), compress(codec, data) if compressed and data else data, compressed, columns.to_bytes())
            for codec, (data, columns) in self._members.items()
        ]
        return chunks, [_run(*each) for each in _runs(results)], self._secrets

    def _read(self, found: Found) -> Entry | Failed | None:
        try:
            data = read_small(found, found.size, self._retries)
        except OSError as error:
            if is_full(error):
                raise
            return Failed(found.path, reason(error), not self._required.isdisjoint(found.sets))
        return None if data is None else self._add(found, data)

    def _add(self, found: Found, data: bytes) -> Entry:
        path, time, mode, size = found.path, found.mtime_ns, found.mode, len(data)
        codec = choose_codec(self._codec, path, data) if data else NO_BLOCK  # among others it would confuse py7zr
        if codec not in self._members:
            self._members[codec] = bytearray(), Columns()
        raw, columns = self._members[codec]
        raw += data
        columns.add(path, DATA if data else EMPTY, time, stat.S_IFREG | stat.S_IMODE(mode), size, crc32(data))
        flags = with_secret(found.flags, data)
        self._secrets += flags != found.flags
        return Entry(path, FILE, size, time, mode, hashlib.sha256(data).hexdigest(), "", "", flags, found.stamp)


def _runs(results: Iterable[Entry | Failed | None]) -> Iterator[tuple[list[Entry | Failed], int]]:
    """Consecutive results, and how many things after them have none (None): they are left."""
    done, left = list[Entry | Failed](), 0
    for one in results:
        if one is None:
            left += 1
        elif left:
            yield done, left
            done, left = [one], 0
        else:
            done.append(one)
    yield done, left


def _run(done: list[Entry | Failed], left: int) -> tuple[Any, ...]:
    """The fields of a Run."""
    entries = [one for one in done if isinstance(one, Entry)]
    failed = [tuple(one) for one in done if isinstance(one, Failed)]
    lines = b"".join(comma_separated(rows_of(entries)))
    first, last = (entries[0].path, entries[-1].path) if entries else ("", "")
    return len(done), left, lines, first, last, sum(one.size for one in entries), failed

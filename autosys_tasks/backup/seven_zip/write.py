"""Writes a 7z archive: blocks of 16 MiB compressed by threads, in bounded memory. What cannot be read leaves no trace.

Small files share a block; a large one has a block of its own and streams through it. What does not shrink is stored.
Nothing is an archive before `finish`: until then its first 32 bytes are zero.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import os
import stat
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from autosys_tasks.backup.seven_zip.block import Chunk, Filling, Reading
from autosys_tasks.backup.seven_zip.codec import (
    COPY,
    DEFLATE,
    FOR_LARGE_FILE,
    FOR_MANIFEST,
    FOR_SMALL_FILES,
    LZMA2,
    PIECE,
    Key,
    compress,
    crc32,
    shrinks,
)
from autosys_tasks.backup.seven_zip.header import (
    DATA,
    EMPTY,
    FOLDER,
    START,
    Block,
    Columns,
    encoded,
    header,
    link_bytes,
    start,
)
from autosys_tasks.backup.threads import worker_count
from autosys_tasks.backup.values import MANIFEST
from autosys_tasks.core.errors import AutosysError
from autosys_tasks.core.faults import fault
from autosys_tasks.core.files import cannot_write

BLOCK = 16 << 20  # bytes of small files together
CHUNK = 4 << 20  # what one thread compresses at once; a file of so many bytes has a block of its own
FLUSHED = 32 << 20  # bytes between two words to the disk to begin with what it was given
SAMPLE = 64 << 10
SQUEEZED = frozenset((  # endings of what is compressed already, probably: a sample decides, as of all that is not small
    "7z", "avi", "br", "bz2", "cab", "deb", "docx", "epub", "gif", "gz", "ico", "jar", "jpeg", "jpg", "lz4", "m4a",
    "mkv", "mov", "mp3", "mp4", "npz", "ods", "odt", "ogg", "parquet", "pdf", "png", "pptx", "rar", "rpm", "tgz",
    "webm", "webp", "whl", "woff", "woff2", "xlsx", "xz", "zip", "zst",
))  # fmt: skip
Tell = Callable[[int], object]


def codec_of(bulk: bool) -> bytes:
    """The codec for what shrinks: LZMA2, or quick DEFLATE for `bulk`."""
    return DEFLATE if bulk else LZMA2


def fitting(codec: bytes, name: str, data: bytes) -> bytes:
    """The codec for a file that begins with these bytes: `codec`, or COPY for what does not shrink."""
    ending = name[name.rfind(".") + 1 :].lower()
    asked = len(data) >= SAMPLE or ending in SQUEEZED  # a sample of every small file would cost too much
    return codec if not asked or shrinks(data[:SAMPLE]) else COPY


class Writer:
    """An archive being written to `path` (made anew, for this user alone).

    `bulk`: quick DEFLATE in place of LZMA2; `threads`: 0 means as many as there are cores, 4 at most; `tell` is given
    how many bytes are packed, as they are (by threads, one at a time). Leaving it by an exception or without `finish`
    leaves a file that is no archive.
    """

    def __init__(
        self, path: Path, *, passphrase: str = "", bulk: bool = False, threads: int = 0, tell: Tell = lambda count: None
    ) -> None:
        self._tell = tell
        self._stopped, self._lock = False, threading.Lock()
        self._path = path
        self._codec = codec_of(bulk)
        self._key = Key(passphrase, os.urandom(16)) if passphrase else None
        self._threads = threads or worker_count()
        self._open: dict[bytes, Filling] = {}
        self._queue: deque[tuple[Filling, Future[bytes | bytearray] | None]] = deque()
        self._blocks: list[Block] = []
        self._columns = Columns()
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
        try:
            self._file = os.fdopen(os.open(path, flags, 0o600), "w+b", buffering=0)
        except OSError as error:
            raise cannot_write(path, error) from error
        self._pool = ThreadPoolExecutor(self._threads, "pack")
        self._reader = ThreadPoolExecutor(1, "read")
        self._disk, self._unflushed = ThreadPoolExecutor(1, "flush"), 0
        self._flushes: list[Future[None]] = []
        self._put(bytes(START))

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        for pool in (self._pool, self._reader, self._disk):
            pool.shutdown(wait=True, cancel_futures=True)
        self._file.close()

    def file(self, name: str, source: BinaryIO, mtime_ns: int, mode: int) -> tuple[int, str]:
        """Pack what `source` gives; its size and SHA-256.

        An error of `source` is raised, and nothing of this file is in the archive then. Raises StateError, after which
        nothing more can be packed, when the archive itself cannot be written.
        """
        if name == MANIFEST:
            self._close_all()  # it is found without decoding anything else
        reading = Reading(source)
        head = reading.take(CHUNK)
        if len(head) < CHUNK:
            self._add(name, head, mtime_ns, mode, reading.crc)
            return reading.size, reading.digest.hexdigest()
        filling = self._alone(name, head, reading)
        filling.columns.add(name, DATA, mtime_ns, stat.S_IFREG | stat.S_IMODE(mode), reading.size, reading.crc)
        self._queue.append((filling, None))
        return reading.size, reading.digest.hexdigest()

    def small(self, name: str, data: bytes, mtime_ns: int, mode: int) -> str:
        """Pack a file that is in memory, of less than BLOCK bytes; returns its SHA-256."""
        self._add(name, data, mtime_ns, mode, crc32(data))
        return hashlib.sha256(data).hexdigest()

    def together(self, chunk: Chunk) -> None:
        """Pack a chunk of small files that `batch` has read, and perhaps compressed."""
        columns = Columns(chunk.columns)
        if not chunk.size:
            self._columns.extend(columns)
            return
        filling = self._room(chunk.codec, chunk.size)
        filling.columns.extend(columns)
        self._begin(filling)
        filling.chunks.append(self._done(chunk) if chunk.packed else self._compressed(filling, chunk.data))

    def _done(self, chunk: Chunk) -> Future[bytes | bytearray]:
        done = Future[bytes | bytearray]()
        self._is_wanted(chunk.size)
        done.set_result(chunk.data)
        return done

    def _add(self, name: str, data: bytes, mtime_ns: int, mode: int, crc: int) -> None:
        mode = stat.S_IFREG | stat.S_IMODE(mode)
        if not data:
            self._columns.add(name, EMPTY, mtime_ns, mode)
            return
        self._together(name, data).columns.add(name, DATA, mtime_ns, mode, len(data), crc)
        if name == MANIFEST:
            self._close_all()

    def folder(self, name: str, mtime_ns: int, mode: int) -> None:
        """A folder, empty or not."""
        self._columns.add(name, FOLDER, mtime_ns, stat.S_IFDIR | stat.S_IMODE(mode))

    def link(self, name: str, target: str, mtime_ns: int, mode: int) -> None:
        """A symbolic link: its text is its content, as 7-Zip has it."""
        text = link_bytes(target)
        columns = self._together(name, text).columns
        columns.add(name, DATA, mtime_ns, stat.S_IFLNK | stat.S_IMODE(mode), len(text), crc32(text))

    def finish(self) -> tuple[int, str]:
        """Write what is left and the header; returns (bytes, sha256) of the archive."""
        self._close_all()
        self._write_until(0)
        at = self._file.tell() - START
        following = self._header(at)
        size = self._file.tell()
        self._file.seek(0)
        self._put(start(size - START - len(following), following))
        try:
            self._file.seek(0)
            digest = hashlib.file_digest(self._file, "sha256").hexdigest()
            for flush in self._flushes:
                flush.result()
            return size, digest
        except OSError as error:
            raise cannot_write(self._path, error) from error

    def _header(self, at: int) -> bytes:
        """Writes the header, compressed; returns what says where it is, which is the last of the archive."""
        plain = header(self._blocks, self._columns)
        packing = Filling(self._codec, self._key)
        packing.raw = len(plain)
        chunks = (plain[at : at + PIECE] for at in range(0, len(plain), PIECE))
        compressed = self._pool.map(functools.partial(compress, self._codec, lzma2=FOR_MANIFEST), chunks)
        packed = b"".join(map(packing.sealed, compressed)) + packing.end()
        self._put(packed)
        following = encoded(packing.block(), at, crc32(packed), crc32(plain))
        self._put(following)
        return following

    # Blocks

    def _together(self, name: str, data: bytes) -> Filling:
        """The shared block that a small file is now in."""
        lzma2 = FOR_MANIFEST if name == MANIFEST else FOR_SMALL_FILES
        filling = self._room(fitting(self._codec, name, data), len(data), lzma2)
        filling.data += data
        if len(filling.data) >= CHUNK:
            self._begin(filling)
        return filling

    def _room(self, codec: bytes, size: int, lzma2: Mapping[str, int] = FOR_SMALL_FILES) -> Filling:
        """The shared block that has room for so many bytes more, and counts them."""
        filling = self._open.get(codec)
        if filling and filling.raw + size > BLOCK:
            self._close(codec)
            filling = None
        if not filling:
            filling = self._open[codec] = Filling(codec, self._key, lzma2)
        filling.raw += size
        return filling

    def _alone(self, name: str, head: bytes, reading: Reading) -> Filling:
        """A block of its own that a large file has been streamed through; taken back when it cannot be read."""
        lzma2 = FOR_MANIFEST if name == MANIFEST else FOR_LARGE_FILE
        filling = Filling(fitting(self._codec, name, head), self._key, lzma2)
        try:
            with contextlib.closing(reading.ahead(CHUNK, self._reader)) as rest:
                for chunk in itertools.chain((head,), rest):
                    filling.raw += len(chunk)
                    self._queue.append((filling, self._compressed(filling, chunk)))
                    self._write_until(self._threads + 1)
        except AutosysError:
            raise
        except Exception:
            self._take_back(filling)
            raise
        return filling

    def _close_all(self) -> None:
        for codec in list(self._open):
            self._close(codec)

    def _close(self, codec: bytes) -> None:
        """Nothing more goes into that shared block; what is ready is written, so that little is in memory."""
        filling = self._open.pop(codec)
        self._begin(filling)
        self._queue += ((filling, chunk) for chunk in filling.chunks)
        filling.chunks.clear()
        self._queue.append((filling, None))
        self._write_until(self._threads + 1)

    def _begin(self, filling: Filling) -> None:
        """Submit the waiting bytes of a shared block for compression; more may follow them."""
        data, filling.data = filling.data, bytearray()
        if data:
            filling.chunks.append(self._compressed(filling, data))

    def _compressed(self, filling: Filling, chunk: bytes | bytearray) -> Future[bytes | bytearray]:
        return self._pool.submit(compress, filling.codec, chunk, self._is_wanted, filling.lzma2)

    def _is_wanted(self, count: int) -> bool:
        """Whether a thread that is about to compress `count` bytes shall go on; they count as progress."""
        with self._lock:
            if not self._stopped:
                self._tell(count)
        return not self._stopped

    def _write_until(self, left: int) -> None:
        while len(self._queue) > left:
            filling, future = self._queue.popleft()
            if filling.at < 0:
                filling.at = self._file.tell()
            if future:
                self._put(filling.sealed(future.result()))
            else:
                self._put(filling.end())
                self._blocks.append(filling.block())
                self._columns.extend(filling.columns)
                fault("backup.during-write")

    def _take_back(self, filling: Filling) -> None:
        """Undo a block that is not finished: it is the last one in the queue and in the file."""
        while self._queue and self._queue[-1][0] is filling:
            self._queue.pop()
        if filling.at >= 0:
            try:
                self._file.truncate(filling.at)
                self._file.seek(filling.at)
            except OSError as error:
                raise cannot_write(self._path, error) from error

    def _put(self, data: bytes | bytearray) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise cannot_write(self._path, error) from error
        self._unflushed += len(data)
        if self._unflushed >= FLUSHED:
            self._flush()

    def _flush(self) -> None:
        """Have the disk take what was written, while more is compressed; `finish` asks how that ended."""
        self._unflushed = 0
        self._flushes.append(self._disk.submit(os.fsync, self._file.fileno()))

"""Writes a 7z archive: blocks of 16 MiB compressed by threads, in bounded memory. What cannot be read leaves no trace.

Small files share a block; a larger one has a block of its own and streams through it. What does not shrink is stored.
Nothing is an archive before `finish`: until then its first 32 bytes are zero.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import threading
import zlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from autosys_tasks.backup.seven_zip_block import Filling, Reading
from autosys_tasks.backup.seven_zip_codec import COPY, DEFLATE, LISTED, LZMA, LZMA2, Key, compress, shrinks
from autosys_tasks.backup.seven_zip_header import (
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
from autosys_tasks.backup.threads import count
from autosys_tasks.backup.values import MANIFEST
from autosys_tasks.core.errors import AutosysError
from autosys_tasks.core.faults import fault
from autosys_tasks.core.files import cannot_write

BLOCK = 16 << 20
CHUNK = 4 << 20  # what one thread compresses at once: a block of its own would leave the others idle at the end
SAMPLE = 64 << 10
SQUEEZED = re.compile(  # probably compressed already: a sample decides, as of everything that is not small
    r"\.(7z|avi|br|bz2|cab|deb|docx|epub|gif|gz|ico|jar|jpe?g|lz4|m4a|mkv|mov|mp[34]|npz|od[ts]|ogg|parquet|pdf|png"
    r"|pptx|rar|rpm|tgz|web[mp]|whl|woff2?|xlsx|xz|zip|zst)$",
    re.IGNORECASE,
)
Tell = Callable[[int], object]


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
        self._codec = DEFLATE if bulk else LZMA2
        self._key = Key(passphrase, os.urandom(16)) if passphrase else None
        self._threads = threads or count()
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
        self._put(bytes(START))

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._file.close()

    def file(
        self, name: str, source: BinaryIO, mtime_ns: int, mode: int, limit: int | None = None
    ) -> tuple[int, str]:
        """Pack what `source` gives, `limit` bytes of it at most; returns (size, sha256) of what it gave.

        An error of `source` is raised, and then nothing of this file is in the archive. When the archive itself cannot
        be written that is a StateError, and the end of it.
        """
        if name == MANIFEST:
            self._close_all()  # it is found without decoding anything else
        reading = Reading(source, limit)
        head = reading.take(BLOCK)
        if len(head) < BLOCK:
            self._add(name, head, mtime_ns, mode, reading.crc)
            return reading.size, reading.digest.hexdigest()
        filling = self._alone(name, head, reading)
        filling.columns.add(name, DATA, mtime_ns, stat.S_IFREG | stat.S_IMODE(mode), reading.size, reading.crc)
        self._queue.append((filling, None))
        return reading.size, reading.digest.hexdigest()

    def small(self, name: str, data: bytes | bytearray, mtime_ns: int, mode: int) -> str:
        """Pack a file that is in memory, of less than BLOCK bytes; returns its SHA-256."""
        self._add(name, data, mtime_ns, mode, zlib.crc32(data))
        return hashlib.sha256(data).hexdigest()

    def _add(self, name: str, data: bytes | bytearray, mtime_ns: int, mode: int, crc: int) -> None:
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
        columns.add(name, DATA, mtime_ns, stat.S_IFLNK | stat.S_IMODE(mode), len(text), zlib.crc32(text))

    def finish(self) -> tuple[int, str]:
        """Write what is left and the header, to the disk; returns (bytes, sha256) of the archive."""
        self._close_all()
        self._write_until(0)
        at = self._file.tell() - START
        following = self._header(at)
        size = self._file.tell()
        self._file.seek(0)
        self._put(start(size - START - len(following), following))
        try:
            os.fsync(self._file.fileno())
            self._file.seek(0)
            return size, hashlib.file_digest(self._file, "sha256").hexdigest()
        except OSError as error:
            raise cannot_write(self._path, error) from error

    def _header(self, at: int) -> bytes:
        """Writes the header, compressed; returns what says where it is, which is the last of the archive."""
        plain = header(self._blocks, self._columns)
        packing = Filling(self._codec, self._key)
        packing.raw = len(plain)
        packed = packing.sealed(compress(self._codec, plain)) + packing.end()
        self._put(packed)
        following = encoded(packing.block(), at, zlib.crc32(packed), zlib.crc32(plain))
        self._put(following)
        return following

    # Blocks

    def _together(self, name: str, data: bytes | bytearray) -> Filling:
        """The shared block that a small file is now in."""
        codec = self._fitting(name, data)
        filling = self._open.get(codec)
        if filling and len(filling.data) + len(data) > BLOCK:
            self._close(codec)
            filling = None
        if not filling:
            filling = self._open[codec] = Filling(codec, self._key, LISTED if name == MANIFEST else LZMA)
        filling.data += data
        return filling

    def _alone(self, name: str, head: bytearray, reading: Reading) -> Filling:
        """A block of its own that a large file has been streamed through; taken back when it cannot be read."""
        filling = Filling(self._fitting(name, head), self._key, LISTED if name == MANIFEST else LZMA)
        try:
            while head:
                self._pack(filling, head)
                head = reading.take(CHUNK)
        except AutosysError:
            raise
        except Exception:
            self._take_back(filling)
            raise
        return filling

    def _fitting(self, name: str, data: bytes | bytearray) -> bytes:
        asked = len(data) >= SAMPLE or SQUEEZED.search(name)  # a sample of every small file would cost too much
        return self._codec if not asked or shrinks(data[:SAMPLE]) else COPY

    def _close_all(self) -> None:
        for codec in list(self._open):
            self._close(codec)

    def _close(self, codec: bytes) -> None:
        """Nothing more goes into that shared block."""
        filling = self._open.pop(codec)
        data, filling.data = filling.data, bytearray()
        self._pack(filling, data)
        self._queue.append((filling, None))

    def _pack(self, filling: Filling, data: bytearray) -> None:
        """Have threads compress chunks, and write what is ready so that few of them are in memory."""
        filling.raw += len(data)
        for at in range(0, len(data), CHUNK):
            chunk = data[at : at + CHUNK]
            self._queue.append((filling, self._pool.submit(compress, filling.codec, chunk, self._going, filling.like)))
            self._write_until(self._threads + 1)

    def _going(self, count: int) -> bool:
        """A thread is about to compress so many bytes; whether it shall."""
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

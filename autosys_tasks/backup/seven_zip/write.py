"""Writes a 7z archive in bounded memory; threads compress. A file that cannot be read leaves no trace in it.

Small files share blocks of 16 MiB; a large file is streamed into a block of its own. Incompressible data is stored.
The file is no archive before `finish`: until then its first 32 bytes are zero.
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
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from autosys_tasks.backup.progress import TellBytes
from autosys_tasks.backup.seven_zip.block import Chunk, HashingReader, OpenBlock
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
    is_compressible,
)
from autosys_tasks.backup.seven_zip.header import (
    DATA,
    EMPTY,
    FOLDER,
    SIGNATURE_SIZE,
    Block,
    Columns,
    encoded_header,
    header,
    link_bytes,
    signature_header,
)
from autosys_tasks.backup.threads import worker_count
from autosys_tasks.backup.values import MANIFEST
from autosys_tasks.core.errors import AutosysError
from autosys_tasks.core.faults import fault
from autosys_tasks.core.files import cannot_write

BLOCK = 16 << 20  # bytes of small files in one block
CHUNK = 4 << 20  # what one thread compresses at once; a file of so many bytes has a block of its own
FLUSH_BYTES = 32 << 20  # bytes written between two calls of fsync
SAMPLE = 64 << 10
COMPRESSED_ENDINGS = frozenset((  # probably compressed already: a sample decides, as it does for every larger file
    "7z", "avi", "br", "bz2", "cab", "deb", "docx", "epub", "gif", "gz", "ico", "jar", "jpeg", "jpg", "lz4", "m4a",
    "mkv", "mov", "mp3", "mp4", "npz", "ods", "odt", "ogg", "parquet", "pdf", "png", "pptx", "rar", "rpm", "tgz",
    "webm", "webp", "whl", "woff", "woff2", "xlsx", "xz", "zip", "zst",
))  # fmt: skip


def default_codec(bulk: bool) -> bytes:
    """The codec for compressible data: LZMA2, or the faster DEFLATE for `bulk`."""
    return DEFLATE if bulk else LZMA2


def choose_codec(codec: bytes, name: str, data: bytes) -> bytes:
    """The codec for a file that begins with `data`: `codec`, or COPY when a sample is incompressible."""
    ending = name[name.rfind(".") + 1 :].lower()
    sampled = len(data) >= SAMPLE or ending in COMPRESSED_ENDINGS  # a sample of every small file would cost too much
    return codec if not sampled or is_compressible(data[:SAMPLE]) else COPY


class Writer:
    """Writes an archive to `path` (created or truncated, readable for this user alone); a context manager.

    `bulk`: DEFLATE instead of LZMA2. `threads`: 0 means one for each core, 4 at most. `tell_bytes(count)`: called
    from threads, one at a time, before `count` more bytes are compressed. Without `finish` the file is no archive.
    """

    def __init__(
        self, path: Path, *, passphrase: str = "", bulk: bool = False, threads: int = 0,
        tell_bytes: TellBytes = lambda count: None,
    ) -> None:  # fmt: skip
        self._tell_bytes = tell_bytes
        self._stopped, self._lock = False, threading.Lock()
        self._path = path
        self._codec = default_codec(bulk)
        self._key = Key(passphrase, os.urandom(16)) if passphrase else None
        self._threads = threads or worker_count()
        self._open: dict[bytes, OpenBlock] = {}
        self._queue: deque[tuple[OpenBlock, Future[bytes | bytearray] | None]] = deque()
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
        self._write(bytes(SIGNATURE_SIZE))

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        for pool in (self._pool, self._reader, self._disk):
            pool.shutdown(wait=True, cancel_futures=True)
        self._file.close()

    def add_file(self, name: str, source: BinaryIO, mtime_ns: int, mode: int) -> tuple[int, str]:
        """Add a file; returns its size in bytes and its SHA-256 in hex.

        Raises what reading `source` raises: then nothing of this file is in the archive. Raises StateError when the
        archive cannot be written: then nothing more can be added.
        """
        if name == MANIFEST:
            self._close_all()  # in a block of its own it is found without decoding anything else
        reader = HashingReader(source)
        head = reader.read(CHUNK)
        if len(head) < CHUNK:
            self._add_data(name, head, mtime_ns, mode, reader.crc)
            return reader.size, reader.digest.hexdigest()
        block = self._add_streamed(name, head, reader)
        block.columns.add(name, DATA, mtime_ns, stat.S_IFREG | stat.S_IMODE(mode), reader.size, reader.crc)
        self._queue.append((block, None))
        return reader.size, reader.digest.hexdigest()

    def add_bytes(self, name: str, data: bytes, mtime_ns: int, mode: int) -> str:
        """Add a file of less than BLOCK bytes that is in memory; returns its SHA-256 in hex."""
        self._add_data(name, data, mtime_ns, mode, crc32(data))
        return hashlib.sha256(data).hexdigest()

    def add_chunk(self, chunk: Chunk) -> None:
        """Add a chunk of small files that `batch` has read, and perhaps compressed."""
        columns = Columns(chunk.columns)
        if not chunk.size:
            self._columns.extend(columns)
            return
        block = self._shared_block(chunk.codec, chunk.size)
        block.columns.extend(columns)
        self._submit_pending(block)
        block.chunks.append(self._completed(chunk) if chunk.is_compressed else self._submit(block, chunk.data))

    def _completed(self, chunk: Chunk) -> Future[bytes | bytearray]:
        done = Future[bytes | bytearray]()
        self._continue(chunk.size)
        done.set_result(chunk.data)
        return done

    def _add_data(self, name: str, data: bytes, mtime_ns: int, mode: int, crc: int) -> None:
        mode = stat.S_IFREG | stat.S_IMODE(mode)
        if not data:
            self._columns.add(name, EMPTY, mtime_ns, mode)
            return
        self._add_to_shared(name, data).columns.add(name, DATA, mtime_ns, mode, len(data), crc)
        if name == MANIFEST:
            self._close_all()

    def add_folder(self, name: str, mtime_ns: int, mode: int) -> None:
        """Add a folder, empty or not."""
        self._columns.add(name, FOLDER, mtime_ns, stat.S_IFDIR | stat.S_IMODE(mode))

    def add_link(self, name: str, target: str, mtime_ns: int, mode: int) -> None:
        """Add a symbolic link: its target is its content, as in 7-Zip."""
        text = link_bytes(target)
        columns = self._add_to_shared(name, text).columns
        columns.add(name, DATA, mtime_ns, stat.S_IFLNK | stat.S_IMODE(mode), len(text), crc32(text))

    def finish(self) -> tuple[int, str]:
        """Write what is left and the header; returns (bytes, sha256) of the archive."""
        self._close_all()
        self._write_queued(0)
        at = self._file.tell() - SIGNATURE_SIZE
        following = self._header(at)
        size = self._file.tell()
        self._file.seek(0)
        self._write(signature_header(size - SIGNATURE_SIZE - len(following), following))
        try:
            self._file.seek(0)
            digest = hashlib.file_digest(self._file, "sha256").hexdigest()
            for flush in self._flushes:
                flush.result()
            return size, digest
        except OSError as error:
            raise cannot_write(self._path, error) from error

    def _header(self, at: int) -> bytes:
        """Write the compressed header; returns the encoded header, which says where it is and ends the archive."""
        plain = header(self._blocks, self._columns)
        block = OpenBlock(self._codec, self._key)
        block.size = len(plain)
        chunks = (plain[at : at + PIECE] for at in range(0, len(plain), PIECE))
        compressed = self._pool.map(functools.partial(compress, self._codec, lzma2=FOR_MANIFEST), chunks)
        packed = b"".join(map(block.pack, compressed)) + block.end()
        self._write(packed)
        following = encoded_header(block.described(), at, crc32(packed), crc32(plain))
        self._write(following)
        return following

    # Blocks

    def _add_to_shared(self, name: str, data: bytes) -> OpenBlock:
        """Add a small file's bytes to a shared block, and return that."""
        lzma2 = FOR_MANIFEST if name == MANIFEST else FOR_SMALL_FILES
        block = self._shared_block(choose_codec(self._codec, name, data), len(data), lzma2)
        block.pending += data
        if len(block.pending) >= CHUNK:
            self._submit_pending(block)
        return block

    def _shared_block(self, codec: bytes, size: int, lzma2: Mapping[str, int] = FOR_SMALL_FILES) -> OpenBlock:
        """The shared block that has room for `size` more bytes; they are counted in its size."""
        block = self._open.get(codec)
        if block and block.size + size > BLOCK:
            self._close(codec)
            block = None
        if not block:
            block = self._open[codec] = OpenBlock(codec, self._key, lzma2)
        block.size += size
        return block

    def _add_streamed(self, name: str, head: bytes, reader: HashingReader) -> OpenBlock:
        """Stream a large file into a block of its own; discarded when the file cannot be read."""
        lzma2 = FOR_MANIFEST if name == MANIFEST else FOR_LARGE_FILE
        block = OpenBlock(choose_codec(self._codec, name, head), self._key, lzma2)
        try:
            with contextlib.closing(reader.prefetched(CHUNK, self._reader)) as rest:
                for chunk in itertools.chain((head,), rest):
                    block.size += len(chunk)
                    self._queue.append((block, self._submit(block, chunk)))
                    self._write_queued(self._threads + 1)
        except AutosysError:
            raise
        except Exception:
            self._discard(block)
            raise
        return block

    def _close_all(self) -> None:
        for codec in list(self._open):
            self._close(codec)

    def _close(self, codec: bytes) -> None:
        """Close a shared block, and write what is ready, so that little is in memory."""
        block = self._open.pop(codec)
        self._submit_pending(block)
        self._queue += ((block, chunk) for chunk in block.chunks)
        block.chunks.clear()
        self._queue.append((block, None))
        self._write_queued(self._threads + 1)

    def _submit_pending(self, block: OpenBlock) -> None:
        """Submit the pending bytes of a shared block for compression; more may follow."""
        data, block.pending = block.pending, bytearray()
        if data:
            block.chunks.append(self._submit(block, data))

    def _submit(self, block: OpenBlock, chunk: bytes | bytearray) -> Future[bytes | bytearray]:
        return self._pool.submit(compress, block.codec, chunk, self._continue, block.lzma2)

    def _continue(self, count: int) -> bool:
        """Whether a thread that is about to compress `count` bytes shall go on; counts them as progress."""
        with self._lock:
            if not self._stopped:
                self._tell_bytes(count)
        return not self._stopped

    def _write_queued(self, left: int) -> None:
        while len(self._queue) > left:
            block, future = self._queue.popleft()
            if block.offset < 0:
                block.offset = self._file.tell()
            if future:
                self._write(block.pack(future.result()))
            else:
                self._write(block.end())
                self._blocks.append(block.described())
                self._columns.extend(block.columns)
                fault("backup.during-write")

    def _discard(self, block: OpenBlock) -> None:
        """Remove an unfinished block: it is the last one in the queue and in the file."""
        while self._queue and self._queue[-1][0] is block:
            self._queue.pop()
        if block.offset >= 0:
            try:
                self._file.truncate(block.offset)
                self._file.seek(block.offset)
            except OSError as error:
                raise cannot_write(self._path, error) from error

    def _write(self, data: bytes | bytearray) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise cannot_write(self._path, error) from error
        self._unflushed += len(data)
        if self._unflushed >= FLUSH_BYTES:
            self._flush()

    def _flush(self) -> None:
        """Start fsync of what was written, while more is compressed; `finish` raises its error."""
        self._unflushed = 0
        self._flushes.append(self._disk.submit(os.fsync, self._file.fileno()))

"""Mutable state of the 7z writer: a source that is being read, and a block that is being filled."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
from collections.abc import Generator, Mapping
from concurrent.futures import Executor, Future
from typing import BinaryIO, NamedTuple

from autosys_tasks.backup import threads
from autosys_tasks.backup.seven_zip.codec import FOR_SMALL_FILES, TAIL, Cipher, Key, coder, crc32
from autosys_tasks.backup.seven_zip.header import Block, Columns


class HashingReader:
    """Reads a source, and keeps the size, CRC-32 and SHA-256 of what was read so far."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.size, self.crc, self.digest = 0, 0, hashlib.sha256()

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer only at the end. Raises what the source raises."""
        return self._hashed(self._read(size))

    def prefetched(self, size: int, pool: Executor) -> Generator[bytes]:
        """The rest in chunks of `size` bytes; `pool` reads one while the caller uses the one before.

        Close it before the source.
        """
        chunks = threads.prefetched(iter(functools.partial(self._read, size), b""), pool, 1)
        with contextlib.closing(chunks):
            yield from map(self._hashed, chunks)

    def _read(self, size: int) -> bytes:
        parts, lacking = list[bytes](), size
        while lacking and (part := self._source.read(lacking)):
            parts.append(part)
            lacking -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)  # nearly always one read gives all

    def _hashed(self, data: bytes) -> bytes:
        self.digest.update(data)
        self.crc = crc32(data, self.crc)
        self.size += len(data)
        return data


class Chunk(NamedTuple):
    """A part of a shared block, made outside the writer; all fields are of types that marshal knows."""

    codec: bytes
    size: int  # bytes before compression
    data: bytes | bytearray
    is_compressed: bool  # `data` is
    columns: tuple[bytes, ...]  # see Columns.to_bytes


class OpenBlock:
    """A block that is being filled: its members, its sizes so far, and the chunks that are not written yet."""

    def __init__(self, codec: bytes, key: Key | None, lzma2: Mapping[str, int] = FOR_SMALL_FILES) -> None:
        self.codec, self.lzma2, self.columns = codec, lzma2, Columns()
        self.pending = bytearray()  # of a shared block: bytes that are not yet submitted for compression
        self.chunks: list[Future[bytes | bytearray]] = []  # of a shared block: those that were, in order
        self.size = self.coded_size = self.packed_size = 0  # bytes before the codec, after it, after encryption
        self.offset = -1  # where it begins in the file; -1 before its first chunk is written
        self._coders, self._unencrypted = coder(codec), b""
        self._cipher: Cipher | None = None
        if key:
            iv = os.urandom(16)
            self._cipher = key.cipher(iv)
            self._coders = b"\x02" + key.coder(iv) + self._coders + b"\x01\x00"  # the codec's output is AES' input
        else:
            self._coders = b"\x01" + self._coders

    def pack(self, compressed: bytes | bytearray) -> bytes | bytearray:
        """Count a compressed chunk; returns the bytes to write, encrypted where there is a key."""
        self.coded_size += len(compressed)
        if self._cipher:
            data = self._unencrypted + compressed
            whole = len(data) & ~15
            compressed, self._unencrypted = self._cipher.encrypt(bytes(data[:whole])), bytes(data[whole:])
        self.packed_size += len(compressed)
        return compressed

    def end(self) -> bytes | bytearray:
        """The bytes to write after the last chunk."""
        last = self.pack(TAIL[self.codec])
        if self._cipher and self._unencrypted:
            final = self._cipher.encrypt(self._unencrypted.ljust(16, b"\0"))
            self.packed_size += len(final)
            return last + final
        return last

    def described(self) -> Block:
        """The block as the header describes it."""
        sizes = (self.coded_size, self.size) if self._cipher else (self.size,)
        return Block(self._coders, self.packed_size, sizes, len(self.columns.shapes))

"""What the 7z writer holds while it works: a source that is being read, and a block that is being filled."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Mapping
from concurrent.futures import Executor, Future, wait
from typing import BinaryIO, NamedTuple

from autosys_tasks.backup.seven_zip.codec import FOR_SMALL_FILES, TAIL, Cipher, Key, coder, crc32
from autosys_tasks.backup.seven_zip.header import Block, Columns


class Reading:
    """A source, with what was seen of it so far: its size, CRC and SHA-256."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.size, self.crc, self.digest = 0, 0, hashlib.sha256()

    def take(self, most: int) -> bytes:
        """The next bytes, `most` of them unless it ends."""
        return self._seen(self._read(most))

    def ahead(self, most: int, pool: Executor) -> Generator[bytes]:
        """The rest, `most` bytes at a time, each read by `pool` while the one before is seen and used.

        It is to be closed before the source is.
        """
        coming = pool.submit(self._read, most)
        try:
            while taken := coming.result():
                coming = pool.submit(self._read, most)
                yield self._seen(taken)
        finally:
            wait((coming,))

    def _read(self, most: int) -> bytes:
        parts, lacking = list[bytes](), most
        while lacking and (part := self._source.read(lacking)):
            parts.append(part)
            lacking -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)  # nearly always all of them came at once

    def _seen(self, taken: bytes) -> bytes:
        self.digest.update(taken)
        self.crc = crc32(taken, self.crc)
        self.size += len(taken)
        return taken


class Chunk(NamedTuple):
    """A part of a block of small files, put together elsewhere; of marshal's types, each of them."""

    codec: bytes
    size: int  # bytes, as they are
    data: bytes | bytearray  # compressed, if it is `packed`
    packed: bool
    columns: tuple[bytes, ...]  # what Columns tell


class Filling:
    """A block on its way: what waits to be compressed (a shared one), what went in and came out, and who is in it."""

    def __init__(self, codec: bytes, key: Key | None, lzma2: Mapping[str, int] = FOR_SMALL_FILES) -> None:
        self.codec, self.lzma2, self.data, self.columns = codec, lzma2, bytearray(), Columns()
        self.chunks: list[Future[bytes | bytearray]] = []  # of a shared one: what is being compressed, in its order
        self.raw = self.packed = self.coded = 0
        self.at = -1  # where it begins in the file, once it does
        self._coders, self._rest = coder(codec), b""
        self._cipher: Cipher | None = None
        if key:
            iv = os.urandom(16)
            self._cipher = key.cipher(iv)
            self._coders = b"\x02" + key.coder(iv) + self._coders + b"\x01\x00"  # AES' bytes are the codec's
        else:
            self._coders = b"\x01" + self._coders

    def sealed(self, data: bytes | bytearray) -> bytes | bytearray:
        """A compressed chunk as it goes into the file."""
        self.coded += len(data)
        if self._cipher:
            data = self._rest + data
            whole = len(data) & ~15
            data, self._rest = self._cipher.encrypt(bytes(data[:whole])), bytes(data[whole:])
        self.packed += len(data)
        return data

    def end(self) -> bytes | bytearray:
        """What follows the last chunk."""
        last = self.sealed(TAIL[self.codec])
        if self._cipher and self._rest:
            final = self._cipher.encrypt(self._rest.ljust(16, b"\0"))
            self.packed += len(final)
            return last + final
        return last

    def block(self) -> Block:
        """What the header says of it."""
        sizes = (self.coded, self.raw) if self._cipher else (self.raw,)
        return Block(self._coders, self.packed, sizes, len(self.columns.shapes))

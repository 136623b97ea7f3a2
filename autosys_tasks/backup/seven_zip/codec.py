"""Compresses, encrypts and decodes blocks: LZMA2, DEFLATE, COPY, AES-256. Decoding is bounded in memory.

A block is compressed in independent chunks, so that several threads can do it; concatenated and followed by `TAIL`,
they are one stream of the codec.
"""

from __future__ import annotations

import functools
import hashlib
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from autosys_tasks.backup.errors import Damaged
from autosys_tasks.backup.seven_zip.header import encode_number

COPY, LZMA2, DEFLATE, AES = b"\x00", b"\x21", b"\x04\x01\x08", b"\x06\xf1\x07\x01"
TAIL = {COPY: b"", LZMA2: b"\x00", DEFLATE: b"\x03\x00"}
PIECE = 1 << 20  # bytes; the most that is compressed or decoded at once
DICT_BYTE = 18  # how LZMA2 says 2 MiB, the most that one of these needs
# LZMA2 settings of liblzma (docs/decisions/0029 says how they were found).
FOR_SMALL_FILES = {"id": lzma.FILTER_LZMA2, "preset": 1, "lc": 4, "pb": 0, "dict_size": 1 << 21, "depth": 4}
FOR_LARGE_FILE = {**FOR_SMALL_FILES, "dict_size": 1 << 18, "depth": 24}  # a log repeats what was just there
FOR_MANIFEST = {  # mostly hashes, which do not shrink
    **FOR_LARGE_FILE, "dict_size": 1 << 12, "mode": lzma.MODE_NORMAL, "depth": 1, "nice_len": 16, "lc": 0,
}  # fmt: skip
LARGEST_DICT_BYTE = 28  # 64 MiB: 7-Zip's -mx=9; more would be memory for nothing
CYCLES = 19  # 2^19 rounds of SHA-256 make a key, as in 7-Zip


def coder(codec: bytes) -> bytes:
    """A codec as the header describes it."""
    settings = b"\x01" + bytes([DICT_BYTE]) if codec == LZMA2 else b""
    return bytes([len(codec) | (0x20 if settings else 0)]) + codec + settings


def compress(
    codec: bytes,
    data: bytes | bytearray,
    keep_going: Callable[[int], bool] = lambda count: True,
    lzma2: Mapping[str, int] = FOR_SMALL_FILES,
) -> bytes | bytearray:
    """One compressed chunk of a block. The interpreter's lock is released, so threads help.

    `keep_going(count)` is asked before the next `count` bytes: False ends it. `lzma2`: liblzma's settings.
    """
    if codec == COPY:
        keep_going(len(data))
        return data
    compressor: Any = _lzma2_compressor(lzma2, len(data)) if codec == LZMA2 else _deflate_compressor()
    packed = bytearray()
    for at in range(0, len(data), PIECE):
        if not keep_going(min(PIECE, len(data) - at)):
            return b""
        packed += compressor.compress(memoryview(data)[at : at + PIECE])
    packed += compressor.flush()[:-1] if codec == LZMA2 else compressor.flush(zlib.Z_SYNC_FLUSH)  # LZMA2: less its TAIL
    return packed


def _lzma2_compressor(lzma2: Mapping[str, int], size: int) -> Any:
    """A compressor; a small chunk gets a small dictionary: clearing large tables would take longer than the rest."""
    enough = max(1 << 16, 2 * size)
    return lzma.LZMACompressor(lzma.FORMAT_RAW, filters=[{**lzma2, "dict_size": min(lzma2["dict_size"], enough)}])


def _deflate_compressor() -> Any:
    """isal's DEFLATE (extra `fast`: ten times as fast, a tenth larger), else zlib's."""
    isal = _isal()  # level 3 takes twice as long as level 2, for 0 % (logs) to 5 % (source code) less
    return isal.compressobj(2, zlib.DEFLATED, -15) if isal else zlib.compressobj(6, zlib.DEFLATED, -15)


def crc32(data: bytes | bytearray, crc: int = 0) -> int:
    """As zlib.crc32; with isal in a tenth of the time."""
    value: int = (_isal() or zlib).crc32(data, crc)
    return value


@functools.cache
def _isal() -> Any:
    try:
        from isal import isal_zlib
    except ImportError:
        return None
    return isal_zlib


def is_compressible(sample: bytes | bytearray) -> bool:
    """Whether compression saves more than 3 % of a sample (64 KiB are enough)."""
    return len(zlib.compress(sample, 1)) < len(sample) * 0.97


class Cipher(Protocol):
    """A cipher of Cryptodome for one stream."""

    def encrypt(self, data: bytes) -> bytes: ...
    def decrypt(self, data: bytes) -> bytes: ...


class Key:
    """The key derived from a passphrase and a salt, for one archive."""

    def __init__(self, passphrase: str, salt: bytes, cycles: int = CYCLES) -> None:
        self.salt, self.cycles = salt, cycles
        self._key = derive_key(passphrase, salt, cycles)

    def coder(self, iv: bytes) -> bytes:
        """The encryption of a block as the header describes it."""
        settings = bytes([0xC0 | self.cycles, len(self.salt) - 1 << 4 | len(iv) - 1]) + self.salt + iv
        return bytes([0x20 | len(AES)]) + AES + encode_number(len(settings)) + settings

    def cipher(self, iv: bytes) -> Cipher:
        """A new cipher for one block."""
        from Cryptodome.Cipher import AES as AES256

        cipher: Cipher = AES256.new(self._key, AES256.MODE_CBC, iv)
        return cipher


@functools.lru_cache(maxsize=8)  # a tenth of a second each, and one backup is opened several times
def derive_key(passphrase: str, salt: bytes, cycles: int) -> bytes:
    """7-Zip's key derivation: SHA-256 over salt, passphrase and a counter, 2^cycles times in a row."""
    word, digest = salt + passphrase.encode("utf-16-le", "surrogatepass"), hashlib.sha256()
    step = min(1 << cycles, 512)
    for first in range(0, 1 << cycles, step):
        digest.update(b"".join([word + count.to_bytes(8, "little") for count in range(first, first + step)]))
    return digest.digest()


def decrypted(packed: Iterable[bytes], cipher: Cipher, size: int) -> Iterator[bytes]:
    """The first `size` bytes decrypted; the pieces' lengths are multiples of 16."""
    for piece in packed:
        yield cipher.decrypt(piece)[:size]
        size -= min(size, len(piece))


def decoded(codec: bytes, settings: bytes, packed: Iterator[bytes], size: int, fast: bool = False) -> Iterator[bytes]:
    """The `size` bytes of a block in pieces of at most PIECE; raises Damaged, or the codec's error.

    `fast`: DEFLATE by isal where it is installed, in less than half the time; else by zlib.
    """
    inflated = _inflated_by_isal if fast and _isal() else _inflated
    return exactly({COPY: _stored, LZMA2: _decoded_lzma2, DEFLATE: inflated}[codec](settings, packed), size)


def exactly(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The first `size` bytes, in pieces; raises Damaged when there are fewer."""
    while size:
        piece = next(pieces, b"")
        if not piece:
            raise Damaged("a block ends too early")
        yield piece[:size]
        size -= min(size, len(piece))


def _stored(settings: bytes, packed: Iterator[bytes]) -> Iterator[bytes]:
    yield from packed


def lzma2_decoders(settings: bytes) -> Callable[[], lzma.LZMADecompressor]:
    """A function that makes decoders of LZMA2 with these settings. Raises Damaged."""
    if len(settings) != 1 or settings[0] > LARGEST_DICT_BYTE:
        raise Damaged("a block wants more memory than any of ours")
    size = (2 | settings[0] & 1) << (settings[0] // 2 + 11)
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": size}]
    return functools.partial(lzma.LZMADecompressor, lzma.FORMAT_RAW, filters=filters)


def _decoded_lzma2(settings: bytes, packed: Iterator[bytes]) -> Iterator[bytes]:
    decoder = lzma2_decoders(settings)()
    for data in packed:
        yield from _if_any(decoder.decompress(data, PIECE))
        while not decoder.needs_input and not decoder.eof:
            yield from _if_any(decoder.decompress(b"", PIECE))
        if decoder.eof:
            return


def _inflated_by_isal(settings: bytes, packed: Iterator[bytes]) -> Iterator[bytes]:
    return _decompressed(_isal().decompressobj(-15), packed)


def _inflated(settings: bytes, packed: Iterator[bytes]) -> Iterator[bytes]:
    return _decompressed(zlib.decompressobj(-15), packed)


def _decompressed(decoder: Any, packed: Iterator[bytes]) -> Iterator[bytes]:
    for data in packed:
        yield from _if_any(decoder.decompress(data, PIECE))
        while decoder.unconsumed_tail and not decoder.eof:
            yield from _if_any(decoder.decompress(decoder.unconsumed_tail, PIECE))
        if decoder.eof:
            return
    while rest := decoder.decompress(b"", PIECE):  # what is still buffered in it
        yield rest


def _if_any(piece: bytes) -> Iterator[bytes]:
    if piece:
        yield piece

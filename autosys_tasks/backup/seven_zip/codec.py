"""What turns a block's bytes into an archive's and back: LZMA2, DEFLATE, COPY, AES-256. Decoding is bounded in memory.

A block is compressed in chunks that know nothing of one another, so that several threads can do it; one behind the
other, and `TAIL` behind all, they are one stream of the codec.
"""

from __future__ import annotations

import functools
import hashlib
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from autosys_tasks.backup.errors import Damaged
from autosys_tasks.backup.seven_zip.header import number

COPY, LZMA2, DEFLATE, AES = b"\x00", b"\x21", b"\x04\x01\x08", b"\x06\xf1\x07\x01"
TAIL = {COPY: b"", LZMA2: b"\x00", DEFLATE: b"\x03\x00"}
PIECE = 1 << 20  # no decoder is asked for more bytes at once
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
    """How the header names a codec."""
    settings = b"\x01" + bytes([DICT_BYTE]) if codec == LZMA2 else b""
    return bytes([len(codec) | (0x20 if settings else 0)]) + codec + settings


def compress(
    codec: bytes,
    data: bytes | bytearray,
    wanted: Callable[[int], bool] = lambda count: True,
    lzma2: Mapping[str, int] = FOR_SMALL_FILES,
) -> bytes | bytearray:
    """One chunk of a block. The interpreter's lock is released, so threads help.

    `wanted` is told how many bytes come next, and says whether anybody still wants them. `lzma2`: LZMA2's settings.
    """
    if codec == COPY:
        wanted(len(data))
        return data
    squeeze: Any = _lzma2(lzma2, len(data)) if codec == LZMA2 else _deflater()
    packed = bytearray()
    for at in range(0, len(data), PIECE):
        if not wanted(min(PIECE, len(data) - at)):
            return b""
        packed += squeeze.compress(memoryview(data)[at : at + PIECE])
    packed += squeeze.flush()[:-1] if codec == LZMA2 else squeeze.flush(zlib.Z_SYNC_FLUSH)  # LZMA2: less its TAIL
    return packed


def _lzma2(lzma2: Mapping[str, int], size: int) -> Any:
    """As `lzma2` says, but for a small chunk with small tables: to clear large ones would take longer than all else."""
    enough = max(1 << 16, 2 * size)
    return lzma.LZMACompressor(lzma.FORMAT_RAW, filters=[{**lzma2, "dict_size": min(lzma2["dict_size"], enough)}])


def _deflater() -> Any:
    """isal's DEFLATE (extra `fast`: ten times as quick and a tenth larger), else zlib's."""
    isal = _isal()  # its third level takes twice as long as the second: logs become no smaller by it, sources a 20th
    return isal.compressobj(2, zlib.DEFLATED, -15) if isal else zlib.compressobj(6, zlib.DEFLATED, -15)


def crc32(data: bytes | bytearray, before: int = 0) -> int:
    """The CRC of what comes after something whose CRC is `before`: by isal it takes a tenth of the time."""
    value: int = (_isal() or zlib).crc32(data, before)
    return value


@functools.cache
def _isal() -> Any:
    try:
        from isal import isal_zlib
    except ImportError:
        return None
    return isal_zlib


def shrinks(sample: bytes | bytearray) -> bool:
    """Whether compressing is worth it, judged by a sample (64 KiB are enough)."""
    return len(zlib.compress(sample, 1)) < len(sample) * 0.97


class Cipher(Protocol):
    """What Cryptodome makes for one stream."""

    def encrypt(self, data: bytes) -> bytes: ...
    def decrypt(self, data: bytes) -> bytes: ...


class Key:
    """A passphrase made into a key for one archive, with its salt."""

    def __init__(self, passphrase: str, salt: bytes, cycles: int = CYCLES) -> None:
        self.salt, self.cycles = salt, cycles
        self._key = derived(passphrase, salt, cycles)

    def coder(self, iv: bytes) -> bytes:
        """How the header names this encryption of a block."""
        settings = bytes([0xC0 | self.cycles, len(self.salt) - 1 << 4 | len(iv) - 1]) + self.salt + iv
        return bytes([0x20 | len(AES)]) + AES + number(len(settings)) + settings

    def cipher(self, iv: bytes) -> Cipher:
        """What encrypts or decrypts one block."""
        from Cryptodome.Cipher import AES as AES256

        cipher: Cipher = AES256.new(self._key, AES256.MODE_CBC, iv)
        return cipher


@functools.lru_cache(maxsize=8)  # a tenth of a second each, and one backup is opened several times
def derived(passphrase: str, salt: bytes, cycles: int) -> bytes:
    """7-Zip's key of a passphrase: SHA-256 of salt, passphrase and a counter, 2^cycles times in a row."""
    word, digest = salt + passphrase.encode("utf-16-le", "surrogatepass"), hashlib.sha256()
    step = min(1 << cycles, 512)
    for first in range(0, 1 << cycles, step):
        digest.update(b"".join([word + count.to_bytes(8, "little") for count in range(first, first + step)]))
    return digest.digest()


def decrypted(packed: Iterable[bytes], cipher: Cipher, size: int) -> Iterator[bytes]:
    """The first `size` bytes of what was encrypted; the pieces' lengths are multiples of 16."""
    for piece in packed:
        yield cipher.decrypt(piece)[:size]
        size -= min(size, len(piece))


def decoded(codec: bytes, settings: bytes, packed: Iterator[bytes], size: int, fast: bool = False) -> Iterator[bytes]:
    """The `size` bytes of a block in pieces of at most PIECE; raises Damaged, or the codec's error.

    `fast`: DEFLATE by isal where that is there, in less than half the time; else by zlib, whoever packed it.
    """
    inflated = _inflated_by_isal if fast and _isal() else _inflated
    return sized({COPY: _copied, LZMA2: _from_lzma2, DEFLATE: inflated}[codec](settings, packed), size)


def sized(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The first `size` bytes of all; Damaged when there are not so many."""
    while size:
        piece = next(pieces, b"")
        if not piece:
            raise Damaged("a block ends too early")
        yield piece[:size]
        size -= min(size, len(piece))


def _copied(settings: bytes, packed: Iterator[bytes]) -> Iterator[bytes]:
    yield from packed


def unpacker(settings: bytes) -> Callable[[], lzma.LZMADecompressor]:
    """What makes decoders of LZMA2 with these settings; raises Damaged."""
    if len(settings) != 1 or settings[0] > LARGEST_DICT_BYTE:
        raise Damaged("a block wants more memory than any of ours")
    size = (2 | settings[0] & 1) << (settings[0] // 2 + 11)
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": size}]
    return functools.partial(lzma.LZMADecompressor, lzma.FORMAT_RAW, filters=filters)


def _from_lzma2(settings: bytes, packed: Iterator[bytes]) -> Iterator[bytes]:
    decoder = unpacker(settings)()
    for data in packed:
        yield from _some(decoder.decompress(data, PIECE))
        while not decoder.needs_input and not decoder.eof:
            yield from _some(decoder.decompress(b"", PIECE))
        if decoder.eof:
            return


def _inflated_by_isal(settings: bytes, packed: Iterator[bytes]) -> Iterator[bytes]:
    return _out_of(_isal().decompressobj(-15), packed)


def _inflated(settings: bytes, packed: Iterator[bytes]) -> Iterator[bytes]:
    return _out_of(zlib.decompressobj(-15), packed)


def _out_of(decoder: Any, packed: Iterator[bytes]) -> Iterator[bytes]:
    for data in packed:
        yield from _some(decoder.decompress(data, PIECE))
        while decoder.unconsumed_tail and not decoder.eof:
            yield from _some(decoder.decompress(decoder.unconsumed_tail, PIECE))
        if decoder.eof:
            return
    while rest := decoder.decompress(b"", PIECE):  # what it has taken in and not yet given
        yield rest


def _some(piece: bytes) -> Iterator[bytes]:
    if piece:
        yield piece

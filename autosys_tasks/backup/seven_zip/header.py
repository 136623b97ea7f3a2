"""Encodes the header of a 7z archive, as 7-Zip's 7zFormat.txt says and as far as our writer needs it. Pure.

A member is a row of `Columns`; members with bytes follow one another in the order of the blocks that hold them.
"""

from __future__ import annotations

import functools
import stat
import sys
import zlib
from array import array
from collections.abc import Sequence
from typing import NamedTuple

MAGIC = b"7z\xbc\xaf\x27\x1c"
SIGNATURE_SIZE = 32  # bytes before the first block: magic, version, and where the header is (SignatureHeader)
DATA, EMPTY, FOLDER = 0, 1, 2  # what a row is: a member with bytes (a link's are its text), an empty file, a folder

END, HEADER, STREAMS, FILES = b"\x00", b"\x01", b"\x04", b"\x05"
PACKED, CODERS, MEMBERS, SIZES, CRCS, CODER, CODER_SIZES, COUNTS = (bytes([one]) for one in range(6, 14))
IS_EMPTY, IS_FILE, NAMES, TIMES, ATTRIBUTES, ENCODED = (bytes([one]) for one in (14, 15, 17, 20, 21, 23))

READ_ONLY, IS_FOLDER, ARCHIVED = 0x1, 0x10, 0x20  # attributes of Windows
UNIX = 0x8000  # the high 16 bits are a mode
BYTES_NAME = 0x2000  # (not indexed) ours: the name is no text but bytes, as Linux allows
ESCAPE = 0x1300  # from Python's spelling of a byte that is no UTF-8 (U+DC80...) to 7-Zip's (U+EF80...)
EPOCH = 116_444_736_000_000_000  # 1970 in steps of 100 ns since 1601
LATEST = (1 << 63) - 1


class Block(NamedTuple):
    """One compressed stream. `sizes`: bytes that come out of each coder, in their order; `members`: their number."""

    coders: bytes
    packed: int
    sizes: tuple[int, ...]
    members: int


class Columns:
    """The members' properties, one column each: a million members take 30 MB and their names."""

    def __init__(self, columns: tuple[bytes, ...] = (b"",) * 6) -> None:
        names, shapes, times, attributes, sizes, crcs = columns
        self.names = bytearray(names)  # as they are in the header: UTF-16, a zero behind each
        self.shapes = bytearray(shapes)
        self.times = array("Q", times)
        self.attributes = array("I", attributes)
        self.sizes = array("Q", sizes)  # of those with bytes, as are the CRCs
        self.crcs = array("I", crcs)

    def to_bytes(self) -> tuple[bytes, ...]:
        """The columns as bytes, to be given to Columns in another process of this machine."""
        return tuple(map(bytes, (self.names, self.shapes, self.times, self.attributes, self.sizes, self.crcs)))

    def add(self, name: str, shape: int, mtime_ns: int, mode: int, size: int = 0, crc: int = 0) -> None:
        """One more member; `mode` with the bits of its kind."""
        spelled, is_bytes = encode_name(name)
        self.names += f"{spelled}\0".encode("utf-16-le", "surrogatepass")
        self.shapes.append(shape)
        self.times.append(min(max(0, mtime_ns // 100 + EPOCH), LATEST))
        self.attributes.append(_attributes(shape, mode) | (BYTES_NAME if is_bytes else 0))
        if shape == DATA:
            self.sizes.append(size)
            self.crcs.append(crc)

    def extend(self, more: Columns) -> None:
        """Append the members of a finished block, or of a part of one."""
        self.names += more.names
        self.shapes += more.shapes
        self.times += more.times
        self.attributes += more.attributes
        self.sizes += more.sizes
        self.crcs += more.crcs


def encode_name(name: str) -> tuple[str, bool]:
    """A name as an archive has it, and whether it holds bytes that are no UTF-8 (encoded as 7-Zip does)."""
    if name.isascii() or name.isprintable() or not any("\udc80" <= one <= "\udcff" for one in name):
        return name, False
    return "".join(chr(ord(one) + ESCAPE) if "\udc80" <= one <= "\udcff" else one for one in name), True


def link_bytes(text: str) -> bytes:
    """A link's target as the bytes that are its content, the same on every system."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")  # half a character, as Windows allows


@functools.lru_cache(1 << 8)  # few modes come again and again
def _attributes(shape: int, mode: int) -> int:
    kind = IS_FOLDER if shape == FOLDER else ARCHIVED
    return kind | UNIX | (0 if mode & stat.S_IWUSR else READ_ONLY) | (mode & 0xFFFF) << 16


@functools.lru_cache(1 << 12)  # sizes of small files come again and again
def encode_number(value: int) -> bytes:
    """A number as 7z writes it: the ones that begin the first byte say how many bytes follow."""
    for more in range(8):
        if value < 1 << (7 * more + 7):
            low = value & ((1 << 8 * more) - 1)
            return bytes([(0xFF00 >> more) & 0xFF | value >> (8 * more)]) + low.to_bytes(more, "little")
    return b"\xff" + value.to_bytes(8, "little")


def header(blocks: Sequence[Block], columns: Columns) -> bytes:
    """The whole header, neither compressed nor encrypted."""
    streams = STREAMS + _packed(0, blocks) + _coders(blocks) + _members(blocks, columns) + END if blocks else b""
    return HEADER + streams + FILES + _files(columns) + END


def encoded_header(block: Block, at: int, packed_crc: int, crc: int) -> bytes:
    """Where the compressed header is: `at` bytes after the signature header; `crc` is of the decompressed header."""
    return ENCODED + _packed(at, [block], packed_crc) + _coders([block], crc) + END


def signature_header(at: int, following: bytes) -> bytes:
    """The first 32 bytes of the archive; `following`, its last part, begins `at` bytes after them."""
    where = b"".join(
        (at.to_bytes(8, "little"), len(following).to_bytes(8, "little"), zlib.crc32(following).to_bytes(4, "little"))
    )
    return MAGIC + b"\0\x04" + zlib.crc32(where).to_bytes(4, "little") + where


def _packed(at: int, blocks: Sequence[Block], crc: int | None = None) -> bytes:
    sizes = b"".join(encode_number(block.packed) for block in blocks)
    crcs = b"" if crc is None else CRCS + b"\x01" + crc.to_bytes(4, "little")
    return PACKED + encode_number(at) + encode_number(len(blocks)) + SIZES + sizes + crcs + END


def _coders(blocks: Sequence[Block], crc: int | None = None) -> bytes:
    coders = b"".join(block.coders for block in blocks)
    sizes = b"".join(encode_number(size) for block in blocks for size in block.sizes)
    crcs = b"" if crc is None else CRCS + b"\x01" + crc.to_bytes(4, "little")
    return CODERS + CODER + encode_number(len(blocks)) + b"\0" + coders + CODER_SIZES + sizes + crcs + END


def _members(blocks: Sequence[Block], columns: Columns) -> bytes:
    counts = b"".join(encode_number(block.members) for block in blocks)
    sizes, at = bytearray(), 0
    for block in blocks:  # the last one's size is the rest of the block
        sizes += b"".join(map(encode_number, columns.sizes[at : at + block.members - 1]))
        at += block.members
    crcs = b"\x01" + little_endian(columns.crcs).tobytes()
    return MEMBERS + COUNTS + counts + SIZES + bytes(sizes) + CRCS + crcs + END


def _files(columns: Columns) -> bytes:
    parts = [encode_number(len(columns.shapes))]
    if columns.shapes.count(DATA) < len(columns.shapes):
        empty = [shape != DATA for shape in columns.shapes]
        parts.append(_property(IS_EMPTY, _bits(empty)))
        parts.append(_property(IS_FILE, _bits([shape == EMPTY for shape in columns.shapes if shape != DATA])))
    parts.append(_property(NAMES, b"\0" + columns.names))
    parts.append(_property(TIMES, b"\x01\0" + little_endian(columns.times).tobytes()))
    parts.append(_property(ATTRIBUTES, b"\x01\0" + little_endian(columns.attributes).tobytes()))
    return b"".join((*parts, END))


def _property(what: bytes, value: bytes) -> bytes:
    return what + encode_number(len(value)) + value


def _bits(flags: Sequence[bool]) -> bytes:
    count = -(-len(flags) // 8)
    return int("".join("1" if flag else "0" for flag in flags).ljust(8 * count, "0"), 2).to_bytes(count, "big")


def little_endian(numbers: array[int]) -> array[int]:
    """Numbers in little-endian order, as 7z has them."""
    if sys.byteorder == "big":
        numbers = array(numbers.typecode, numbers)
        numbers.byteswap()
    return numbers

"""Parses the header of a 7z archive: its blocks by py7zr's parser, its members by ours (py7zr's changes names).

Bytes in, values out; a wrong header raises any exception, which the reader turns into Damaged.
"""

from __future__ import annotations

import functools
import io
import stat
from array import array
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from autosys_tasks.backup import values
from autosys_tasks.backup.errors import Damaged
from autosys_tasks.backup.seven_zip.codec import AES, COPY, DEFLATE, LZMA2
from autosys_tasks.backup.seven_zip.header import (
    ATTRIBUTES,
    BYTES_NAME,
    ENCODED,
    END,
    EPOCH,
    ESCAPE,
    FILES,
    HEADER,
    IS_EMPTY,
    IS_FILE,
    IS_FOLDER,
    NAMES,
    STREAMS,
    TIMES,
    UNIX,
    little_endian,
)
from autosys_tasks.backup.seven_zip.py7zr_parser import parser

INCONSISTENT = "its header names more in one place than in another"


class Member(NamedTuple):
    """A member of an archive. `kind`: file, folder or link (whose target is its content)."""

    name: str
    kind: str
    size: int
    mtime_ns: int
    mode: int
    crc: int


class BlockInfo(NamedTuple):
    """A compressed stream: where it lies (`at`, from the end of the first 32 bytes), and how it is decoded."""

    at: int
    packed: int  # bytes in the archive
    coded: int  # of them, input of the codec: the rest is padding of AES
    size: int  # bytes after decoding
    codec: bytes
    settings: bytes
    aes: bytes  # AES-256's settings, b"" when it is not encrypted
    members: int
    crc: int | None = None  # of the decoded bytes; packed_crc: of those in the archive; only of a header's block
    packed_crc: int | None = None


class Members:
    """All members of an archive, in its order, as columns: a million of them take 90 MB, a third of a list."""

    def __init__(
        self, names: str, times: array[int], attributes: array[int], empty: bytes, is_file: bytes,
        sizes: array[int], crcs: array[int],
    ) -> None:  # fmt: skip
        self._names, self._rows = names, (times, attributes, empty)
        self._is_file, self._data = is_file, (sizes, crcs)

    def __iter__(self) -> Iterator[Member]:
        data, files, at = zip(*self._data, strict=True), iter(self._is_file), 0
        for time, bits, is_empty in zip(*self._rows, strict=True):
            end = self._names.index("\0", at)
            name, at = self._names[at:end], end + 1
            size, crc = (0, 0) if is_empty else next(data)
            kind, mode = _kind_and_mode(bits, bool(is_empty) and not next(files))
            name = _name(name) if bits & BYTES_NAME else name
            yield Member(name, kind, size, (time - EPOCH) * 100, mode, crc)


def encoded_header(following: bytes) -> BlockInfo | None:
    """Where the compressed header is and how it is packed; None when `following` is the header itself."""
    if following[:1] == HEADER:
        return None
    if following[:1] != ENCODED:
        raise Damaged("its header is none")
    streams = parser().HeaderStreamsInfo.retrieve(io.BytesIO(following[1:]))
    [packed] = _blocks(streams.packinfo, streams.unpackinfo.folders, [1])
    [crc] = streams.packinfo.crcs or [None]
    return packed._replace(crc=streams.unpackinfo.folders[0].crc, packed_crc=crc)


def contents(header: bytes) -> tuple[list[BlockInfo], Members]:
    """The blocks and, in the archive's order, the members; those with bytes are in the blocks one after the other."""
    source = io.BytesIO(header)
    kind = source.read(1) + source.read(1)
    if kind == HEADER + FILES:
        return [], _members(source, [], [])
    if kind != HEADER + STREAMS:
        raise Damaged("its header is none")
    streams = parser().StreamsInfo.retrieve(source)
    inside = streams.substreamsinfo
    blocks = _blocks(streams.packinfo, streams.unpackinfo.folders, inside.num_unpackstreams_folders)
    if source.read(1) != FILES or not all(inside.digestsdefined):
        raise Damaged("its header names no files, or none of their checksums")
    return blocks, _members(source, inside.unpacksizes, inside.digests)


def _blocks(packinfo: Any, folders: Sequence[Any], counts: Sequence[int]) -> list[BlockInfo]:
    if not len(packinfo.packsizes) == len(folders) == len(counts):
        raise Damaged(INCONSISTENT)
    rows = zip(folders, packinfo.packpositions, packinfo.packsizes, counts, strict=False)
    return [_block(folder, packinfo.packpos + at, size, count) for folder, at, size, count in rows]


def _block(folder: Any, at: int, packed: int, members: int) -> BlockInfo:
    coders, sizes = folder.coders, folder.unpacksizes
    bind_pairs = [(one.incoder, one.outcoder) for one in folder.bindpairs]
    aes = coders[0]["properties"] if coders[0]["method"] == AES else b""
    is_supported = len(coders) == len(sizes) == (2 if aes else 1) and bind_pairs == ([(1, 0)] if aes else [])
    if not is_supported or coders[-1]["method"] not in (COPY, LZMA2, DEFLATE):
        raise Damaged("it is packed in a way that none of ours is: another program wrote it")
    if aes and (packed % 16 or sizes[0] > packed):
        raise Damaged("an encrypted block has an impossible size")
    codec, settings = coders[-1]["method"], coders[-1]["properties"] or b""
    return BlockInfo(at, packed, sizes[0] if aes else packed, sizes[-1], codec, settings, aes, members)


def _members(source: io.BytesIO, sizes: Sequence[int], crcs: Sequence[int]) -> Members:
    count = _number(source)
    found = dict(_properties(source))
    names = str(memoryview(found.pop(NAMES))[1:], "utf-16-le", "surrogatepass")
    times, attributes = _numbers("Q", found[TIMES]), _numbers("I", found[ATTRIBUTES])
    if not count == names.count("\0") == len(times) == len(attributes):  # before anything is as long as `count` says
        raise Damaged(INCONSISTENT)
    empty = _flags(found.get(IS_EMPTY, b""), count)
    is_file = _flags(found.get(IS_FILE, b""), sum(empty))
    if not count - sum(empty) == len(sizes) == len(crcs) or min(sizes, default=1) < 1:
        raise Damaged(INCONSISTENT)
    return Members(names, times, attributes, bytes(empty), bytes(is_file), array("Q", sizes), array("I", crcs))


def _properties(source: io.BytesIO) -> list[tuple[bytes, bytes]]:
    found = []
    while (what := source.read(1)) != END:
        size = _number(source)
        value = source.read(size)
        if not what or len(value) != size:
            raise Damaged("its header ends too early")
        found.append((what, value))
    return found


def _number(source: io.BytesIO) -> int:
    return int(parser().read_uint64(source))


def _numbers(kind: str, value: bytes) -> array[int]:
    if value[:2] != b"\x01\0":
        raise Damaged("its header lacks the time or the attributes of some member")
    return little_endian(array(kind, value[2:]))


def _flags(value: bytes, count: int) -> list[bool]:
    bits = f"{int.from_bytes(value, 'big'):0{8 * len(value)}b}" if value else ""
    return [one == "1" for one in bits[:count].ljust(count, "0")]


@functools.lru_cache(maxsize=64)  # members differ little in them
def _kind_and_mode(bits: int, folder: bool) -> tuple[str, int]:
    mode = stat.S_IMODE(bits >> 16) if bits & UNIX else 0o755 if bits & IS_FOLDER else 0o644
    if folder:
        return values.FOLDER, mode
    return values.LINK if bits & UNIX and stat.S_ISLNK(bits >> 16) else values.FILE, mode


def _name(name: str) -> str:
    return "".join(chr(ord(one) - ESCAPE) if "\uef80" <= one <= "\uefff" else one for one in name)

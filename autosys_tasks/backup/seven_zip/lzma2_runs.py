"""Decodes LZMA2 in several threads: a block that was compressed in chunks consists of independent runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor

from autosys_tasks.backup import threads
from autosys_tasks.backup.seven_zip.codec import LZMA2, TAIL, exactly, lzma2_decoders

HEAD = 5  # bytes at the beginning of an LZMA2 chunk that give its length: a control byte, two sizes of two
RESETS = (0x01, *range(0xE0, 0x100))  # control bytes that reset the dictionary
LARGEST = 32 << 20  # bytes of a block that is decoded by runs: those of a larger one may be too long


def decoded(settings: bytes, packed: Iterator[bytes], size: int, pool: Executor) -> Iterator[bytes]:
    """The `size` bytes of a block, run by run; `pool` decodes the next runs meanwhile. Raises Damaged, LZMAError."""
    new_decoder = lzma2_decoders(settings)

    def run(data: bytes) -> bytes:
        return new_decoder().decompress(data, size)

    return exactly(threads.ordered_map(run, runs(packed), pool), size)


def runs(packed: Iterable[bytes]) -> Iterator[bytes]:
    """LZMA2 data cut where the dictionary is reset; each run gets an end marker. Other data comes unchanged."""
    data, at = bytearray(), 0  # at: where the next header is
    for piece in packed:
        data += piece
        while at + HEAD <= len(data) and (length := _chunk_length(data, at)):
            if at and data[at] in RESETS:
                yield bytes(data[:at]) + TAIL[LZMA2]
                del data[:at]
                at = 0
            at += length
    yield bytes(data)


def _chunk_length(data: bytearray, at: int) -> int:
    """The length of the LZMA2 chunk that begins at `at`, its header included; 0: the end, or no LZMA2 chunk."""
    control = data[at]
    if control >= 0x80:
        return (6 if control >= 0xC0 else 5) + 1 + int.from_bytes(data[at + 3 : at + 5], "big")
    return 3 + 1 + int.from_bytes(data[at + 1 : at + 3], "big") if control in (1, 2) else 0

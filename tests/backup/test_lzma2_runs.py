"""LZMA2 data are cut where the dictionary is forgotten, wherever else they come in two, and come out whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import rig
from hypothesis import given, settings
from hypothesis import strategies as st
from packing import text

from autosys_tasks.backup.errors import Damaged
from autosys_tasks.backup.seven_zip import lzma2_runs
from autosys_tasks.backup.seven_zip.codec import DICT_BYTE, LZMA2, TAIL, compress

CHUNKS = [text(70_000, 1), os.urandom(150_000), b"x", bytes(5_000_000), text(3000, 2)]
PACKED = [compress(LZMA2, chunk) for chunk in CHUNKS]
SETTINGS = bytes([DICT_BYTE])


def pieces(data: bytes, length: int) -> Iterator[bytes]:
    return (data[at : at + length] for at in range(0, len(data), length))


@settings(max_examples=rig.examples(25), deadline=None)
@given(
    st.lists(st.sampled_from(range(len(CHUNKS))), min_size=1, max_size=6), st.sampled_from([1, 5, 6, 7, 1000, 65_536])
)
def test_each_chunk_is_a_run_that_needs_no_other(numbers: list[int], length: int) -> None:
    chunks, whole = [CHUNKS[number] for number in numbers], b"".join(CHUNKS[number] for number in numbers)
    packed = b"".join(bytes(PACKED[number]) for number in numbers) + TAIL[LZMA2]
    assert len(list(lzma2_runs.runs(pieces(packed, length)))) == len(chunks)
    with ThreadPoolExecutor(2) as pool:
        out = list(lzma2_runs.decoded(SETTINGS, pieces(packed, length), len(whole), pool))
    assert b"".join(out) == whole and len(out) == len(chunks)


@given(st.binary(max_size=200), st.integers(1, 50))
def test_what_is_no_lzma2_is_lost_nowhere(data: bytes, length: int) -> None:
    runs = list(lzma2_runs.runs(pieces(data, length)))
    assert b"".join(run.removesuffix(TAIL[LZMA2]) for run in runs[:-1]) + runs[-1] == data


def test_less_than_was_promised_and_a_dictionary_of_any_size_are_damage() -> None:
    packed = bytes(PACKED[0]) + TAIL[LZMA2]
    with ThreadPoolExecutor(2) as pool:
        with pytest.raises(Damaged, match="too early"):
            list(lzma2_runs.decoded(SETTINGS, iter([packed]), len(CHUNKS[0]) + 1, pool))
        with pytest.raises(Damaged, match="more memory"):
            list(lzma2_runs.decoded(b"\xff", iter([packed]), 1, pool))

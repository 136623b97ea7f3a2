"""How small a manifest is beside what LZMA2 at preset 1 makes of it, and where it lies."""

from __future__ import annotations

import io
import lzma
import random
import tracemalloc
from pathlib import Path

import pytest

from autosys_tasks.backup.manifest_text import rows_of
from autosys_tasks.backup.seven_zip import write as seven_zip_write
from autosys_tasks.backup.seven_zip.codec import DICT_BYTE, FOR_SMALL_FILES, LZMA2, PIECE, TAIL, compress, decoded
from autosys_tasks.backup.seven_zip.read import Archive
from autosys_tasks.backup.seven_zip.write import Writer
from autosys_tasks.backup.values import FILE, MANIFEST, Entry

PRESET = {"id": lzma.FILTER_LZMA2, "preset": 1}  # a dictionary of 1 MiB: what archives of autosys 0.1.0 were made with


def listing(count: int) -> bytes:
    """The lines of a manifest."""
    rng = random.Random(7)
    return b"".join(
        rows_of(
            Entry(f"notes/{number:06d}.md", FILE, rng.randrange(3600), 1_795_000_000_000_000_000 + rng.getrandbits(40),
                  0o644, rng.randbytes(32).hex(), stamp=(10_000 + number, 1_795_000_000_000_000_000 + number))
            for number in range(count)
        )
    )  # fmt: skip


def packed(path: Path, files: dict[str, bytes]) -> int:
    """The bytes of an archive of these."""
    with Writer(path, threads=2) as writer:
        for name, data in files.items():
            writer.add_file(name, io.BytesIO(data), 0, 0o644)
        return writer.finish()[0]


def by_preset(data: bytes) -> int:
    return len(lzma.compress(data, lzma.FORMAT_RAW, filters=[PRESET]))


@pytest.mark.parametrize("block", [1 << 20, 16 << 20])
def test_a_manifest_takes_a_seventh_less_and_lies_last_in_a_block_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    """Also one that is longer than a block."""
    monkeypatch.setattr(seven_zip_write, "BLOCK", block)
    monkeypatch.setattr(seven_zip_write, "CHUNK", min(block, seven_zip_write.CHUNK))
    data, path = listing(9000), tmp_path / "a.7z"
    empty = packed(path, {"a.txt": b"text\n", "z.zip": b"PK"})
    size = packed(path, {"a.txt": b"text\n", "z.zip": b"PK", MANIFEST: data})
    assert size - empty < by_preset(data) * 0.86
    with Archive(path) as archive:
        assert [member.name for member in archive.members()][-1] == MANIFEST
        assert b"".join(archive.stream(MANIFEST)) == data
    raw = path.read_bytes()
    path.write_bytes(raw[:32] + bytes(8) + raw[40:])  # the first block
    with Archive(path) as archive:
        assert b"".join(archive.stream(MANIFEST)) == data


@pytest.mark.parametrize("size", [0, 1, 1000, 300_000, 1 << 20])
def test_a_small_chunk_needs_small_tables_and_becomes_as_small(size: int) -> None:
    """A night in which nothing changed packs a page of text: tables for 2 MiB took more memory than all its modules."""
    data = listing(size // 200 + 1)[:size]
    tracemalloc.start()
    made = bytes(compress(LZMA2, data))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < (2 << 20) + 24 * size
    assert len(made) <= len(lzma.compress(data, lzma.FORMAT_RAW, filters=[FOR_SMALL_FILES])) * 1.01
    whole = made + TAIL[LZMA2]
    assert b"".join(decoded(LZMA2, bytes([DICT_BYTE]), iter([whole]), size)) == data


@pytest.mark.parametrize(("settings", "dict_size"), [(14, 1 << 19), (16, 1 << 20), (18, 1 << 21)])
def test_blocks_with_another_dictionary_are_read(settings: int, dict_size: int) -> None:
    """Those of earlier archives, too."""
    once = random.Random(8).randbytes(dict_size * 9 // 10 if dict_size < 1 << 22 else 900_000)
    data = once + once  # the second is found only by who remembers the first
    made = lzma.compress(data, lzma.FORMAT_RAW, filters=[{**PRESET, "dict_size": dict_size}])
    assert len(made) < len(data) * 0.6
    pieces = [made[at : at + PIECE] for at in range(0, len(made), PIECE)]
    assert b"".join(decoded(LZMA2, bytes([settings]), iter(pieces), len(data))) == data


def test_what_small_files_share_is_kept_once_though_a_megabyte_lies_between(tmp_path: Path) -> None:
    """As in folders that hold the same packages."""
    rng = random.Random(9)
    package = {f"{number}.js": rng.randbytes(50_000) for number in range(20)}  # too small, each, for a sample
    between = {f"b/{number}.js": rng.randbytes(50_000) for number in range(15)}
    twice = {f"{folder}/{name}": data for folder in "ac" for name, data in package.items()}
    size = packed(tmp_path / "a.7z", dict(sorted({**twice, **between}.items())))
    assert size < 1_850_000, "1.75 MB of different bytes, in 2.75 MB of files"
    with Archive(tmp_path / "a.7z") as archive:
        assert b"".join(archive.stream("c/7.js")) == package["7.js"]

"""Our 7z archives: 7-Zip, py7zr and our reader find in them what was packed, and nothing of what could not be read."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
import rig
from packing import CODECS, WHEN, Item, by_py7zr, noise, on_disk, pack, seven_zip, text, tree, unpacked

from autosys_tasks.backup.errors import Damaged, NeedsPassphrase
from autosys_tasks.backup.seven_zip import codec as seven_zip_codec
from autosys_tasks.backup.seven_zip import write as seven_zip_write
from autosys_tasks.backup.seven_zip.codec import DICT_BYTE, _deflate_compressor, coder
from autosys_tasks.backup.seven_zip.header import FILES, Block, Columns, _coders, _packed, encode_number, header
from autosys_tasks.backup.seven_zip.read import Archive, Member
from autosys_tasks.backup.seven_zip.write import BLOCK, CHUNK, Writer
from autosys_tasks.core.errors import StateError

PASSPHRASES = ("", "비밀 🔑 word")
POSIX = pytest.mark.only("posix")  # where an extracted file has its mode, and any name


def seen(items: list[Item]) -> list[tuple[str, str, bytes]]:
    return sorted((item.name, item.kind, item.data) for item in items)


def with_parents(items: list[Item]) -> list[Item]:
    """`items` and the folders they lie in, which an extracting program makes."""
    named = {item.name for item in items}
    above = {parent.as_posix() for item in items for parent in Path(item.name).parents} - named - {"."}
    return sorted([*items, *(Item(name, "folder") for name in above)])


@pytest.mark.parametrize("passphrase", PASSPHRASES)
@pytest.mark.parametrize("codec", CODECS)
def test_our_reader_finds_all_that_was_packed(tmp_path: Path, codec: str, passphrase: str) -> None:
    size, digest = pack(tmp_path / "a.7z", tree(codec), codec=codec, passphrase=passphrase)
    raw = (tmp_path / "a.7z").read_bytes()
    assert (size, digest) == (len(raw), hashlib.sha256(raw).hexdigest())
    assert unpacked(tmp_path / "a.7z", passphrase) == sorted(tree(codec))


@POSIX
@pytest.mark.capability("7zz")
@pytest.mark.parametrize("passphrase", PASSPHRASES)
@pytest.mark.parametrize("codec", CODECS)
def test_7zip_finds_all_that_was_packed(tmp_path: Path, codec: str, passphrase: str) -> None:
    pack(tmp_path / "a.7z", tree(codec), codec=codec, passphrase=passphrase)
    found = seven_zip(tmp_path / "a.7z", tmp_path / "out", passphrase)
    assert seen(found) == seen(with_parents(tree(codec)))
    facts = {item.name: (item.mode, item.mtime_ns) for item in found}
    for item in tree(codec):
        assert item.kind == "link" or facts[item.name] == (item.mode, WHEN), item.name


@POSIX
@pytest.mark.parametrize("passphrase", PASSPHRASES)
@pytest.mark.parametrize("codec", CODECS)
def test_py7zr_finds_all_that_was_packed(tmp_path: Path, codec: str, passphrase: str) -> None:
    pack(tmp_path / "a.7z", tree(codec), codec=codec, passphrase=passphrase)
    assert seen(by_py7zr(tmp_path / "a.7z", tmp_path / "out", passphrase)) == seen(with_parents(tree(codec)))


@pytest.mark.parametrize(
    ("bulk", "passphrase"),
    [
        (False, ""),
        (True, PASSPHRASES[1]),
        pytest.param(True, "", marks=pytest.mark.live),
        pytest.param(False, PASSPHRASES[1], marks=pytest.mark.live),
    ],
)
def test_large_files_stream_through_a_block_of_their_own(tmp_path: Path, bulk: bool, passphrase: str) -> None:
    items = [
        Item("exactly.log", "file", bytes(CHUNK)),
        Item("large.log", "file", bytes(2 * BLOCK + 12345)),
        Item("noise.bin", "file", noise(BLOCK + 7)),
        Item("small.txt", "file", b"small"),
    ]
    pack(tmp_path / "a.7z", items, codec="deflate" if bulk else "lzma2", passphrase=passphrase)
    assert unpacked(tmp_path / "a.7z", passphrase) == sorted(items)
    if os.name == "posix":
        assert seen(by_py7zr(tmp_path / "a.7z", tmp_path / "out", passphrase)) == seen(items)


def test_small_files_are_compressed_while_their_block_fills(tmp_path: Path) -> None:
    told: list[int] = []
    with Writer(tmp_path / "a.7z", bulk=True, tell_bytes=told.append) as writer:
        for number in range(5):
            writer.add_file(f"{number}.log", io.BytesIO(text(1 << 20, number)), WHEN, 0o644)
        rig.wait_for(lambda: sum(told) >= CHUNK)
        assert sum(told) < 5 << 20, "what still waits for more is in no thread's hands"
        writer.finish()
    assert sum(told) >= 5 << 20


@pytest.mark.parametrize("codec", CODECS)
def test_blocks_of_two_codecs_that_fill_at_once_are_each_in_one_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str
) -> None:
    monkeypatch.setattr(seven_zip_write, "CHUNK", 90_000)
    items = [
        Item(f"{number:02d}.{'zip' if number % 2 else 'txt'}", "file", (noise if number % 2 else text)(40_000, number))
        for number in range(24)
    ]
    pack(tmp_path / "a.7z", items, codec=codec)
    assert unpacked(tmp_path / "a.7z") == items


def test_an_archive_of_nothing_is_one(tmp_path: Path) -> None:
    pack(tmp_path / "a.7z", [])
    assert unpacked(tmp_path / "a.7z") == []
    pack(tmp_path / "b.7z", [Item("only/empty", "file"), Item("folder", "folder", mode=0o700)])
    assert [item.name for item in unpacked(tmp_path / "b.7z")] == ["folder", "only/empty"]


def test_an_archive_is_for_its_user_alone_and_none_before_it_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "a.7z.part"
    with pytest.raises(KeyboardInterrupt), Writer(path) as writer:
        writer.add_file("a.txt", io.BytesIO(b"a"), WHEN, 0o644)
        raise KeyboardInterrupt
    with pytest.raises(Damaged, match="never finished"):
        Archive(path)
    assert os.name != "posix" or stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_read_to_its_end_leaves_nothing_behind(tmp_path: Path) -> None:
    """Whether it breaks in its first bytes or after some blocks are in the file."""
    path = tmp_path / "a.7z"
    items = [Item("before.txt", "file", text(5000)), Item("after.txt", "file", text(7000, 2))]
    with Writer(path, threads=1, bulk=True) as writer:
        writer.add_file("before.txt", io.BytesIO(items[0].data), WHEN, 0o644)
        for good in (0, 100, CHUNK, CHUNK + 1, 5 * BLOCK):
            with pytest.raises(PermissionError):
                writer.add_file("locked.bin", cast(BinaryIO, Breaks(good)), WHEN, 0o644)
        writer.add_file("after.txt", io.BytesIO(items[1].data), WHEN, 0o644)
        writer.finish()
    assert unpacked(path) == sorted(items)
    assert path.stat().st_size < 20_000


class Breaks:
    """A source of `good` zeros that is locked by then."""

    def __init__(self, good: int) -> None:
        self.good = good

    def read(self, size: int) -> bytes:
        if not self.good:
            raise PermissionError(13, "locked by another program")
        given = min(size, self.good)
        self.good -= given
        return bytes(given)


@pytest.mark.only("linux")
def test_a_full_disk_is_an_error_of_the_archive_not_of_the_file(tmp_path: Path) -> None:
    """At the first byte, and in the middle of a large file (where the file may not grow any more)."""
    import resource

    with pytest.raises(StateError, match="No space left"):
        Writer(Path("/dev/full"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    source, part = io.BytesIO(noise(4 * BLOCK)), tmp_path / "a.7z.part"
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (BLOCK + 5000, before[1]))
        with pytest.raises(StateError, match="too large"), Writer(part, threads=1) as writer:
            writer.add_file("noise.bin", source, WHEN, 0o644)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with pytest.raises(Damaged, match="never finished"):
        Archive(part)


def test_nobody_reads_on_in_a_file_that_was_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read ahead is waited for: another file could have got the number of the one that is closed then."""
    source, chunks = Slow(), iter(range(9))

    def compressed(*_: object) -> Future[bytes]:
        if next(chunks):
            source.given_up.set()
            raise KeyboardInterrupt
        return Future()

    monkeypatch.setattr(Writer, "_submit", compressed)
    with Writer(tmp_path / "a.7z", bulk=True) as writer:
        with pytest.raises(KeyboardInterrupt):
            writer.add_file("large.log", cast(BinaryIO, source), WHEN, 0o644)
        assert source.begun == source.ended == 3


class Slow:
    """A source that gives its third part only when nobody wants it any more."""

    def __init__(self) -> None:
        self.begun = self.ended = 0
        self.given_up = threading.Event()

    def read(self, size: int) -> bytes:
        self.begun += 1
        if self.begun == 3:
            assert self.given_up.wait(60)
            for _ in range(10**5):  # for as long as a thread is left to itself, and more
                pass
        self.ended += 1
        return bytes(size)


@pytest.mark.parametrize("failing", [1, 3])
def test_what_the_disk_refuses_while_more_is_written_is_an_error_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """It says so once, to whoever asks first: all that comes after would seem to lie there."""
    told = []

    def flush(fd: int) -> None:
        told.append(fd)
        if len(told) == failing:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(seven_zip_write, "FLUSH_BYTES", 1 << 20)
    monkeypatch.setattr(os, "fsync", flush)
    with pytest.raises(StateError, match="Input/output error"), Writer(tmp_path / "a.7z.part", threads=1) as writer:
        writer.add_file("noise.bin", io.BytesIO(noise(BLOCK)), WHEN, 0o644)
        writer.finish()
    assert len(told) > 3


def test_a_member_is_read_without_the_blocks_before_it(tmp_path: Path) -> None:
    """The large first block is broken; the manifest, in a block of its own, is found all the same."""
    path = tmp_path / "a.7z"
    items = [Item("large.bin", "file", noise(BLOCK)), Item(".autosys/manifest.json", "file", b'{"a":1}')]
    pack(path, items)
    raw = bytearray(path.read_bytes())
    raw[1000] ^= 1
    path.write_bytes(raw)
    with Archive(path) as archive:
        assert b"".join(archive.stream(".autosys/manifest.json")) == b'{"a":1}'
        taken: list[bytes] = []
        archive.read([".autosys/manifest.json"], lambda member, pieces: taken.extend(pieces))
        assert taken == [b'{"a":1}']
        with pytest.raises(Damaged, match="CRC"):
            archive.read(["large.bin"], lambda member, pieces: list(pieces) and None)
        with pytest.raises(Damaged, match="there is no `other`"):
            archive.stream("other")


def test_a_sink_that_takes_only_some_bytes_or_catches_damage_gets_the_next_member(tmp_path: Path) -> None:
    path = tmp_path / "a.7z"
    items = [Item(f"{n}.png", "file", noise(3000, n)) for n in range(5)]
    pack(path, items)
    raw = bytearray(path.read_bytes())
    raw[32 + 3000 * 2 + 5] ^= 0x40  # within 2.png
    path.write_bytes(raw)
    told: dict[str, Any] = {}

    def sink(member: Member, pieces: Iterator[bytes]) -> None:
        try:
            told[member.name] = len(next(pieces) if member.name == "1.png" else b"".join(pieces))
        except Damaged as error:
            told[member.name] = error.message

    with Archive(path) as archive:
        archive.read(None, sink)
    assert "CRC" in told.pop("2.png")
    assert told == {f"{n}.png": 3000 for n in (0, 1, 3, 4)}


@pytest.mark.parametrize("codec", CODECS)
def test_without_the_passphrase_not_even_names_are_told(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "a.7z"
    pack(path, tree(codec), codec=codec, passphrase="right")
    for wrong in ("", "wrong"):
        with pytest.raises(NeedsPassphrase):
            Archive(path, wrong)
    raw = path.read_bytes()
    assert not any(item.name.encode("utf-16-le") in raw for item in tree())


@POSIX
@pytest.mark.capability("7zz")
def test_7zip_wants_the_passphrase_too(tmp_path: Path) -> None:
    pack(tmp_path / "a.7z", tree(), passphrase="right")
    with pytest.raises(AssertionError, match=r"Wrong password|Cannot open encrypted"):
        seven_zip(tmp_path / "a.7z", tmp_path / "out", "wrong")
    assert not (tmp_path / "out").exists() or on_disk(tmp_path / "out") == []


@pytest.mark.parametrize("fast", [True, False])
def test_deflate_is_the_same_stream_to_all_whoever_made_it(
    tmp_path: Path, fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """isal's, and zlib's where the extra `fast` is not installed."""
    if not fast:
        monkeypatch.setitem(sys.modules, "isal", None)
        monkeypatch.setattr(seven_zip_codec, "_isal", seven_zip_codec._isal.__wrapped__)
    module = type(_deflate_compressor()).__module__
    assert ("isal" in module) == fast, module
    items = [Item("large.log", "file", text(BLOCK + 999)), Item("a.txt", "file", text(5000))]
    pack(tmp_path / "a.7z", items, codec="deflate")
    assert unpacked(tmp_path / "a.7z") == sorted(items)
    assert seen(by_py7zr(tmp_path / "a.7z", tmp_path / "out")) == seen(items)


def test_zlib_proves_what_isal_has_packed_and_isal_unpacks_what_is_proven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault in isal's own packing is found before an archive has its name."""
    path, used = tmp_path / "a.7z", []
    pack(path, [Item("a.txt", "file", text(5000))], codec="deflate")
    for name in ("_inflated", "_inflated_by_isal"):
        real = getattr(seven_zip_codec, name)
        monkeypatch.setattr(seven_zip_codec, name, lambda *args, r=real, n=name: used.append(n) or r(*args))
    for independent, by in ((True, "_inflated"), (False, "_inflated_by_isal")):
        with Archive(path, independent=independent) as archive:
            used.clear()
            archive.read(None, lambda member, pieces: list(pieces))
        assert used == [by]


def test_the_parts_of_py7zr_that_are_not_public_are_as_we_know_them() -> None:
    """Its header parser: this fails first when another version changes it."""
    from py7zr.archiveinfo import Bond, Folder, HeaderStreamsInfo, StreamsInfo, read_uint64

    raw = _coders([Block(b"\x01" + coder(b"\x21"), 7, (9,), 2)], 5)
    streams = HeaderStreamsInfo.retrieve(io.BytesIO(_packed(3, [Block(b"", 7, (9,), 2)], 4) + raw + b"\0"))
    [folder] = streams.unpackinfo.folders
    assert isinstance(folder, Folder) and folder.coders == [
        {"method": b"\x21", "properties": bytes([DICT_BYTE]), "numinstreams": 1, "numoutstreams": 1}
    ]
    assert (folder.unpacksizes, folder.crc, folder.bindpairs) == ([9], 5, [])
    packed = streams.packinfo
    assert (packed.packpos, packed.packsizes, packed.packpositions[0], packed.crcs) == (3, [7], 0, [4])
    columns = Columns()
    for name, size in (("a", 4), ("b", 5)):
        columns.add(name, 0, 0, 0, size, size)
    source = io.BytesIO(header([Block(b"\x01" + coder(b"\x21"), 7, (9,), 2)], columns)[2:])
    inside = StreamsInfo.retrieve(source).substreamsinfo
    assert (inside.num_unpackstreams_folders, inside.unpacksizes) == ([2], [4, 5])
    assert (inside.digests, inside.digestsdefined) == ([4, 5], [True, True])
    assert source.read(1) == FILES
    assert vars(Bond(1, 0)) == {"incoder": 1, "outcoder": 0}
    for value in (0, 127, 128, 16383, 16384, 2**21, 2**35 + 1, 2**56 - 1, 2**56, 2**64 - 1):
        assert read_uint64(io.BytesIO(encode_number(value))) == value


def test_the_parser_of_py7zr_comes_alone_and_leaves_py7zr_as_it_is() -> None:
    """What it would have loaded takes as long as a night in which nothing changed."""
    code = (
        "import sys; from autosys_tasks.backup.seven_zip.py7zr_parser import parser; one = parser();"
        "print(one.__name__, [name for name in ('py7zr', 'bcj', 'Cryptodome') if name in sys.modules]);"
        "import py7zr, py7zr.archiveinfo as whole; print(whole is one, whole.SevenZipDecompressor.__name__)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == ["py7zr.archiveinfo []", "False SevenZipDecompressor"]

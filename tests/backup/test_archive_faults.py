"""Broken archives: every change is found as Damaged or harmless to what was packed; nothing hangs or fills memory."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from packing import CODECS, damage_of, noise, pack, tree, unpacked

from autosys_tasks.backup.errors import Damaged, NeedsPassphrase
from autosys_tasks.backup.seven_zip.codec import coder, compress
from autosys_tasks.backup.seven_zip.header import DATA, EMPTY, FOLDER, Block, Columns, header, signature_header
from autosys_tasks.backup.seven_zip.read import Archive

FAULTS = 240
Fault = Callable[[bytearray, random.Random], None]


def flip(raw: bytearray, rng: random.Random) -> None:
    raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)


def overwrite(raw: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(raw))
    raw[at : at + rng.randrange(1, 600)] = rng.randbytes(rng.randrange(1, 600))


def wipe(raw: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(raw))
    end = min(len(raw), at + 512)
    raw[at:end] = bytes(end - at)


def cut(raw: bytearray, rng: random.Random) -> None:
    del raw[rng.randrange(len(raw)) :]


def cut_out(raw: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(raw))
    del raw[at : at + rng.randrange(1, 400)]


def insert(raw: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(raw))
    raw[at:at] = rng.randbytes(rng.randrange(1, 50))


def swap(raw: bytearray, rng: random.Random) -> None:
    size = rng.randrange(1, 300)
    one, other = sorted(rng.randrange(len(raw) - size) for _ in range(2))
    raw[one : one + size], raw[other : other + size] = raw[other : other + size], raw[one : one + size]


KINDS: tuple[Fault, ...] = (flip, flip, flip, overwrite, wipe, cut, cut_out, insert, swap)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("passphrase", ["", "pass"])
@pytest.mark.parametrize("codec", CODECS)
def test_every_fault_is_found_or_harmless(tmp_path: Path, codec: str, passphrase: str) -> None:
    path, rng = tmp_path / "a.7z", random.Random(f"{codec} {passphrase}")
    pack(path, tree(codec), codec=codec, passphrase=passphrase)
    raw, harmless, escaped = path.read_bytes(), 0, []
    for number in range(FAULTS):
        changed, fault = bytearray(raw), rng.choice(KINDS)
        fault(changed, rng)
        path.write_bytes(changed)
        why = damage_of(path, tree(codec), passphrase)
        harmless += not why
        if "no word of it" in why:
            escaped.append((number, fault.__name__))
    assert not escaped
    assert harmless < FAULTS / 4  # a test that finds most faults harmless would prove nothing


def test_a_foreign_file_is_named_as_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.7z"
    for content, why in (
        (b"", "no 7z archive"),
        (b"PK\3\4" + bytes(50), "no 7z archive"),
        (b"7z\xbc\xaf\x27\x1c", "no 7z archive"),
        (bytes(4096), "never finished"),
        (noise(5000), "no 7z archive"),
    ):
        path.write_bytes(content)
        with pytest.raises(Damaged, match=why):
            Archive(path)
    with pytest.raises(Damaged, match="there is no"):
        Archive(tmp_path / "none.7z")
    with pytest.raises(Damaged, match=r"cannot be read|there is no"):  # Windows and Linux differ in their word for it
        Archive(tmp_path)


def test_what_another_program_packed_is_refused(tmp_path: Path) -> None:
    import py7zr

    with py7zr.SevenZipFile(tmp_path / "a.7z", "w") as archive:
        archive.writestr(b"some text" * 500, "a.txt")
    with pytest.raises(Damaged, match="another program wrote it"):
        unpacked(tmp_path / "a.7z")


# Headers that somebody made up: all their checksums are right


def crafted() -> tuple[bytes, bytes]:
    """A block, and the header to it, neither compressed."""
    columns, data = Columns(), b"one" * 500
    columns.add("a.txt", DATA, 0, 0o100644, 600, zlib.crc32(data[:600]))
    columns.add("b/c.txt", DATA, 0, 0o100644, 900, zlib.crc32(data[600:]))
    columns.add("empty", EMPTY, 0, 0o100644)
    columns.add("b", FOLDER, 0, 0o040755)
    packed = bytes(compress(b"\x21", data)) + b"\0"
    return packed, header([Block(b"\x01" + coder(b"\x21"), len(packed), (1500,), 2)], columns)


def whole(packed: bytes, said: bytes) -> bytes:
    return signature_header(len(packed), said) + packed + said


def test_a_crafted_archive_is_one(tmp_path: Path) -> None:
    """Else the next test would prove nothing."""
    path = tmp_path / "a.7z"
    path.write_bytes(whole(*crafted()))
    assert [(item.name, len(item.data)) for item in unpacked(path)] == [
        ("a.txt", 600), ("b", 0), ("b/c.txt", 900), ("empty", 0),
    ]  # fmt: skip


@pytest.mark.timeout(60)
def test_no_made_up_header_gets_another_answer_than_damage(tmp_path: Path) -> None:
    """Or content: a changed name or time is none of the reader's business. Nor does one make it take much memory."""
    path, rng = tmp_path / "a.7z", random.Random(11)
    packed, said = crafted()
    damaged = 0
    for _ in range(700):
        changed = bytearray(said)
        for _ in range(rng.choice((1, 1, 1, 2, 5))):
            rng.choice((flip, flip, cut_out, insert, overwrite))(changed, rng)
            changed = changed or bytearray(b"\1")
        path.write_bytes(whole(packed, bytes(changed)))
        try:
            unpacked(path)
        except (Damaged, NeedsPassphrase):
            damaged += 1
    assert damaged > 350


@pytest.mark.parametrize("method", ["030401", "030101", "040202", "04f71101", "03", "03030103"])
def test_a_method_that_is_none_of_ours_is_never_decoded(tmp_path: Path, method: str) -> None:
    """PPMd for one: its data when damaged would end this very process."""
    path, name = tmp_path / "a.7z", bytes.fromhex(method)
    packed, said = crafted()
    path.write_bytes(whole(packed, said.replace(coder(b"\x21"), bytes([0x20 | len(name)]) + name + b"\x01\x10")))
    with pytest.raises(Damaged, match="another program wrote it"):
        unpacked(path)


def test_a_header_that_wants_much_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.7z"
    packed, said = crafted()
    files = b"\x05\x04"  # "files follow", and how many
    assert said.count(files) == 1
    for many in (b"\x05", b"\xff" + b"\xff" * 8, b"\xf0" + b"\xff" * 4):
        path.write_bytes(whole(packed, said.replace(files, files[:1] + many)))
        with pytest.raises(Damaged, match="more in one place"):
            unpacked(path)
    for dictionary in (29, 40, 255):
        path.write_bytes(whole(packed, said.replace(coder(b"\x21"), b"\x21\x21\x01" + bytes([dictionary]))))
        with pytest.raises(Damaged, match="more memory"):
            unpacked(path)

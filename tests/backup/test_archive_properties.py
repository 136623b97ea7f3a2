"""Any sequence of files, folders, links and sources that break: the archive holds exactly what could be read."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import py7zr
import pytest
import rig
from hypothesis import given, settings
from hypothesis import strategies as st
from packing import Item, noise, text, unpacked

from autosys_tasks.backup.seven_zip import write as seven_zip_write
from autosys_tasks.backup.seven_zip.write import Writer

pytestmark = pytest.mark.portable

SMALL = 100  # bytes of a block here: every size is around one


class Source(NamedTuple):
    """What a file gives, in pieces of any size, and where it breaks (None: never)."""

    data: bytes
    breaks_at: int | None
    piece: int


class Broken(io.RawIOBase):
    """A source as a file: short reads, and an error where it breaks."""

    def __init__(self, source: Source) -> None:
        self.source, self.at = source, 0

    def read(self, size: int = -1) -> bytes:
        end = min(self.at + min(size, self.source.piece), len(self.source.data))
        if self.source.breaks_at is not None and end > self.source.breaks_at:
            raise OSError(5, "Input/output error")
        self.at, data = end, self.source.data[self.at : end]
        return data


NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=12)
DATA = st.builds(lambda make, size: make(size), st.sampled_from((noise, text, bytes)), st.integers(0, 4 * SMALL))
SOURCES = st.builds(Source, DATA, st.none() | st.integers(0, 3 * SMALL), st.integers(1, 2 * SMALL))
THINGS = st.dictionaries(NAMES, SOURCES | st.sampled_from(("folder", "link")), max_size=14)


@settings(max_examples=rig.examples(70))
@given(THINGS, st.booleans(), st.integers(1, 3), st.booleans())
def test_an_archive_holds_exactly_what_could_be_read(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    things: dict[str, Source | str],
    bulk: bool,
    threads: int,
    key: bool,
) -> None:
    monkeypatch.setattr(seven_zip_write, "BLOCK", SMALL)
    monkeypatch.setattr(seven_zip_write, "CHUNK", SMALL // 3)
    path, expected, passphrase = tmp_path / "a.7z", [], "pass" if key else ""
    with Writer(path, bulk=bulk, threads=threads, passphrase=passphrase) as writer:
        writer._key = seven_zip_write.Key(passphrase, b"salt", 5) if key else None  # quick: 32 rounds of SHA-256
        for name, thing in things.items():
            if thing == "folder":
                writer.add_folder(name, 0, 0o755)
                expected.append(Item(name, "folder", b"", 0o755, 0))
            elif isinstance(thing, str):
                writer.add_link(name, "to/there", 0, 0o777)
                expected.append(Item(name, "link", b"to/there", 0o777, 0))
            else:
                try:
                    writer.add_file(name, cast(BinaryIO, Broken(thing)), 0, 0o600)
                except OSError:
                    assert thing.breaks_at is not None
                else:
                    expected.append(Item(name, "file", thing.data, 0o600, 0))
        writer.finish()
    assert unpacked(path, passphrase) == sorted(expected)
    with py7zr.SevenZipFile(path, password=passphrase or None) as archive:
        assert archive.testzip() is None

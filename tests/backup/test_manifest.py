"""A manifest: what was written is read; what was changed in it is found; a differential is its base and more."""

from __future__ import annotations

import contextlib
import io
import json
import random
from pathlib import Path

import pytest
import rig
from hypothesis import given, settings
from hypothesis import strategies as st

from autosys_tasks.backup import manifest
from autosys_tasks.backup.base import Base
from autosys_tasks.backup.errors import Damaged, NeedsPassphrase
from autosys_tasks.backup.manifest_text import (
    backup_of,
    comma_separated,
    entry_of,
    parse_foot,
    parse_head,
    row,
    rows_of,
    split,
    whole_lines,
)
from autosys_tasks.backup.manifest_text import lines as manifest_lines
from autosys_tasks.backup.seven_zip.write import Writer
from autosys_tasks.backup.values import DIFFERENTIAL, FULL, MANIFEST, Backup, Entry, Failed, Skipped

ID, LATER = "2026-11-29T033000Z", "2026-11-30T033000Z"
HEAD = Backup(ID, FULL, 1795836600.5, sets="abc", note="before the 시험")
FOOT = HEAD._replace(
    files=2, bytes=10, failed=(Failed("x.lock", "locked", True),), skipped=(Skipped("run/pipe", "a pipe"),),
    git="main 1234", archive_bytes=99, archive_sha256="ab" * 32, verified=True,
)  # fmt: skip
ENTRIES = [
    Entry("a.txt", "file", 5, 1_700_000_000_123_456_789, 0o644, "11" * 32, stamp=(7, 8)),
    Entry("b", "folder", 0, 5, 0o755),
    Entry("c.txt", "link", 0, -5, 0o777, link="a.txt"),
    Entry("d \udc80.bin", "file", 5, 0, 0o600, "22" * 32, member="a.txt", flags=("secret", "growing")),
    Entry("문서/🙂\n.md", "hardlink", 0, 0, 0o600, link="a.txt"),
]


def written(folder: Path, head: Backup, foot: Backup, entries: list[Entry], deleted: list[str]) -> Path:
    path = folder / head.manifest
    manifest.write(path, head, entries, deleted, foot)
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD, FOOT, ENTRIES, ["gone", "more"])
    assert manifest.read_backup(path) == FOOT
    assert list(manifest.read_entries(path)) == ENTRIES
    assert list(manifest.read_deleted(path)) == ["gone", "more"]


@given(
    st.text(min_size=1), st.sampled_from(["file", "folder"]), *[st.integers(0, 2)] * 5,
    st.sampled_from(["", "other"]), st.sampled_from([(), ("secret",)]),
)  # fmt: skip
def test_an_entry_is_a_line_of_json_whatever_it_lacks(
    path: str, kind: str, size: int, time: int, mode: int, inode: int, ctime: int, member: str, flags: tuple[str, ...]
) -> None:
    one = Entry(path, kind, size, time, mode, "ab" * 32, member, "", flags, (inode, ctime))
    said = {name: value for name, value in one._asdict().items() if value != getattr(Entry("", "", 0, 0, 0), name)}
    assert row(one) == json.dumps(said, separators=(",", ":")).encode() + b"\n"
    assert entry_of(row(one).decode()) == one


def test_it_is_one_json_document_with_all_that_is_promised(tmp_path: Path) -> None:
    document = json.loads(written(tmp_path, HEAD, FOOT, ENTRIES, ["gone"]).read_bytes())
    assert document["schema"] == "autosys.manifest/1"
    assert [one["path"] for one in document["entries"]] == [one.path for one in ENTRIES]
    assert document["deleted"] == ["gone"]
    assert document["foot"]["archive"] == {"name": f"{ID}-full.7z", "bytes": 99, "sha256": "ab" * 32}
    assert document["foot"]["complete"] is False
    within = tmp_path / "within"
    manifest.write(within, HEAD, ENTRIES, [], FOOT._replace(archive_sha256=""))
    assert "archive" not in json.loads(within.read_bytes())["foot"]


paths = st.lists(st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=20), unique=True, max_size=20)


@settings(max_examples=rig.examples(50))
@given(paths, paths, st.integers(-(2**62), 2**62), st.integers(0, 2**62))
def test_any_paths_and_numbers_come_back(
    tmp_path: Path, names: list[str], gone: list[str], time: int, size: int
) -> None:
    entries = [Entry(name, "file", size, time, 0o600, "ab" * 32, stamp=(size, time)) for name in sorted(names)]
    path = written(tmp_path, HEAD, FOOT, entries, sorted(gone))
    assert list(manifest.read_entries(path)) == entries
    assert list(manifest.read_deleted(path)) == sorted(gone)


SIGNS = ['],"deleted":[\n', '],"foot":', ',"sha256":"', "\n", "\r", "\u2028", "\x1c", ",", '"', "\\", "\udc80"]
AWKWARD = st.lists(st.sampled_from(SIGNS) | st.text(max_size=3), min_size=1, max_size=4).map("".join).filter(bool)


@settings(max_examples=rig.examples(200))
@given(
    st.dictionaries(AWKWARD, st.sampled_from(["file", "folder", "flagged", "unstamped"]), max_size=6),
    st.sets(AWKWARD, max_size=4),
    st.integers(1, 300),
)
def test_however_it_is_cut_into_pieces_all_readings_say_the_same(
    tmp_path: Path, kinds: dict[str, str], gone: set[str], piece: int
) -> None:
    """By entries, by what is deleted, and by lines, of which none is parsed that a file would have again."""
    of = {"folder": Entry("", "folder", 0, 5, 0o755), "file": ENTRIES[0]}
    of |= {"flagged": ENTRIES[0]._replace(flags=("secret",)), "unstamped": ENTRIES[0]._replace(stamp=(0, 0))}
    entries = [of[kinds[path]]._replace(path=path) for path in sorted(kinds)]
    path = written(tmp_path, HEAD, FOOT, entries, sorted(gone))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest, "PIECE", piece)
        assert list(manifest.read_entries(path)) == entries
        assert list(manifest.read_deleted(path)) == sorted(gone)
        base = Base(manifest.read_lines(path), 2e9)
        stayed = {one.path for one in entries if base.has(one.path, one.size, one.mtime_ns, one.mode, one.stamp)}
        assert base.left() == [one for one in entries if one.path not in stayed]
    assert stayed == {path for path in kinds if kinds[path] == "file"}


def test_what_is_out_of_order_is_not_written(tmp_path: Path) -> None:
    for entries, deleted in ((ENTRIES[::-1], []), ([ENTRIES[0], ENTRIES[0]], []), ([], ["b", "a"])):
        with pytest.raises(ValueError, match="in order of path"):
            written(tmp_path, HEAD, FOOT, entries, deleted)


def test_whatever_is_changed_in_it_is_found(tmp_path: Path) -> None:
    """A flipped bit, a lost end, a lost, doubled or swapped line: every time, and as nothing but Damaged."""
    path = written(tmp_path, HEAD, FOOT, ENTRIES, ["gone", "more"])
    raw, rng, missed = path.read_bytes(), random.Random(7), []
    for number in range(400):
        changed = broken(raw, rng)
        path.write_bytes(changed)
        try:
            manifest.read_backup(path)
            list(manifest.read_entries(path))
            missed.append((number, changed))
        except Damaged:
            pass
        with contextlib.suppress(Damaged):
            base = Base(manifest.read_lines(path), 2e9)
            assert sum(base.has(one.path, one.size, one.mtime_ns, one.mode, one.stamp) for one in ENTRIES) <= 1
            base.left()
            missed.append((number, changed))
    assert not missed


@given(st.lists(st.text("a,\n\r\x0b\x1c", max_size=9).map(str.encode), max_size=9))
def test_pieces_are_cut_into_the_lines_of_the_whole(pieces: list[bytes]) -> None:
    whole, texts = b"".join(pieces).decode(), list(whole_lines(pieces))
    assert "".join(texts) == whole
    assert all(text.endswith("\n") for text in texts[:-1]) and "\n" not in "".join(texts[-1:])[:-1]
    assert [line for text in texts for line in split(text)] == whole.split("\n")[:-1]


def test_no_piece_may_have_what_a_manifest_never_has() -> None:
    with pytest.raises(ValueError, match="ascii"):
        list(whole_lines([b"a\n", "가\n".encode()]))
    with pytest.raises(Damaged, match="a line has more than"):
        list(whole_lines([b"a\n", *[bytes(1 << 20)] * 65]))


def broken(raw: bytes, rng: random.Random) -> bytes:
    """`raw` with one thing wrong."""
    while True:
        lines, at, changed = raw.splitlines(keepends=True), rng.randrange(len(raw)), bytearray(raw)
        how = rng.randrange(5)
        if how == 0:
            changed[at] ^= 1 << rng.randrange(8)
        elif how == 1:
            del changed[at:]
        elif how == 2:
            one, other = rng.sample(range(len(lines)), 2)
            lines[one], lines[other] = lines[other], lines[one]
            changed = bytearray(b"".join(lines))
        elif how == 3:
            lines.insert(rng.randrange(len(lines)), rng.choice(lines))
            changed = bytearray(b"".join(lines))
        else:
            del lines[rng.randrange(len(lines))]
            changed = bytearray(b"".join(lines))
        if changed != raw:
            return bytes(changed)


def test_a_manifest_under_another_name_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD, FOOT, ENTRIES, [])
    with pytest.raises(Damaged, match=f"it is the manifest of `{ID}-full`"):
        manifest.read_backup(path.rename(tmp_path / f"{LATER}-full.manifest.json"))


def test_a_differential_is_its_base_less_what_is_gone_and_what_is_new(tmp_path: Path) -> None:
    later = HEAD._replace(id=LATER, kind=DIFFERENTIAL, base=ID, base_sha256="ab" * 32)
    own = [Entry("0 new", "folder", 0, 0, 0), ENTRIES[0]._replace(size=6), Entry("z new", "folder", 0, 0, 0)]
    written(tmp_path, HEAD, FOOT, ENTRIES, [])
    written(tmp_path, later, later._replace(archive_sha256="cd" * 32), own, ["a never", "b", "zz never"])
    found = [(entry.path, backup.id) for entry, backup in manifest.state(tmp_path, later)]
    assert found == [
        ("0 new", LATER), ("a.txt", LATER), ("c.txt", ID), (ENTRIES[3].path, ID), ("z new", LATER),
        (ENTRIES[4].path, ID),
    ]  # fmt: skip


@settings(max_examples=rig.examples(60))
@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_the_state_is_what_a_dictionary_would_say(
    tmp_path: Path, base: set[int], own: set[int], gone: set[int]
) -> None:
    gone -= own
    later = HEAD._replace(id=LATER, kind=DIFFERENTIAL, base=ID, base_sha256="ab" * 32)

    def entries(numbers: set[int], size: int) -> list[Entry]:
        return sorted(Entry(str(number), "folder", size, 0, 0) for number in numbers)

    written(tmp_path, HEAD, FOOT, entries(base, 1), [])
    written(tmp_path, later, later._replace(archive_sha256="cd" * 32), entries(own, 2), sorted(map(str, gone)))
    expected = {str(n): 1 for n in base - gone} | {str(n): 2 for n in own}
    assert [(e.path, e.size) for e, _ in manifest.state(tmp_path, later)] == sorted(expected.items())


def test_a_base_that_is_gone_or_another_is_told(tmp_path: Path) -> None:
    later = HEAD._replace(id=LATER, kind=DIFFERENTIAL, base=ID, base_sha256="ff" * 32)
    written(tmp_path, later, later._replace(archive_sha256="cd" * 32), [], [])
    with pytest.raises(Damaged, match="is not there"):
        list(manifest.state(tmp_path, later))
    written(tmp_path, HEAD, FOOT, ENTRIES, [])
    with pytest.raises(Damaged, match="another archive"):
        list(manifest.state(tmp_path, later))


def test_beside_an_encrypted_archive_are_no_names(tmp_path: Path) -> None:
    """They are read from the archive, with the passphrase."""
    head, foot = HEAD._replace(encrypted=True), FOOT._replace(encrypted=True)
    within = tmp_path / "within"
    manifest.write(within, head, ENTRIES, ["gone"], foot._replace(archive_sha256=""))
    with Writer(tmp_path / f"{ID}-full.7z", passphrase="right") as writer:
        writer.add_file(MANIFEST, io.BytesIO(within.read_bytes()), 0, 0o600)
        size, digest = writer.finish()
    path = written(tmp_path, head, foot._replace(archive_bytes=size, archive_sha256=digest), ENTRIES, ["gone"])
    assert b"a.txt" not in path.read_bytes() and b"x.lock" not in path.read_bytes()
    assert manifest.read_backup(path).failed == (Failed("", "locked", True),)
    assert manifest.read_backup(path).skipped == (Skipped("", "a pipe"),)
    named = manifest.with_names(tmp_path, manifest.read_backup(path), "right")
    assert (named.failed, named.skipped) == (FOOT.failed, FOOT.skipped)
    assert list(manifest.read_entries(path, "right")) == ENTRIES
    assert list(manifest.read_deleted(path, "right")) == ["gone"]
    with pytest.raises(NeedsPassphrase):
        list(manifest.read_entries(path))


def test_the_page_on_the_format_shows_a_manifest_that_can_be_read(tmp_path: Path) -> None:
    """Its example has every key of head and foot; only the shortened hashes are not real."""
    page = (rig.REPOSITORY / "docs" / "backup-format.md").read_text(encoding="utf-8")
    shown = page.split("```json\n")[1].split("```")[0].replace("9f86...", "9f" * 32)
    lines = shown.encode().splitlines(keepends=True)
    head, foot = parse_head(lines[0]), parse_foot(lines[-1])
    backup = backup_of(head, foot)
    entries = comma_separated(rows_of(entry_of(line.decode()) for line in lines[1:3]))
    written_by_us = list(manifest_lines(backup, entries, [], backup))
    assert b"".join(written_by_us) == b"".join(lines).rpartition(b',"sha256":')[0]
    for name in Entry._fields:
        assert f'"{name}"' in shown or f"`{name}`" in page, name

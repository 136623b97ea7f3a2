"""Restores lead never out of the folder, and have a way with names that the disk cannot hold."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import pytest
from kept_trees import FIRST, keep, write
from restoring import POSIX, details, order

from autosys_tasks.backup import manifest
from autosys_tasks.backup.restore import look as restore_look
from autosys_tasks.backup.restore.names_text import Rules
from autosys_tasks.backup.restore.run import carry_out, lines, next_steps, planned, restore
from autosys_tasks.backup.seven_zip.write import Writer
from autosys_tasks.backup.values import FILE, FULL, LINK, Backup, Entry

# Never out


def hostile(folder: Path, entries: list[tuple[Entry, bytes]]) -> Backup:
    """A backup that somebody else made: with any path and any link."""
    folder.mkdir()
    head = Backup(FIRST, FULL, 1.0, files=1, bytes=1)
    with Writer(folder / f"{head.stem}.7z", threads=1) as writer:
        rows = []
        for entry, data in sorted(entries):
            size, sha256 = writer.add_file(entry.path, io.BytesIO(data), 0, 0o644) if entry.kind == FILE else (0, "")
            rows.append(entry._replace(size=size, sha256=sha256))
        size, sha256 = writer.finish()
    made = head._replace(archive_bytes=size, archive_sha256=sha256, verified=True)
    manifest.write(folder / f"{head.stem}.manifest.json", head, rows, [], made)
    return made


def test_paths_that_lead_out_are_refused_and_the_rest_is_restored(tmp_path: Path) -> None:
    paths = ["../out", "/tmp/autosys-out", "a/../../out", "good/x", "./y", "a//b"]
    backup = hostile(tmp_path / "backups", [(Entry(path, FILE, 0, 0, 0o644), b"x") for path in paths])
    before = set(tmp_path.iterdir())
    report = restore(order(tmp_path / "backups", backup, tmp_path / "to"))
    assert set(tmp_path.iterdir()) - before == {tmp_path / "to"} and not Path("/tmp/autosys-out").exists()
    assert [path.name for path in (tmp_path / "to").rglob("*")] == ["good", "x"]
    assert {path for path, (ok, _) in details(report).items() if ok is False} == set(paths) - {"good/x"}
    assert report.code == 4


@POSIX
def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    entries = [
        (Entry("door", LINK, 0, 0, 0o777, link=str(outside)), b""),
        (Entry("door/x", FILE, 0, 0, 0o644), b"x"),
        (Entry("exit", LINK, 0, 0, 0o777, link=str(outside)), b""),
        (Entry("near", LINK, 0, 0, 0o777, link="."), b""),
        (Entry("near/y", FILE, 0, 0, 0o644), b"y"),
        (Entry("theirs/z", FILE, 0, 0, 0o644), b"z"),
        (Entry("theirs/deep/z", FILE, 0, 0, 0o644), b"z"),
        (Entry("gate", FILE, 0, 0, 0o644), b"new"),
    ]
    backup, to = hostile(tmp_path / "backups", entries), tmp_path / "to"
    to.mkdir()
    (to / "theirs").symlink_to(outside)
    write(outside / "kept", b"kept")
    (to / "gate").symlink_to(outside / "kept")
    report = restore(order(tmp_path / "backups", backup, to, overwrite="always"))
    assert [path.name for path in outside.iterdir()] == ["kept"] and (outside / "kept").read_bytes() == b"kept"
    assert not (to / "gate").is_symlink() and (to / "gate").read_bytes() == b"new"
    found = details(report)
    assert found["door"][0] is None and "lead out" in found["door"][1]
    assert found["theirs/z"][0] is found["theirs/deep/z"][0] is False and "through it" in found["theirs/z"][1]
    assert any("door" in note for note in report.notes) and report.code == 4
    whole = order(tmp_path / "backups", backup, to)
    assert "2 links not made" in lines(whole, report)[-1] and "restore " in next_steps(whole, report)[0]


@POSIX
def test_a_link_that_leads_out_is_made_for_who_names_it_and_not_written_through(tmp_path: Path) -> None:
    outside, to = tmp_path / "outside", tmp_path / "to"
    outside.mkdir()
    names = ("door", "exit")
    entries = [(Entry(name, LINK, 0, 0, 0o777, link=str(outside)), b"") for name in names]
    backup = hostile(tmp_path / "backups", [*entries, (Entry("door/x", FILE, 0, 0, 0o644), b"x")])
    report = restore(order(tmp_path / "backups", backup, to, *names))
    assert os.readlink(to / "exit") == str(outside) and (to / "door/x").read_bytes() == b"x"
    assert details(report)["door"] == (False, "a folder has appeared there meanwhile")
    (to / "door/x").unlink()
    (to / "door").rmdir()
    (to / "door").symlink_to(outside)
    again = restore(order(tmp_path / "backups", backup, to, "door/x", overwrite="always"))
    assert again.code == 4 and not list(outside.iterdir())


@POSIX
def test_a_folder_that_becomes_a_link_meanwhile_is_not_gone_through(tree: Path, tmp_path: Path) -> None:
    backup, to = keep(tmp_path / "backups", tree), tmp_path / "to"
    (tmp_path / "outside").mkdir()
    wanted = order(tmp_path / "backups", backup, to)
    seen = planned(wanted)
    to.mkdir()
    (to / "문서").symlink_to(tmp_path / "outside")
    report = carry_out(wanted, seen)
    assert report.code == 4 and not list((tmp_path / "outside").iterdir())


def test_mode_bits_that_lend_rights_are_not_restored(tmp_path: Path) -> None:
    backup = hostile(tmp_path / "backups", [(Entry("su", FILE, 0, 0, 0o4755), b"x")])
    restore(order(tmp_path / "backups", backup, tmp_path / "to"))
    assert not os.stat(tmp_path / "to/su").st_mode & stat.S_ISUID


# Names


@POSIX
def test_names_that_this_disk_cannot_hold_are_mapped_and_listed(tmp_path: Path) -> None:
    """P54"""
    long = "가" * 90 + ".hwp"
    entries = [(Entry(f"{long}/{long}", FILE, 0, 0, 0o644), b"long"), (Entry("a", FILE, 0, 0, 0o644), b"a")]
    backup = hostile(tmp_path / "backups", entries)
    report = restore(order(tmp_path / "backups", backup, tmp_path / "to"))
    assert report.code == 0
    (path,) = (one for one in (tmp_path / "to").rglob("*~*") if one.is_file())
    assert path.read_bytes() == b"long" and path.name.startswith("가" * 50) and path.name.endswith(".hwp")
    assert any(long in note and path.relative_to(tmp_path / "to").as_posix() in note for note in report.notes)


def test_on_a_disk_of_windows_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = ["a?", "aux", "A.txt", "a.txt", "x.", "d:/e", "back\\slash", "sub/NUL.tar.gz", "b" * 300]
    backup = hostile(tmp_path / "backups", [(Entry(path, FILE, 0, 0, 0o644), path.encode()) for path in paths])
    monkeypatch.setattr(restore_look, "rules_of", lambda to: Rules(windows=True, folds=True))
    report = restore(order(tmp_path / "backups", backup, tmp_path / "to"))
    made = [path for path in (tmp_path / "to").rglob("*") if path.is_file()]
    assert report.code == 0 and sorted(path.read_bytes().decode() for path in made) == sorted(paths)
    assert len({str(path).casefold() for path in made}) == len(paths)
    assert len(report.notes) == len(paths) - 1


@POSIX
def test_a_path_too_long_for_this_system_is_named_and_the_rest_is_restored(tmp_path: Path) -> None:
    deep = "/".join(["d" * 200] * 22)
    backup = hostile(tmp_path / "backups", [(Entry(path, FILE, 0, 0, 0o644), b"x") for path in ("a", f"{deep}/f", "z")])
    report = restore(order(tmp_path / "backups", backup, tmp_path / "to"))
    assert {path for path, (ok, _) in details(report).items() if ok is False} == {f"{deep}/f"}
    assert "too long" in details(report)[f"{deep}/f"][1]

"""What lies in the folder of backups, and whether it is what was written: every damage is found, and named."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import random
import shutil
import stat
from pathlib import Path

import pytest
from packing import noise, text

from autosys_tasks.backup import act, manifest
from autosys_tasks.backup.errors import Damaged, NeedsPassphrase
from autosys_tasks.backup.seven_zip.write import Writer
from autosys_tasks.backup.store import find, listed
from autosys_tasks.backup.values import DIFFERENTIAL, FULL, MANIFEST, Backup, Entry
from autosys_tasks.backup.verify import check, verify
from autosys_tasks.core.errors import StateError, UsageError

IDS = [f"2026-11-{day}T033000Z" for day in (27, 28, 29)]
FILES = {"a.txt": text(3000), "b/c.log": text(9000, 2), "z.bin": noise(5000), "빈 파일": b""}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def made(folder: Path, backup: Backup, files: dict[str, bytes], passphrase: str = "") -> Backup:
    """A backup of `files` and a folder, a link, and a copy of the first file under another name."""
    archive = folder / f"{backup.stem}.7z"
    backup = backup._replace(encrypted=bool(passphrase), files=len(files) + 1)
    rows = [Entry(name, "file", len(data), 0, 0o644, sha256(data)) for name, data in files.items()]
    first = rows[0]
    rows += [Entry("b", "folder", 0, 0, 0o755), Entry("link", "link", 0, 0, 0o777, link="z.bin")]
    rows += [first._replace(path="y copy", member=first.path), Entry("zz", "hardlink", 0, 0, 0, link=first.path)]
    manifest.write(folder / "within", backup, sorted(rows), [], backup)
    with Writer(archive, passphrase=passphrase) as writer:
        for name, data in files.items():
            writer.add_file(name, io.BytesIO(data), 0, 0o644)
        writer.add_folder("b", 0, 0o755)
        writer.add_link("link", "z.bin", 0, 0o777)
        writer.add_file(".autosys/README.txt", io.BytesIO(b"how to restore"), 0, 0o644)
        writer.add_file(MANIFEST, io.BytesIO((folder / "within").read_bytes()), 0, 0o600)
        size, digest = writer.finish()
    (folder / "within").unlink()
    whole = backup._replace(archive_bytes=size, archive_sha256=digest, verified=True)
    manifest.write(folder / whole.manifest, backup, sorted(rows), [], whole)
    return whole


def full(number: int) -> Backup:
    return Backup(IDS[number], FULL, 1795836600.0 + number)


def test_what_is_ours_in_an_archive_is_not_told_as_progress(tmp_path: Path) -> None:
    """Else a person reads of 90 MB that are done of 86."""
    told: list[int] = []
    verify(tmp_path, made(tmp_path, full(0), FILES), tell_bytes=told.append)
    assert sum(told) == sum(map(len, FILES.values())) + len("z.bin")  # a link's bytes are its text


@pytest.mark.only("posix")
def test_a_backup_whose_names_the_disk_did_not_take_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = made(tmp_path, full(1), {"a": b"x"})
    for name in (backup.archive, backup.manifest):
        (tmp_path / name).rename(tmp_path / f"{name}{backup.part}")

    def fails(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(StateError, match="Input/output error"):
        act.publish(tmp_path, backup)
    assert (tmp_path / backup.manifest).exists(), "it was the folder's own"


def test_a_good_backup_has_no_damage(tmp_path: Path) -> None:
    told: list[int] = []
    assert verify(tmp_path, made(tmp_path, full(0), FILES), tell_bytes=told.append) == (len(FILES) + 1, [])
    assert sum(told) > sum(map(len, FILES.values()))
    secret = made(tmp_path, full(1), FILES, "pass")
    assert verify(tmp_path, secret, "pass") == (len(FILES) + 1, [])
    for wrong in ("", "wrong"):
        with pytest.raises(NeedsPassphrase):
            verify(tmp_path, secret, wrong)


@pytest.mark.parametrize("passphrase", ["", "pass"])
def test_every_flipped_bit_and_lost_end_is_found(tmp_path: Path, passphrase: str) -> None:
    """Also where it is harmless to the content: the archive's own hash differs."""
    backup = made(tmp_path, full(0), FILES, passphrase)
    path, rng = tmp_path / f"{backup.stem}.7z", random.Random(5)
    raw = path.read_bytes()
    for _ in range(10 if passphrase else 60):
        changed, at = bytearray(raw), rng.randrange(len(raw))
        if rng.random() < 0.2:
            del changed[at:]
        else:
            changed[at] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        assert verify(tmp_path, backup, passphrase)[1], at


def test_damage_names_the_files(tmp_path: Path) -> None:
    """And the other paths that have the same bytes."""
    backup = made(tmp_path, full(0), FILES)
    other = made(tmp_path, full(1), {**FILES, "a.txt": text(3000, 9)})
    shutil.copyfile(tmp_path / f"{other.stem}.7z", tmp_path / f"{backup.stem}.7z")
    checked, damaged = verify(tmp_path, backup)
    assert checked == len(FILES) + 1
    assert {one.path for one in damaged} == {"a.txt", "y copy", f"{backup.stem}.7z"}
    assert all("SHA-256" in one.why or "bytes, its manifest" in one.why for one in damaged)


def test_what_is_only_in_one_of_archive_and_manifest_is_told(tmp_path: Path) -> None:
    backup = made(tmp_path, full(0), FILES)
    archive = tmp_path / f"{backup.stem}.7z"
    entries = [one for one in manifest.read_entries(tmp_path / backup.manifest) if one.path != "z.bin"]
    entries.append(Entry("more.txt", "file", 1, 0, 0, sha256(b"1")))
    told = {one.path: one.why for one in check(archive, [*entries])[1]}
    assert told == {
        "z.bin": "is in the archive and not in the manifest",
        "more.txt": "is in the manifest and not in the archive",
    }
    kinds = [one._replace(kind="folder") if one.path == "a.txt" else one for one in entries if one.path[0] in "ab"]
    assert "is a file in the archive and a folder" in str(check(archive, kinds)[1])


def test_a_differential_needs_its_base(tmp_path: Path) -> None:
    base = made(tmp_path, full(0), FILES)
    later = Backup(IDS[1], DIFFERENTIAL, 5.0, base=base.id, base_sha256=base.archive_sha256)
    backup = made(tmp_path, later, {"new.txt": b"new"})
    assert verify(tmp_path, backup) == (2, [])
    archive = tmp_path / f"{base.stem}.7z"
    raw = bytearray(archive.read_bytes())
    raw[50] ^= 1
    archive.write_bytes(raw)
    assert verify(tmp_path, backup)[1] == []
    archive.write_bytes(raw[:-1])
    assert "bytes, its manifest says" in verify(tmp_path, backup)[1][0].why
    archive.unlink()
    assert "gone" in verify(tmp_path, backup)[1][0].why
    (tmp_path / base.manifest).unlink()
    assert "is not there" in verify(tmp_path, backup)[1][0].why


def test_a_missing_archive_and_a_broken_manifest_are_damage(tmp_path: Path) -> None:
    backup = made(tmp_path, full(0), FILES)
    beside = tmp_path / backup.manifest
    raw = beside.read_bytes()
    beside.write_bytes(raw.replace(b'"size":3000', b'"size":3001'))
    assert any("its own hash differs" in one.why for one in verify(tmp_path, backup)[1])
    at = raw.index(b'"sha256":"') + len('"sha256":"')
    beside.write_bytes(raw[:at] + b"x" + raw[at + 1 :])
    assert any("has no SHA-256" in one.why for one in verify(tmp_path, backup)[1])
    beside.write_bytes(raw)
    (tmp_path / f"{backup.stem}.7z").unlink()
    assert len(verify(tmp_path, backup)[1]) == 2


def test_the_folder_lists_backups_and_names_all_else(tmp_path: Path) -> None:
    assert listed(tmp_path / "none") == ([], [])
    backups = [made(tmp_path, full(number), FILES) for number in (2, 0, 1)]
    (tmp_path / ".gitkeep").touch()
    (tmp_path / "holiday.jpg").touch()
    (tmp_path / f"{IDS[0]}-differential.7z").touch()
    (tmp_path / f"{IDS[2]}-full.7z.part").touch()
    (tmp_path / f"{backups[0].stem}.manifest.json").write_bytes(b"{}")
    (tmp_path / f"{backups[2].stem}.7z").unlink()
    found, others = listed(tmp_path)
    assert found == [backups[1]]
    told = dict(other.split(": ", 1) for other in others)
    assert told.keys() == {
        "holiday.jpg", f"{IDS[0]}-differential.7z", f"{IDS[2]}-full.7z.part", f"{IDS[2]}-full.manifest.json",
        f"{IDS[1]}-full.manifest.json",
    }  # fmt: skip
    assert told["holiday.jpg"] == "is not ours"
    assert "no manifest" in told[f"{IDS[0]}-differential.7z"]


def test_a_backup_is_found_by_its_id_its_name_or_as_the_newest_verified(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no verified backup"):
        find(tmp_path, "")
    backups = [made(tmp_path, full(number), FILES) for number in range(3)]
    newest = backups[2]._replace(verified=False)
    manifest.write(tmp_path / newest.manifest, newest, [], [], newest)
    assert find(tmp_path, "") == find(tmp_path, "latest") == backups[1]
    for name in (IDS[0], f"{IDS[0]}-full", f"{IDS[0]}-full.7z", f"{IDS[0]}-full.manifest.json"):
        assert find(tmp_path, name) == backups[0]
    with pytest.raises(UsageError) as error:
        find(tmp_path, IDS[1].replace("033000", "033100"))
    assert IDS[1] in error.value.hint
    (tmp_path / newest.manifest).write_bytes(b"no")
    with pytest.raises(Damaged, match="no manifest"):
        find(tmp_path, IDS[2])

"""Backups come to second places whole, once, in order; what fails is named, and nothing of others is touched."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import rig
from copies_desk import NOW, Desk
from copying import backup, declared, keep_all
from other_places import Site

from autosys_tasks.backup.copies import place_folder, place_s3, send
from autosys_tasks.backup.copies import run as copies
from autosys_tasks.backup.copies.place import PART
from autosys_tasks.backup.copies.run import copy_all
from autosys_tasks.backup.values import HEAD_END, Kept


@pytest.fixture
def desk(site: Site, tmp_path: Path) -> Desk:
    return Desk(site, tmp_path)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The name of each file that is put into a folder, in order."""
    names: list[str] = []
    put = place_folder.Folder.put

    def noted(self: place_folder.Folder, name: str, chunks: object, size: int, **more: bool) -> str:
        names.append(name)
        return put(self, name, chunks, size, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(place_folder.Folder, "put", noted)
    return names


def test_every_backup_comes_to_the_place_and_a_second_time_nothing_is_done(desk: Desk) -> None:
    a, b = desk.add(1), desk.add(2, 1)
    assert [outcome.ok for outcome in desk.copy()] == [True, True]
    assert desk.there() == desk.whole(a, b)
    assert desk.copy() == []
    c = desk.add(3, 1)
    assert [outcome.step.target.split()[0] for outcome in desk.copy()] == [c.stem]
    assert desk.there() == desk.whole(a, b, c)
    assert desk.known().good_at == NOW and not desk.known().why


def test_the_manifest_comes_last(disk: Desk, sent: list[str]) -> None:
    a, b = disk.add(1), disk.add(2, 1)
    disk.copy()
    assert sent == [f"{a.stem}.7z", f"{a.stem}.manifest.json", f"{b.stem}.7z", f"{b.stem}.manifest.json"]


@pytest.mark.parametrize("point", ["during-put:2", "after-put"])
def test_a_kill_leaves_no_half_and_the_next_run_goes_on(desk: Desk, point: str) -> None:
    no_half_is_left(desk, point)


@pytest.mark.parametrize("point", ["during-put", "before-finish", "after-archive", "before-finish:2"])
def test_a_kill_at_the_other_steps_too_which_are_the_same_code_for_all(disk: Desk, point: str) -> None:
    no_half_is_left(disk, point)


def no_half_is_left(desk: Desk, point: str) -> None:
    """Killed there, a copy has no half under a final name; the next one brings what is missing."""
    a = desk.add(1)
    name, _, count = point.partition(":")
    desk.child(f"copies.{name}:kill:{count or 1}").rc(-9, 1, 15)
    whole = desk.whole(a)
    found = desk.there()
    assert all(whole[each] == digest for each, digest in found.items() if not each.endswith(PART)), found
    assert f"{a.stem}.manifest.json" not in found or desk.site.kind == "s3"  # there it lies once it is sent
    desk.child().rc(0)
    assert desk.there() == whole


def test_what_is_there_and_right_is_not_sent_again(disk: Desk, sent: list[str]) -> None:
    a = disk.add(1)
    disk.child("copies.after-archive:kill").rc(-9, 1, 15)
    disk.copy()
    assert sent == [f"{a.stem}.manifest.json"]


def test_the_rest_of_a_backup_that_is_here_no_more_goes(disk: Desk) -> None:
    a = disk.add(1)
    disk.child("copies.before-finish:kill").rc(-9, 1, 15)
    assert list(disk.there()) == [f"{a.archive}{a.part}"]
    disk.backups.clear()
    b = disk.add(2)
    disk.copy()
    assert disk.there() == disk.whole(b)


def test_a_lost_state_folder_costs_no_second_sending(disk: Desk, sent: list[str]) -> None:
    a = disk.add(1)
    disk.copy()
    (disk.state / "copies.json").write_text("{ torn", encoding="utf-8")
    del sent[:]
    assert [outcome.detail for outcome in disk.copy()] == ["it was there already, and is right"]
    assert sent == [] and disk.there() == disk.whole(a) and disk.copy() == []


def test_with_a_lost_state_folder_what_is_damaged_there_is_not_taken_for_right(desk: Desk) -> None:
    a = desk.add(1)
    desk.copy()
    (desk.state / "copies.json").unlink()
    desk.write(a.archive, b"X" * a.archive_bytes)
    (outcome,) = desk.copy()
    assert outcome.ok and "sent and read back" in outcome.detail and desk.there() == desk.whole(a)


def test_what_was_damaged_there_is_sent_again(desk: Desk) -> None:
    a = desk.add(1)
    desk.copy()
    desk.write(f"{a.stem}.7z", b"torn")
    assert [outcome.ok for outcome in desk.copy()] == [True]
    assert desk.there() == desk.whole(a)


# Others' things


@pytest.mark.parametrize("name", ["2026-11-01T033000Z-full.manifest.json", "2026-11-01T033000Z-full.7z"])
def test_another_machines_backup_of_the_same_name_is_not_touched(desk: Desk, name: str) -> None:
    desk.add(1)
    b = desk.add(2)
    desk.write(name, b"another's")
    first, second = desk.copy()
    assert first.ok is False and "another backup has this name" in first.detail and "folder of its own" in first.detail
    assert second.ok and desk.there() == {**desk.whole(b), name: hashlib.sha256(b"another's").hexdigest()}


def test_a_folder_in_the_place_of_one_keeps_no_other_from_being_copied(disk: Desk) -> None:
    a, b, c = disk.add(1), disk.add(2), disk.add(3, 2)
    place = disk.site.folder / "백업 a"
    (place / a.archive / "inner").mkdir(parents=True)
    assert [one.ok for one in disk.copy()] == [False, True, True]
    assert disk.outcomes[0].step.target.startswith(a.stem) and disk.known().why
    assert disk.there() == disk.whole(b, c), "nothing half is left"


def test_a_place_that_refuses_everything_is_asked_twice(disk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for day in range(1, 6):
        disk.add(day)

    def refusing(self: place_folder.Folder, name: str, chunks: object, size: int, **more: bool) -> str:
        raise copies.PlaceError("read-only")

    monkeypatch.setattr(place_folder.Folder, "put", refusing)
    assert [one.ok for one in disk.copy()] == [False, False]


@pytest.mark.parametrize("end", ["7z", "manifest.json"])
def test_of_two_that_send_the_same_name_at_once_the_first_has_it(
    disk: Desk, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """Both begin at 03:30:00, when neither is there."""
    disk.add(1, owner="me-0@laptop")
    name, read = f"2026-11-01T033000Z-full.{end}", place_folder.Folder.read

    def meanwhile(self: place_folder.Folder, lies: str) -> Iterator[bytes]:
        if lies.startswith(name):
            monkeypatch.undo()
            (self.path / f"{name}{PART}").write_bytes(b"being sent")
            (self.path / name).write_bytes(b"another's")
        return read(self, lies)

    monkeypatch.setattr(place_folder.Folder, "read", meanwhile)
    for _again in range(2):
        (outcome,) = disk.copy()
        assert outcome.ok is False and "another backup has this name" in outcome.detail, outcome
        lies = disk.there()
        assert lies[name] == hashlib.sha256(b"another's").hexdigest() and f"{name}{PART}" in lies
        assert len(lies) == (2 if end == "7z" else 3), "of ours nothing has a name that is another's"


def test_retention_takes_only_what_was_brought_from_here(desk: Desk) -> None:
    strange = {"2026-10-01T033000Z-full.7z": b"x", "2026-10-01T033000Z-full.manifest.json": b"{}", "photo.jpg": b"y"}
    for name, data in strange.items():
        desk.write(name, data)
    desk.add(1), desk.add(2)
    desk.copy()
    c = desk.add(3)
    desk.retain = lambda backups: [Kept(one.id, one.id == c.id, "older than 0 days") for one in backups]
    done = desk.copy()
    assert [outcome.step.kind for outcome in done] == ["copy", "remove-copy", "remove-copy"]
    theirs = {name: hashlib.sha256(data).hexdigest() for name, data in strange.items()}
    assert desk.there() == {**desk.whole(c), **theirs}
    assert desk.copy() == []


def test_what_another_sent_under_one_name_at_once_is_neither_replaced_nor_removed(desk: Desk) -> None:
    """A bucket takes both, and what is whole last has the name."""
    desk.add(1, owner="me-0@laptop")
    desk.copy()
    head = b'{"schema":"autosys.manifest/1","owner":"me-0@desktop"' + HEAD_END
    theirs = {"2026-11-01T033000Z-full.7z": b"another's", "2026-11-01T033000Z-full.manifest.json": head}
    for name, data in theirs.items():
        desk.write(name, data)
    (outcome,) = desk.copy()
    assert outcome.ok is False and "another backup has this name" in outcome.detail
    b = desk.add(2, owner="me-0@laptop")
    desk.retain = lambda backups: [Kept(one.id, one.id == b.id, "older than 0 days") for one in backups]
    desk.copy()
    desk.backups.pop(0)
    assert desk.copy() == []
    lies = {name: hashlib.sha256(data).hexdigest() for name, data in theirs.items()}
    assert desk.there() == {**desk.whole(b), **lies}


@pytest.mark.parametrize("end", ["7z", "manifest.json"])
def test_of_two_that_send_one_name_at_once_the_first_keeps_it_everywhere(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """Each has looked before, and seen that the name was free."""
    one = desk.add(1, owner="me-0@laptop")
    name, chunks_of = f"2026-11-01T033000Z-full.{end}", send.chunks_of

    def meanwhile(path: Path) -> Iterator[bytes]:
        yield from chunks_of(path)
        if path.name == name:
            desk.write(name, b"another's")

    monkeypatch.setattr(send, "chunks_of", meanwhile)
    (outcome,) = desk.copy()
    assert outcome.ok is False and "another backup has this name" in outcome.detail, outcome
    theirs = hashlib.sha256(b"another's").hexdigest()
    ours = {one.archive: desk.whole(one)[one.archive]} if end != "7z" else {}
    assert desk.there() == {**ours, name: theirs}


@pytest.mark.only("posix")
def test_what_comes_into_a_bucket_after_ours_and_is_anothers_is_left_there(
    request: pytest.FixtureRequest, tmp_path: Path, aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, put = Desk(Site("s3", tmp_path, request), tmp_path), place_s3.Bucket.put
    one = desk.add(1, owner="me-0@laptop")

    def meanwhile(self: place_s3.Bucket, name: str, chunks: Iterable[bytes], size: int, *, new: bool) -> str:
        put(self, name, chunks, size)
        return put(self, name, [b"another's"], 9)

    with monkeypatch.context() as patched:
        patched.setattr(place_s3.Bucket, "put", meanwhile)
        (outcome,) = desk.copy()
    for again in range(2):
        assert outcome.ok is False and "another backup has this name" in outcome.detail, again
        assert desk.there() == {one.archive: hashlib.sha256(b"another's").hexdigest()}
        (outcome,) = desk.copy()


def test_a_kill_between_a_manifest_and_its_archive_leaves_no_archive_for_good(desk: Desk) -> None:
    desk.add(1), desk.add(2)
    desk.copy()
    desk.backups.pop(0)
    for end in ("7z", "manifest.json"):
        (desk.here / f"2026-11-01T033000Z-full.{end}").unlink()
    desk.child("copies.during-remove:kill", {"KEEP": "1"}).rc(-9, 1, 15)
    assert "2026-11-01T033000Z-full.manifest.json" not in desk.there() and len(desk.there()) == 3
    desk.child(env={"KEEP": "1"}).rc(0)
    assert desk.there() == desk.whole(*desk.backups)


def test_a_full_place_lets_go_of_what_is_kept_too_long_and_takes_the_new_one(
    disk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place_folder.shutil, "disk_usage", lambda path: room(Path(path), 4_000_000))
    a, b = disk.add(1), disk.add(2)
    disk.copy()
    c = disk.add(3)
    assert [one.ok for one in disk.copy()] == [False] and "is full" in disk.outcomes[0].detail
    assert disk.there().items() >= disk.whole(a, b).items(), "nothing was kept too long"
    disk.retain = lambda backups: [Kept(one.id, one.id > a.id, "older than 14 days") for one in backups]
    assert [(one.step.kind, one.ok) for one in disk.copy()] == [("remove-copy", True), ("copy", True)]
    assert disk.there() == disk.whole(b, c) and disk.copy() == []


def room(folder: Path, size: int) -> SimpleNamespace:
    """How much of a disk of this size is free."""
    return SimpleNamespace(free=size - sum(one.stat().st_size for one in folder.iterdir()))


def test_nothing_is_removed_while_a_new_one_is_missing(disk: Desk) -> None:
    a = disk.add(1)
    disk.copy()
    b = disk.add(2)
    (disk.here / f"{b.stem}.7z").write_bytes(b"damaged")
    disk.retain = lambda backups: [Kept(one.id, one.id == b.id, "old") for one in backups]
    assert [outcome.ok for outcome in disk.copy()] == [False]
    assert disk.there() == disk.whole(a)


# Secrets


def test_secrets_in_clear_are_never_copied_and_it_is_said(disk: Desk) -> None:
    a = disk.add(1, local_only=True)
    disk.add(2, 1)
    assert disk.copy() == [] and disk.there() == {}
    assert len(disk.notes) == 1 and "copied nowhere" in disk.notes[0] and a.id in disk.notes[0]
    assert disk.known().good_at is None and a.id in disk.known().why


def test_no_password_reaches_an_outcome_or_the_state_folder(tmp_path: Path) -> None:
    address = f"sftp://me:hunter2@127.0.0.1:{rig.free_port()}/x"
    here = tmp_path / "backups"
    here.mkdir()
    places = declared(address, "s3://KEY:hunter2@a*b/x") if "paramiko" in sys.modules else declared(address)
    outcomes, _ = copy_all(places, here, [backup(here, 1)], tmp_path / "state", NOW, keep_all, timeout_s=1)
    assert all(outcome.ok is False for outcome in outcomes) and "sftp://me:***@127.0.0.1" in str(outcomes[0])
    assert "hunter2" not in str(outcomes)
    assert "hunter2" not in (tmp_path / "state" / "copies.json").read_text(encoding="utf-8")


def test_a_damaged_archive_here_is_named_and_not_kept_there_nor_what_needs_it(desk: Desk) -> None:
    a, c = desk.add(1), desk.add(3)
    desk.add(2, 1)
    path = desk.here / f"{a.stem}.7z"
    data = bytearray(path.read_bytes())
    data[5] ^= 1
    path.write_bytes(data)
    ends = {outcome.step.target.split()[0][:10]: outcome for outcome in desk.copy()}
    assert ends["2026-11-01"].ok is False and "is damaged" in ends["2026-11-01"].detail
    assert "inv backup.verify" in ends["2026-11-01"].detail
    assert ends["2026-11-02"].ok is False and "its base" in ends["2026-11-02"].detail
    assert desk.there() == desk.whole(c)

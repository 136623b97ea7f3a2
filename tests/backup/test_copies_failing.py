"""What keeps a backup from coming to a second place is named, and what is remembered of it is true."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from copies_desk import NOW, Desk
from copying import declared, keep_all

from autosys_tasks.backup.copies import place_folder
from autosys_tasks.backup.copies import send as copies_send
from autosys_tasks.backup.copies import state as copies_state
from autosys_tasks.backup.copies.place import PART, Lost, PlaceError
from autosys_tasks.backup.copies.run import copy_all


def test_a_failure_is_an_outcome_with_what_to_do_and_the_other_place_gets_its_copy(disk: Desk) -> None:
    a = disk.add(1)
    wrong = (disk.here / f"{a.stem}.7z").as_uri()  # a file stands where the folder should be
    outcomes, _ = copy_all(declared(wrong, disk.address), disk.here, disk.backups, disk.state, NOW, keep_all)
    assert [outcome.ok for outcome in outcomes] == [False, True]
    assert "look at `" in outcomes[0].detail and disk.there() == disk.whole(a)


def test_the_folder_of_the_backups_is_no_second_place(disk: Desk) -> None:
    disk.add(1)
    before = sorted(os.listdir(disk.here))
    outcomes, _ = copy_all(declared(disk.here.as_uri()), disk.here, disk.backups, disk.state, NOW, keep_all)
    assert [one.ok for one in outcomes] == [False] and "the backups itself" in outcomes[0].detail
    assert sorted(os.listdir(disk.here)) == before


def test_what_arrives_otherwise_than_it_was_sent_gets_no_name(disk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.add(1)
    finish = place_folder.Folder.read

    def bad(self: place_folder.Folder, name: str) -> Iterator[bytes]:
        for chunk in finish(self, name):
            yield chunk[:-1] + bytes([chunk[-1] ^ 1])

    monkeypatch.setattr(place_folder.Folder, "read", bad)
    (outcome,) = disk.copy()
    assert outcome.ok is False and "not what was sent" in outcome.detail
    monkeypatch.undo()
    assert disk.there() == {}


def test_a_line_that_breaks_is_tried_once_more_and_goes_on(disk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = disk.add(1), disk.add(2)
    put, calls = place_folder.Folder.put, []

    def breaking(self: place_folder.Folder, name: str, chunks: object, size: int, **more: bool) -> str:
        calls.append(name)
        if len(calls) == 3:
            raise Lost("hung up")
        return put(self, name, chunks, size, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(place_folder.Folder, "put", breaking)
    assert [outcome.ok for outcome in disk.copy()] == [True, True]
    assert disk.there() == disk.whole(a, b)
    assert calls.count(f"{a.stem}.7z") == 1 and calls.count(f"{b.stem}.7z") == 2


def test_a_line_that_stays_broken_is_one_failure(disk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.add(1), disk.add(2)

    def broken(self: place_folder.Folder, name: str, chunks: object, size: int, **more: bool) -> str:
        raise Lost("hung up", hint="look at the cable")

    monkeypatch.setattr(place_folder.Folder, "put", broken)
    (outcome,) = disk.copy()
    assert outcome.ok is False and outcome.detail == "hung up; look at the cable"
    assert disk.known().why == outcome.detail


def test_a_full_place_is_named_and_nothing_is_left_half(disk: Desk) -> None:
    disk.add(1)
    result = disk.child("copies.during-put:enospc").rc(4).says("is full", "make room there")
    assert "No space" in result.out
    assert not [name for name in disk.there() if not name.endswith(PART)]
    disk.child().rc(0)
    assert disk.there() == disk.whole(*disk.backups)


def test_a_place_that_is_full_once_it_was_sent_is_the_one_that_is_named(disk: Desk) -> None:
    disk.add(1)
    disk.child("copies.after-put:enospc").rc(4).says("is full", "make room there")
    disk.child().rc(0)
    assert disk.there() == disk.whole(*disk.backups)


def test_a_place_that_drips_is_given_up() -> None:
    clock = iter(range(0, 10_000, 100))
    with pytest.raises(PlaceError) as caught:
        list(copies_send.paced([b"x" * 1000] * 50, "a.7z", lambda: float(next(clock))))
    assert "too slow" in caught.value.message
    clock = iter(range(0, 10_000, 100))
    assert len(list(copies_send.paced([b"x" * 1_000_001] * 50, "a.7z", lambda: float(next(clock))))) == 50


def test_health_can_tell_how_long_a_place_has_been_behind(disk: Desk) -> None:
    disk.add(1)
    disk.copy(NOW)
    assert disk.known().late(NOW + 3600) == ""
    (Path(disk.site.folder) / "백업 a").rename(disk.site.folder / "unplugged")
    for hours in (24, 60):
        (outcome,) = disk.copy(NOW + hours * 3600)
        assert outcome.ok is False and "is not there any more" in outcome.detail
    late = disk.known(NOW + 60 * 3600).late(NOW + 60 * 3600)
    assert "no good copy" in late and "is not there any more" in late
    (disk.site.folder / "unplugged").rename(disk.site.folder / "백업 a")
    assert disk.copy(NOW + 61 * 3600) == [] and disk.known().late(NOW + 61 * 3600) == ""


@pytest.mark.only("linux")
@pytest.mark.capability("root")
def test_the_folder_where_a_disk_was_mounted_does_not_stand_for_the_disk(disk: Desk) -> None:
    place = disk.site.folder / "백업 a"
    place.mkdir()
    for day in (1, 2):  # another disk is welcome there
        disk.add(day)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
        try:
            assert [one.ok for one in disk.copy()] == [True] * day and disk.there() == disk.whole(*disk.backups)
        finally:
            subprocess.run(["umount", place], check=True)
        (outcome,) = disk.copy()
        assert outcome.ok is False and f"mount its disk at `{place}`" in outcome.detail and disk.there() == {}


def test_a_folder_that_was_made_again_begins_anew(disk: Desk) -> None:
    a = disk.add(1)
    disk.copy()
    shutil.rmtree(disk.site.folder / "백업 a")
    (disk.site.folder / "백업 a").mkdir()
    assert [one.ok for one in disk.copy()] == [True] and disk.there() == disk.whole(a)


def test_a_place_declared_later_is_new_then(disk: Desk) -> None:
    assert disk.known(5.0).since == 5.0 and disk.known(5.0).good_at is None


def test_the_state_says_nothing_that_a_password_could_be_guessed_from(disk: Desk) -> None:
    one, other = (copies_state.key(f"sftp://me:{word}@nas/x") for word in ("a", "b"))
    assert one == other != copies_state.key("sftp://me@nas/y")
    disk.add(1)
    disk.copy()
    said = json.loads((disk.state / "copies.json").read_text(encoding="utf-8"))
    assert next(iter(said["places"].values()))["place"] == disk.address
    assert os.name == "nt" or (disk.state / "copies.json").stat().st_mode & 0o077 == 0

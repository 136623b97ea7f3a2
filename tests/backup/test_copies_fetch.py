"""Backups come back from a second place: the asked one, its base, each as its manifest says, or an error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from copying import DAY, declared, keep_all
from other_places import Site

from autosys_tasks.backup import manifest, store
from autosys_tasks.backup.copies import fetch as copies_fetch
from autosys_tasks.backup.copies import place_folder
from autosys_tasks.backup.copies.place import LATER, Lost
from autosys_tasks.backup.copies.run import copy_all
from autosys_tasks.backup.errors import Damaged
from autosys_tasks.backup.seven_zip.write import Writer
from autosys_tasks.backup.values import FILE, Backup, Entry
from autosys_tasks.core.errors import StateError, UsageError


class Trip:
    """Real backups (archives and manifests) that were copied to a place."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site, self.here, self.into, self.state = site, folder / "backups", folder / "into", folder / "state"
        self.here.mkdir(), self.into.mkdir()
        self.backups: list[Backup] = []
        self.at = copies_fetch.Source(site.address(), "the place")

    def add(self, day: int, base: Backup | None = None, **more: object) -> Backup:
        kind, text = "differential" if base else "full", f"day {day}".encode()
        one = Backup(f"2026-11-{day:02}T033000Z", kind, day * DAY, **more)
        path = self.here / f"{one.stem}.7z"
        with Writer(path) as writer:
            import io

            size, digest = writer.add_file("a.txt", io.BytesIO(text), 0, 0o644)
            length, whole = writer.finish()
        base_facts = {"base": base.id, "base_sha256": base.archive_sha256} if base else {}
        one = one._replace(
            files=1, bytes=size, archive_bytes=length, archive_sha256=whole, verified=True, **base_facts
        )
        entries = [Entry("a.txt", FILE, size, 0, 0o644, digest)]
        manifest.write(self.here / f"{one.stem}.manifest.json", one, entries, [], one)
        self.backups.append(one)
        return one

    def send(self) -> None:
        places = declared(self.at.address)
        done, _ = copy_all(places, self.here, self.backups, self.state, 100 * DAY, keep_all)
        assert all(outcome.ok for outcome in done), done

    def came(self) -> list[str]:
        return sorted(path.name for path in self.into.iterdir())


@pytest.fixture
def trip(site: Site, tmp_path: Path) -> Trip:
    return Trip(site, tmp_path)


@pytest.fixture
def disk(near: Site, tmp_path: Path) -> Trip:
    return Trip(near, tmp_path)


def test_a_backup_comes_back_with_its_base_and_nothing_else(trip: Trip) -> None:
    full = trip.add(1)
    trip.add(2, full)
    last = trip.add(3, full)
    trip.send()
    assert copies_fetch.fetch(trip.at, ["latest"], trip.into) == [last]
    assert trip.came() == sorted(
        f"{one.stem}.{end}" for one in (full, last) for end in ("7z", "manifest.json")
    )
    for path in trip.into.iterdir():
        assert path.read_bytes() == (trip.here / path.name).read_bytes()
    assert store.find(trip.into, last.id) == last
    assert [entry.path for entry, _ in manifest.state(trip.into, last)] == ["a.txt"]


def test_a_place_lists_its_backups_and_what_is_none(trip: Trip) -> None:
    full, second = trip.add(1), trip.add(2)
    trip.send()
    place = trip.site.open()
    for name in ("photo.jpg", "2026-11-09T033000Z-full.7z"):
        place.put(name, [b"x"], 1)
        place.finish(name)
    place.close()
    backups, others = copies_fetch.listed(trip.at, trip.into)
    assert backups == [full, second]
    assert [other.partition(":")[0] for other in others] == ["2026-11-09T033000Z-full.7z", "photo.jpg"]


def test_every_backup_can_be_asked_for(disk: Trip) -> None:
    full = disk.add(1)
    disk.add(2, full)
    disk.send()
    assert copies_fetch.fetch_all(disk.at, disk.into) == disk.backups
    assert store.listed(disk.into) == (disk.backups, [])


def test_a_backup_is_found_by_its_id_and_by_its_files_name(disk: Trip) -> None:
    one = disk.add(1)
    disk.add(2)
    disk.send()
    for wanted in (one.id, one.stem, f"{one.stem}.7z"):
        assert copies_fetch.fetch(disk.at, [wanted], disk.into) == [one]
    with pytest.raises(UsageError) as caught:
        copies_fetch.fetch(disk.at, ["2026-11-01T033000"], disk.into)
    assert one.id in caught.value.hint


def there(trip: Trip, name: str) -> Path:
    return trip.site.folder / "백업 a" / name


def test_what_is_damaged_there_is_refused_by_name(disk: Trip) -> None:
    one = disk.add(1)
    disk.send()
    path = there(disk, f"{one.stem}.7z")
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    with pytest.raises(Damaged) as caught:
        copies_fetch.fetch(disk.at, [one.id], disk.into)
    assert f"{one.stem}.7z" in caught.value.message and "the place" in caught.value.message


def test_what_is_damaged_there_comes_to_a_restore_all_the_same(disk: Trip) -> None:
    """What of it is good may be all that is left; a restore says what is not."""
    one = disk.add(1)
    disk.send()
    path = there(disk, f"{one.stem}.7z")
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    said: list[str] = []
    found: set[str] = set()
    copies_fetch.fetch(disk.at, [one.id], disk.into, archives=False)
    copies_fetch.fetch_archives(disk.at, [one.stem], disk.into, said.append, damaged=found)
    assert (disk.into / one.archive).read_bytes() == path.read_bytes() and found == {one.id}
    assert "WARN" in said[-1] and one.archive in said[-1]


def test_a_line_that_breaks_is_tried_once_more_and_what_came_is_kept(
    disk: Trip, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = disk.add(1)
    last = disk.add(2, full)
    disk.send()
    read, asked = place_folder.Folder.read, []

    def breaking(self: place_folder.Folder, name: str) -> Iterator[bytes]:
        asked.append(name)
        if name in broken:
            raise Lost("hung up", hint=LATER)
        return read(self, name)

    monkeypatch.setattr(place_folder.Folder, "read", breaking)
    broken = [last.archive]
    with pytest.raises(Lost) as caught:
        copies_fetch.fetch(disk.at, ["latest"], disk.into)
    assert asked.count(full.archive) == 1 and asked.count(last.archive) == 2
    assert caught.value.hint == "type the same command again"


def test_a_differential_without_its_base_is_refused(disk: Trip) -> None:
    full = disk.add(1)
    last = disk.add(2, full)
    disk.send()
    there(disk, f"{full.stem}.7z").unlink()
    with pytest.raises(Damaged) as caught:
        copies_fetch.fetch(disk.at, [last.id], disk.into)
    assert full.id in caught.value.message


def test_a_newest_one_whose_manifest_is_torn_is_left_out_and_said(disk: Trip) -> None:
    one, torn = disk.add(1), disk.add(2)
    disk.send()
    there(disk, f"{torn.stem}.manifest.json").write_bytes(b"{")
    said: list[str] = []
    assert copies_fetch.fetch(disk.at, ["latest"], disk.into, said.append) == [one]
    assert f"{torn.stem} is left out" in said[0]


def test_of_a_torn_manifest_nobody_says_that_its_archive_is_gone(disk: Trip) -> None:
    disk.add(1)
    torn = disk.add(2)
    disk.send()
    there(disk, torn.manifest).write_bytes(b"{")
    copies_fetch.fetch_all(disk.at, disk.into)
    (other,) = store.listed(disk.into)[1]
    assert other.startswith(torn.manifest) and "gone" not in other


def test_a_place_without_backups_says_so(disk: Trip) -> None:
    disk.site.open().close()
    with pytest.raises(UsageError) as caught:
        copies_fetch.fetch(disk.at, ["latest"], disk.into)
    assert "no backup at `the place`" in caught.value.message


def test_what_does_not_fit_is_not_begun(disk: Trip, monkeypatch: pytest.MonkeyPatch) -> None:
    one = disk.add(1)
    disk.send()
    big = disk.backups[0]._replace(archive_bytes=1 << 60)
    entries = manifest.read_entries(disk.here / f"{one.stem}.manifest.json")
    manifest.write(there(disk, f"{one.stem}.manifest.json"), big, entries, [], big)
    with pytest.raises(StateError) as caught:
        copies_fetch.fetch(disk.at, [one.id], disk.into)
    assert "do not fit" in caught.value.message and f"{one.stem}.7z" not in disk.came()


# What `--from` names


def test_a_source_takes_values_from_the_environment_and_shows_none() -> None:
    found = copies_fetch.source("sftp://me:${env:PW}@nas/x", {"PW": "hunter/2"})
    assert found == ("sftp://me:hunter%2F2@nas/x", "sftp://me:${env:PW}@nas/x")
    assert copies_fetch.source("${env:PLACE:-file:///mnt}", {}).address == "file:///mnt"
    assert copies_fetch.source("sftp://me:hunter2@nas/x", {}).shown == "sftp://me:***@nas/x"


@pytest.mark.parametrize(
    "written, said",
    [("ftp://me:hunter2@nas", "`ftp://me:***@nas` is no place"), ("s3://${env:NO}", "`${env:NO}` is not defined")],
)
def test_a_source_that_is_none_is_usage(written: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        copies_fetch.source(written, {})
    assert said in caught.value.message and "hunter2" not in caught.value.message + caught.value.hint

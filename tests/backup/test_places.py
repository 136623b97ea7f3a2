"""The contract of a second place, held by a folder, a bucket (moto's server) and an SFTP server (OpenSSH's)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from other_places import Site, put

from autosys_tasks.backup.copies.place import Lost, NameTaken, Place, PlaceError, open_place
from autosys_tasks.backup.copies.place_folder import folder_of
from autosys_tasks.config.addresses import parse


@pytest.fixture
def place(site: Site) -> Iterator[Place]:
    place = site.open()
    yield place
    place.close()


def test_what_is_put_can_be_read_and_gets_its_name_when_it_is_finished(place: Place) -> None:
    data = os.urandom(2_500_000)
    lies = put(place, "a.7z", data)
    assert b"".join(place.read(lies)) == data
    assert place.names() == {lies: len(data)}
    place.finish("a.7z")
    assert place.names() == {"a.7z": len(data)} and b"".join(place.read("a.7z")) == data


def test_a_piece_of_what_is_there_is_read_alone(place: Place) -> None:
    data = os.urandom(100_000)
    put(place, "a.7z", data)
    place.finish("a.7z")
    assert place.piece("a.7z", 70_000, 20_000) == data[70_000:90_000]
    assert place.piece("a.7z", 99_999, 5) == data[-1:], "fewer only at its end"
    with pytest.raises(PlaceError, match="the place"):
        place.piece("nothing", 0, 1)


def test_nothing_at_all_is_a_file_too(place: Place) -> None:
    put(place, "empty", b"")
    place.finish("empty")
    assert place.names() == {"empty": 0} and list(place.read("empty")) in ([], [b""])


def test_what_has_the_name_is_replaced(place: Place) -> None:
    for data in (b"old and longer", b"new"):
        put(place, "a", data)
        place.finish("a")
    assert place.names() == {"a": 3} and b"".join(place.read("a")) == b"new"


def test_what_has_the_name_stays_where_a_new_one_was_meant(place: Place) -> None:
    put(place, "a", b"theirs")
    place.finish("a")
    with pytest.raises(NameTaken):
        place.put("a", [b"ours"], 4, new=True)
        place.finish("a", new=True)
    place.drop("a")
    assert place.names() == {"a": 6} and b"".join(place.read("a")) == b"theirs"
    place.put("b", [b"ours"], 4, new=True)
    place.finish("b", new=True)
    assert place.names() == {"a": 6, "b": 4}


def test_a_disk_without_second_names_gives_a_new_one_all_the_same(
    near: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = near.open()
    monkeypatch.setattr(os, "link", refused)
    for name in ("a", "b"):
        place.put(name, [b"ours"], 4, new=True)
        place.finish(name, new=True)
    place.put("a", [b"theirs"], 6, new=True)
    with pytest.raises(NameTaken):
        place.finish("a", new=True)
    place.drop("a")
    assert place.names() == {"a": 4, "b": 4}
    place.close()


def refused(*_: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_removing_takes_the_unfinished_too_and_nothing_else(place: Place) -> None:
    for name in ("a", "b"):
        put(place, name, b"x")
        place.finish(name)
    put(place, "a", b"y")
    place.remove("a")
    assert place.names() == {"b": 1}
    place.remove("a")


def test_only_what_lies_there_itself_is_named(site: Site, place: Place) -> None:
    inner = site.open("백업 a/inner")
    put(inner, "deep", b"x")
    inner.finish("deep")
    inner.close()
    beside = site.open("백업 ab")
    put(beside, "beside", b"x")
    beside.close()
    assert place.names() == {}


def test_what_is_not_there_cannot_be_read(place: Place) -> None:
    with pytest.raises(PlaceError) as caught:
        list(place.read("nothing"))
    assert "the place" in caught.value.message and not isinstance(caught.value, Lost)


def test_what_breaks_off_gets_no_name(place: Place) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise RuntimeError("the reader broke")

    with pytest.raises(RuntimeError):
        place.put("a", chunks(), 8)
    assert "a" not in place.names()


def test_a_place_that_held_backups_is_not_made_again(site: Site) -> None:
    if site.kind == "s3":
        return  # a prefix is nothing that could be missing
    with pytest.raises(PlaceError) as caught:
        site.open(make=False)
    assert "is not there any more" in caught.value.message and str(site.folder) in caught.value.hint


# Addresses


def test_a_file_address_names_a_folder_of_this_system(tmp_path: Path) -> None:
    assert folder_of(parse(tmp_path.as_uri())) == tmp_path
    drive = folder_of(parse("file:///D:/backup"))
    assert str(drive) == ("D:\\backup" if drive.drive else "/D:/backup")


@pytest.mark.only("posix")
def test_a_share_is_mounted_first_where_its_server_is_no_path(tmp_path: Path) -> None:
    with pytest.raises(PlaceError) as caught:
        open_place("file://nas/share", "file://nas/share", make=True)
    assert "only Windows" in caught.value.message and "mount" in caught.value.hint


@pytest.mark.only("win32")
def test_a_share_has_its_servers_name() -> None:
    assert str(folder_of(parse("file://nas/share/desk"))) == "\\\\nas\\share\\desk"

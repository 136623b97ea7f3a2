"""Where a path of an archive goes: never out, never to a name that the disk cannot hold, never two to one place."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autosys_tasks.backup.restore.names_text import (
    Rules,
    TargetNames,
    link_stays,
    measure,
    renamed,
    why_impossible,
    why_invalid,
)

LINUX, WINDOWS = Rules(), Rules(windows=True, folds=True)
MACOS, CASED_MACOS = Rules(folds=True, composes=True), Rules(composes=True)
DISKS = st.sampled_from([LINUX, WINDOWS, MACOS, CASED_MACOS])
AWKWARD = (
    "..", ".", "", "C:", "a:b", "NUL", "con.txt", "com¹", "x.", "x ", "가" * 90, "\u00e9", "e\u0301", "A", "a",
    "\\\\srv", "\udcff",
)  # fmt: skip
NAMES = st.sampled_from(AWKWARD) | st.text(max_size=8) | st.text("ab.~", max_size=3) | st.text("가😀", max_size=130)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@pytest.mark.parametrize(
    "path", ["", "/etc/passwd", "..", "../x", "a/../../x", "a/..", "//srv/share/x", "a//b", "./a", "a/.", "a\0b", "a/"]
)
def test_a_path_that_no_backup_of_ours_has_is_refused(path: str) -> None:
    place = TargetNames(LINUX).place(path)
    assert why_invalid(path) and place.target == "" and place.why


@pytest.mark.parametrize(
    "path",
    [
        "C:/x", "C:x", "C:\\x", "\\x", "\\\\srv\\share\\x", "..\\x", "a\\..\\..\\x", "a:b", "a/b:$DATA", "NUL",
        "nul.txt", "aux/x", "COM1", "lpt9.log", "con .txt", "CONOUT$", "com¹.x", "x.", "x ", "...", ".. ", "a/x. .",
        'q"q', "a\tb", "?*<>|", "x" * 256, "가" * 300, "x" * 300 + ".txt", "😀" * 128,
    ],
)  # fmt: skip
def test_on_windows_a_name_that_cannot_be_gets_another_one(path: str) -> None:
    place = TargetNames(WINDOWS).place(path)
    assert place.why and place.target and place.target != path
    for name in place.target.split("/"):
        assert not why_impossible(name, WINDOWS), name
    whole = PureWindowsPath("D:\\to", *place.target.split("/"))
    assert whole.is_relative_to("D:\\to") and len(whole.parts) == 3 + path.count("/")


@pytest.mark.parametrize("path", ["C:/x", "a:b", "NUL", "x.", "a\\b", "\udcff", "가" * 85, ".git/x", "...", ".x", " "])
def test_what_linux_can_hold_keeps_its_name_there(path: str) -> None:
    assert TargetNames(LINUX).place(path) == (path, "")


def test_a_long_name_keeps_its_beginning_and_its_ending() -> None:
    name = "보고서 " * 40 + ".hwp"
    place = TargetNames(LINUX).place(f"docs/{name}")
    assert place.target.startswith("docs/보고서 보고서") and place.target.endswith(".hwp") and "~" in place.target
    assert measure(place.target.removeprefix("docs/"), LINUX) in range(250, 256)
    assert place.why == f"`{name}`: {len(name.encode())} bytes long, 255 is the most"
    assert TargetNames(WINDOWS).place(f"docs/{name}") == (f"docs/{name}", "")


@pytest.mark.parametrize(("name", "begins"), [("a?b.txt", "a_b~"), ("con.txt", "_con~"), ("com1 .x", "_com1 ~")])
def test_a_mapped_name_keeps_all_that_can_be_and_is_no_device(name: str, begins: str) -> None:
    assert renamed(name, WINDOWS).startswith(begins) and renamed(name, WINDOWS).endswith(name.rpartition(".")[2])


def test_what_lies_in_a_mapped_folder_stays_together() -> None:
    places = TargetNames(WINDOWS)
    first, second = places.place("a?/b/1"), places.place("a?/2")
    assert first.target.split("/")[0] == second.target.split("/")[0] == renamed("a?", WINDOWS)
    assert "`a?`" in first.why


def test_names_that_are_one_on_this_disk_are_two_files_all_the_same() -> None:
    accents = ("docs/\u00e9", "docs/e\u0301")
    for disk, pair in ((WINDOWS, ("docs/A.txt", "docs/a.txt")), (MACOS, accents), (CASED_MACOS, accents)):
        places = TargetNames(disk)
        one, other = (places.place(path) for path in pair)
        assert one == (pair[0], "") and other.target != pair[1] and "has that name" in other.why
        assert places.place(pair[1]) == other and places.place(pair[0]) == one
        assert [TargetNames(LINUX).place(path).target for path in pair] == list(pair)


def test_files_of_two_folders_that_are_one_here_do_not_meet() -> None:
    places = TargetNames(WINDOWS)
    assert places.place("Docs/x").target != places.place("docs/x").target


@given(st.lists(PATHS, max_size=12), DISKS)
def test_every_place_is_possible_within_and_its_own(paths: list[str], disk: Rules) -> None:
    places, seen = TargetNames(disk), {}
    for path in paths:
        place = places.place(path)
        assert bool(place.target) != bool(why_invalid(path))
        if not place.target:
            continue
        names = place.target.split("/")
        assert len(names) == path.count("/") + 1 and not why_invalid(place.target)
        assert not [name for name in names if why_impossible(name, disk)]
        assert place.target == path or place.why
        key = place.target.casefold() if disk.folds else place.target
        key = unicodedata.normalize("NFC", key) if disk.composes else key
        assert seen.setdefault(key, path) == path, "two paths, one place"
        assert places.place(path) == place


@given(PATHS)
def test_a_second_restore_finds_the_same_places(path: str) -> None:
    assert TargetNames(WINDOWS).place(path) == TargetNames(WINDOWS).place(path)


@pytest.mark.only("posix")
@given(st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=300))
def test_linux_takes_exactly_what_is_said_to_be_possible(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = tmp_path_factory.getbasetemp()
    wanted = renamed(name, LINUX) if why_impossible(name, LINUX) or name in (".", "..") else name
    path = folder / wanted
    path.write_bytes(b"")
    assert os.fsencode(wanted) in os.listdir(os.fsencode(folder))
    path.unlink()


@pytest.mark.parametrize(
    ("path", "text", "stays"),
    [
        ("a", "b", True), ("a/b", "../c", True), ("a/b", "..", True), ("a/b", "../..", False), ("a", "..", False),
        ("a", "/etc/passwd", False), ("a", "", False), ("a", "b/../..", False), ("a/b/c", "x/../y", False),
        ("a/b/c", "../../x/y", True), ("a/b/c", "./.././../x", True), ("a/b/c", "../../../x", False),
        ("a", "x\0", False),
    ],
)  # fmt: skip
def test_a_link_is_made_only_when_it_certainly_stays_within(path: str, text: str, stays: bool) -> None:
    assert link_stays(path, text, LINUX) is stays
    assert link_stays(path, text, WINDOWS) is stays


@pytest.mark.parametrize("text", ["\\x", "..\\..\\x", "C:\\x", "C:x", "\\\\srv\\x", "\\\\?\\C:\\x", "x\\..\\..\\.."])
def test_a_link_of_windows_is_read_as_windows_reads_it(text: str) -> None:
    assert not link_stays("a/b", text, WINDOWS)


WHERE = ("a", "a/b", "a/b/c", "d", "d/e", "f")
WHITHER = ("..", "../..", "a", "b", "a/..", "../a/b", "../d/e", "../../f", "e/../..", "d/../../x", "/", ".")


@pytest.mark.only("posix")
@given(st.lists(st.tuples(st.sampled_from(WHERE), st.sampled_from(WHITHER)), max_size=6))
def test_no_set_of_links_that_stay_leads_out_together(
    tmp_path_factory: pytest.TempPathFactory, links: list[tuple[str, str]]
) -> None:
    """Each is judged alone, and may lead through any other."""
    top = tmp_path_factory.mktemp("links")
    for path, text in links:
        place = top / path
        if link_stays(path, text, LINUX) and not os.path.lexists(place):
            folders = [top / folder for folder in Path(path).parents]
            if not any(folder.is_symlink() for folder in folders):
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(text)
    for path in (one for one in top.rglob("*") if one.is_symlink()):
        assert Path(os.path.realpath(path)).is_relative_to(os.path.realpath(top)), (path, os.readlink(path))

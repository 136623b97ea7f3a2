"""Restores from real archives: exact, a part of it, never over what is there unless told."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import rig
from hypothesis import given, settings
from hypothesis import strategies as st
from kept_trees import SECOND, keep, things, write
from restoring import POSIX, details, order

from autosys_tasks import host
from autosys_tasks.backup.restore import file_bytes as restore_bytes
from autosys_tasks.backup.restore import put as restore_put
from autosys_tasks.backup.restore.plan import dry_run_plan
from autosys_tasks.backup.restore.run import carry_out, planned, restore
from autosys_tasks.core.errors import StateError, UsageError

# Exact


@pytest.mark.parametrize("passphrase", ["", "비밀 phrase"])
def test_the_whole_is_restored_exactly(tree: Path, tmp_path: Path, passphrase: str) -> None:
    backup = keep(tmp_path / "backups", tree, passphrase=passphrase)
    report = restore(order(tmp_path / "backups", backup, tmp_path / "to", passphrase=passphrase))
    assert report.code == 0 and not report.notes
    assert things(tmp_path / "to") == things(tree)
    assert {one.ok for one in report.outcomes} == {True} and len(report.outcomes) == len(things(tree))


@POSIX
def test_modes_times_links_and_hard_links_come_back(tree: Path, tmp_path: Path) -> None:
    write(tree / "run.sh", b"#!/bin/sh\n", mode=0o755)
    write(tree / "shut/in.txt", b"x", mode=0o400)
    os.link(tree / "a.txt", tree / "문서/same.txt")
    os.link(tree / "a.txt", tree / "z same.txt")
    write(tree / "copy of a.txt", b"first\n")
    os.symlink("../a.txt", tree / "문서/link")
    os.symlink("문서", tree / "to a folder")
    os.symlink("nowhere", tree / "dangling")
    os.utime(tree / "shut", (1_500_000_000, 1_500_000_000))
    (tree / "shut").chmod(0o555)
    try:
        backup = keep(tmp_path / "backups", tree)
        report = restore(order(tmp_path / "backups", backup, tmp_path / "to"))
        assert report.code == 0
        assert things(tmp_path / "to") == things(tree)
        inodes = {os.stat(tmp_path / "to" / name).st_ino for name in ("a.txt", "문서/same.txt", "z same.txt")}
        assert len(inodes) == 1 and os.stat(tmp_path / "to/a.txt").st_nlink == 3
        (alone,) = restore(order(tmp_path / "backups", backup, tmp_path / "alone", "z same.txt")).outcomes
        assert alone.ok and (tmp_path / "alone/z same.txt").read_bytes() == b"first\n"
    finally:
        for top in (tree, tmp_path / "to"):
            (top / "shut").chmod(0o755)


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=40).filter(
    lambda name: name not in (".", "..") and len(name.encode()) < 200
)
TREES = st.dictionaries(st.lists(NAMES, min_size=1, max_size=3).map(tuple), st.binary(max_size=300), max_size=8)


@POSIX
@settings(max_examples=rig.examples(40))
@given(tree=TREES, bits=st.integers(0, 0o777), second=TREES)
def test_any_tree_comes_back_from_a_full_and_from_a_differential(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[tuple[str, ...], bytes], bits: int,
    second: dict[tuple[str, ...], bytes],
) -> None:  # fmt: skip
    top = tmp_path_factory.mktemp("tree")
    _grow(top / "tree", tree, bits | 0o400)
    full = keep(top / "backups", top / "tree")
    before = things(top / "tree")
    assert restore(order(top / "backups", full, top / "one")).code == 0
    assert things(top / "one") == before
    for path in list((top / "tree").rglob("*"))[::3]:
        if path.is_file():
            path.unlink()
    _grow(top / "tree", second, 0o644)
    differential = keep(top / "backups", top / "tree", at=SECOND, base=full)
    report = restore(order(top / "backups", differential, top / "two"))
    assert report.code == 0 and things(top / "two") == things(top / "tree")
    restore(order(top / "backups", full, top / "three"))
    assert things(top / "three") == before


def _grow(top: Path, files: dict[tuple[str, ...], bytes], mode: int) -> None:
    top.mkdir(exist_ok=True)
    for parts, data in files.items():
        path = top.joinpath(*parts)
        if not any(above.is_file() for above in path.parents) and not path.exists():
            write(path, data, mode=mode)


@pytest.mark.parametrize("passphrase", ["", "pass"])
def test_a_real_tree_comes_back(tmp_path: Path, passphrase: str) -> None:
    """The sources, the pages and the tests of this very product."""
    for name in ("autosys_tasks", "docs", "tests"):
        ignore = shutil.ignore_patterns("__pycache__", ".*")
        shutil.copytree(rig.REPOSITORY / name, tmp_path / "tree" / name, ignore=ignore)
    backup = keep(tmp_path / "backups", tmp_path / "tree", passphrase=passphrase)
    report = restore(order(tmp_path / "backups", backup, tmp_path / "to", passphrase=passphrase))
    assert report.code == 0 and len(report.outcomes) > 400
    assert things(tmp_path / "to") == things(tmp_path / "tree")


@POSIX
@pytest.mark.parametrize("ends", [b"", b"the end"], ids=["in a hole", "in bytes"])
def test_what_is_a_hole_takes_no_room_when_it_is_restored(tmp_path: Path, ends: bytes) -> None:
    """A disk image of which little is used would fill the disk."""
    top = tmp_path / "desk"
    write(top / "image", b"")
    with (top / "image").open("r+b") as file:
        for at in (8, 20):
            file.seek(at << 20)
            file.write(os.urandom(1 << 20))
        file.truncate(32 << 20)
        file.seek(0, os.SEEK_END)
        file.write(ends)
    backup = keep(tmp_path / "backups", top)
    report = restore(order(tmp_path / "backups", backup, tmp_path / "out"))
    made = (tmp_path / "out" / "image").stat()
    assert report.code == 0 and things(tmp_path / "out") == things(top)
    assert (top / "image").stat().st_blocks * 512 < 4 << 20, "this disk has holes"
    assert made.st_blocks * 512 < 8 << 20 and made.st_size == (32 << 20) + len(ends)


@pytest.mark.only("linux")
@pytest.mark.parametrize("size", [4095, 4096, 5 * 4096 + 7, (3 << 20) + 4097])
def test_a_file_takes_no_more_room_than_before_wherever_its_holes_are(tmp_path: Path, size: int) -> None:
    top = tmp_path / "desk"
    write(top / "before", b"x" * 777)  # what follows begins within a page of the archive's pieces
    for number, at in enumerate((0, 1, 4096, size // 2, size - 1)):
        write(top / f"sparse {number}", b"")
        os.truncate(top / f"sparse {number}", size)
        with (top / f"sparse {number}").open("r+b") as file:
            file.seek(at)
            file.write(b"x"[: size - at])
        os.utime(top / f"sparse {number}", (1, 1))
    backup = keep(tmp_path / "backups", top)
    assert restore(order(tmp_path / "backups", backup, tmp_path / "out")).code == 0
    assert things(tmp_path / "out") == things(top)
    for path in top.iterdir():
        took, takes = (one.stat().st_blocks * 512 for one in (path, tmp_path / "out" / path.name))
        assert takes <= took + 4096, path.name


@given(
    st.lists(st.sampled_from([b"\0" * 5, b"\0" * 4096, b"\0" * 9000, b"ab", b"a" + b"\0" * 4095]), max_size=12),
    st.lists(st.integers(0, 30_000), max_size=4),
)
def test_holes_are_never_where_bytes_are(parts: list[bytes], cuts: list[int]) -> None:
    data, at, made = b"".join(parts), 0, bytearray()
    for cut in [*sorted(each for each in cuts if each < len(data)), len(data)]:
        chunk, end = data[at:cut], 0
        for begin, behind in restore_bytes._holes(chunk, at):
            assert end <= begin < behind <= len(chunk) and not any(chunk[begin:behind])
            end = behind
        made += chunk
        at = cut
    whole = [begin for begin, _ in restore_bytes._holes(data, 0)]
    pages = [data[at : at + 4096] for at in range(0, len(data) - 4095, 4096)]
    assert bool(whole) == (bytes(4096) in pages), "every whole page of 0 is one"


@POSIX
def test_a_folder_keeps_its_group_and_a_file_gains_no_owner(tmp_path: Path) -> None:
    top = tmp_path / "desk"
    for path, mode in (("team/in", 0o2775), ("drop/in", 0o1777)):
        write(top / path, b"x")
        (top / path).parent.chmod(mode)
    write(top / "as another", b"x", mode=0o6755)
    write(top / "as another too", b"y" * 100_000, mode=0o4711)
    os.link(top / "as another", top / "by two names")
    backup = keep(tmp_path / "backups", top)
    assert restore(order(tmp_path / "backups", backup, tmp_path / "out")).code == 0
    modes = {path.name: f"{path.stat().st_mode & 0o7777:o}" for path in (tmp_path / "out").iterdir()}
    assert modes == {
        "team": "2775", "drop": "1777", "as another": "755", "as another too": "711", "by two names": "755",
    }  # fmt: skip


# A part of it


def test_a_file_a_folder_and_a_glob(tree: Path, tmp_path: Path) -> None:
    backup = keep(tmp_path / "backups", tree)
    restore(order(tmp_path / "backups", backup, tmp_path / "one", "a.txt"))
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["a.txt"]
    restore(order(tmp_path / "backups", backup, tmp_path / "two", "문서", "**/*.bin"))
    assert {path.name for path in (tmp_path / "two").rglob("*") if path.is_file()} == {"보고서 \U0001f600.txt", "z.bin"}
    with pytest.raises(UsageError, match="named `b") as raised:
        restore(order(tmp_path / "backups", backup, tmp_path / "three", "b.txt"))
    assert raised.value.hint == "did you mean `a.txt`?" and not (tmp_path / "three").exists()


def test_the_state_of_git_comes_along_only_when_it_is_named(tree: Path, tmp_path: Path) -> None:
    backup = keep(tmp_path / "backups", tree, more={".autosys/git/state.json": b"{}"})
    restore(order(tmp_path / "backups", backup, tmp_path / "one"))
    assert not (tmp_path / "one/.autosys").exists()
    restore(order(tmp_path / "backups", backup, tmp_path / "two", ".autosys/git"))
    assert (tmp_path / "two/.autosys/git/state.json").read_bytes() == b"{}"


# Never over what is there


def test_nothing_is_overwritten_unless_told(tree: Path, tmp_path: Path) -> None:
    backup, to = keep(tmp_path / "backups", tree), tmp_path / "to"
    restore(order(tmp_path / "backups", backup, to))
    write(to / "a.txt", b"mine!\n")
    (to / "empty").unlink()
    write(to / "own", b"own")
    same = os.stat(to / ".env").st_ino
    report = restore(order(tmp_path / "backups", backup, to))
    assert report.code == 0 and (to / "a.txt").read_bytes() == b"mine!\n" and (to / "empty").exists()
    ok, detail = details(report)["a.txt"]
    assert ok is None and "stays" in detail
    report = restore(order(tmp_path / "backups", backup, to, overwrite="changed"))
    assert (to / "a.txt").read_bytes() == b"first\n" and os.stat(to / ".env").st_ino == same
    assert [path for path, (ok, _) in details(report).items() if ok] == ["a.txt"]
    write(to / "a.txt", b"mine!\n")
    report = restore(order(tmp_path / "backups", backup, to, overwrite="always"))
    assert (to / "a.txt").read_bytes() == b"first\n" and (to / "own").read_bytes() == b"own"
    (to / "own").unlink()
    assert things(to) == things(tree)
    with pytest.raises(UsageError, match="newer") as raised:
        restore(order(tmp_path / "backups", backup, to, overwrite="newer"))
    assert raised.value.code == 2


@pytest.mark.parametrize("overwrite", ["never", "changed", "always"])
def test_a_dry_run_changes_nothing_and_says_what_the_run_then_does(tree: Path, tmp_path: Path, overwrite: str) -> None:
    backup, to = keep(tmp_path / "backups", tree), tmp_path / "to"
    write(to / "a.txt", b"mine!\n")
    write(to / ".env", b"TOKEN=hunter2\n", mode=0o600)
    before = things(tmp_path)
    wanted = order(tmp_path / "backups", backup, to, overwrite=overwrite)
    plan = dry_run_plan("backup.restore", planned(wanted).items)
    assert things(tmp_path) == before
    done = [one.step for one in restore(wanted).outcomes if one.ok]
    assert sorted(done) == sorted(plan.steps)
    again = dry_run_plan("backup.restore", planned(wanted).items)
    assert bool(again.steps) is (overwrite == "always"), "as wanted is nothing to do"


def test_a_folder_in_the_way_is_named_and_nothing_of_it_is_lost(tree: Path, tmp_path: Path) -> None:
    backup, to = keep(tmp_path / "backups", tree), tmp_path / "to"
    write(to / "a.txt/mine", b"mine")
    write(to / "문서", b"a file")
    report = restore(order(tmp_path / "backups", backup, to, overwrite="always"))
    bad = {path for path, (ok, _) in details(report).items() if ok is False}
    assert report.code == 4 and bad == {"a.txt", "문서", "문서/보고서 \U0001f600.txt"}
    assert (to / "a.txt/mine").read_bytes() == b"mine" and (to / "문서").read_bytes() == b"a file"
    assert (to / ".env").exists()


def test_what_appears_while_it_is_restored_stays(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backup, to = keep(tmp_path / "backups", tree), tmp_path / "to"

    def appear(point: str) -> None:
        if not (to / "a.txt").exists():
            write(to / "a.txt", b"new")

    monkeypatch.setattr(restore_put, "fault_or_nothing", lambda: appear)
    report = restore(order(tmp_path / "backups", backup, to))
    assert details(report)["a.txt"] == (False, "a file has appeared there meanwhile")
    assert (to / "a.txt").read_bytes() == b"new"


def test_two_restores_into_one_folder_at_once_both_end_well(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if host.PLATFORM != "windows":
        os.symlink("a.txt", tree / "link")
    backup, to = keep(tmp_path / "backups", tree), tmp_path / "to"
    wanted = order(tmp_path / "backups", backup, to)
    first = planned(wanted)
    assert restore(wanted).code == 0
    report = carry_out(wanted, first)  # nothing was there when this one looked
    assert not report.failed and things(to) == things(tree)


@POSIX
def test_a_link_replaces_nothing_that_has_appeared_since_it_was_planned(tree: Path, tmp_path: Path) -> None:
    os.symlink("a.txt", tree / "link")
    backup, to = keep(tmp_path / "backups", tree), tmp_path / "to"
    wanted = order(tmp_path / "backups", backup, to)
    seen = planned(wanted)
    write(to / "link", b"a person's")
    report = carry_out(wanted, seen)
    assert details(report)["link"] == (False, "a file has appeared there meanwhile")
    assert (to / "link").read_bytes() == b"a person's"


@POSIX
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_modes_come_back_whatever_the_umask_is(tmp_path: Path, mask: int) -> None:
    tree = tmp_path / "tree"
    for mode in (0o400, 0o444, 0o600, 0o644, 0o666, 0o755, 0o1777):
        write(tree / f"{mode:o}", b"x", mode=mode)
    backup, before = keep(tmp_path / "backups", tree), os.umask(mask)
    try:
        report = restore(order(tmp_path / "backups", backup, tmp_path / "to"))
    finally:
        os.umask(before)
    assert report.code == 0 and things(tmp_path / "to") == things(tree)


def test_a_disk_without_hard_links_takes_every_file(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = keep(tmp_path / "backups", tree)

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    report = restore(order(tmp_path / "backups", backup, tmp_path / "to"))
    assert report.code == 0 and things(tmp_path / "to") == things(tree)


def test_a_folder_to_restore_to_that_is_none_is_usage(tree: Path, tmp_path: Path) -> None:
    backup = keep(tmp_path / "backups", tree)
    write(tmp_path / "to", b"a file")
    with pytest.raises(UsageError, match="no folder"):
        restore(order(tmp_path / "backups", backup, tmp_path / "to"))


def test_a_folder_that_cannot_be_made_says_what_helps(tree: Path, tmp_path: Path) -> None:
    backup = keep(tmp_path / "backups", tree)
    write(tmp_path / "a file", b"")
    with pytest.raises(StateError, match="cannot write") as raised:
        restore(order(tmp_path / "backups", backup, tmp_path / "a file" / "to"))
    assert "--to DIR" in raised.value.hint and "AUTOSYS_STATE" not in raised.value.hint

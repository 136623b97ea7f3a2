"""Restores from real archives: exact, whole or not at all, never out, never over what is there unless told."""

from __future__ import annotations

import errno
import io
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import rig
from hypothesis import given, settings
from hypothesis import strategies as st
from kept_trees import FIRST, SECOND, keep, things, write

from autosys_tasks.backup import manifest, restore_look, restore_put
from autosys_tasks.backup.damaged import Damaged, NeedsPassphrase
from autosys_tasks.backup.names_text import Rules
from autosys_tasks.backup.restore import Order, Report, carry_out, planned, restore
from autosys_tasks.backup.restore_plan import shown
from autosys_tasks.backup.seven_zip_write import Writer
from autosys_tasks.backup.values import FILE, FULL, LINK, Backup, Entry
from autosys_tasks.core.errors import UsageError

POSIX = pytest.mark.only("posix")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A workspace with everything awkward that this system holds."""
    top = tmp_path / "책상 R&D"
    write(top / "a.txt", b"first\n")
    write(top / "문서/보고서 \U0001f600.txt", "가나다\n".encode() * 1000)
    write(top / "e\u0301/nfd.txt", b"nfd", mode=0o600)
    write(top / "empty", b"")
    write(top / ".env", b"TOKEN=hunter2\n", mode=0o600)
    write(top / "deep" / ("x" * 100) / ("y" * 100) / ("가" * 60) / "z.bin", os.urandom(200_000))
    (top / "nothing in it").mkdir()
    return top


def order(folder: Path, backup: Backup, to: Path, *paths: str, **more: object) -> Order:
    return Order(folder, backup, paths, to, **more)  # type: ignore[arg-type]


def details(report: Report) -> dict[str, tuple[bool | None, str]]:
    return {str(one.step.detail["path"]): (one.ok, one.detail) for one in report.outcomes}


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
@settings(max_examples=40)
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
    plan = shown("backup.restore", planned(wanted).items)
    assert things(tmp_path) == before
    done = [one.step for one in restore(wanted).outcomes if one.ok]
    assert sorted(done) == sorted(plan.steps)
    again = shown("backup.restore", planned(wanted).items)
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

    monkeypatch.setattr(restore_put, "for_a_loop", lambda: appear)
    report = restore(order(tmp_path / "backups", backup, to))
    assert details(report)["a.txt"] == (False, "a file has appeared there meanwhile")
    assert (to / "a.txt").read_bytes() == b"new"


# Never out


def hostile(folder: Path, entries: list[tuple[Entry, bytes]]) -> Backup:
    """A backup that somebody else made: with any path and any link."""
    folder.mkdir()
    head = Backup(FIRST, FULL, 1.0, files=1, bytes=1)
    with Writer(folder / f"{head.stem}.7z", threads=1) as writer:
        rows = []
        for entry, data in sorted(entries):
            size, sha256 = writer.file(entry.path, io.BytesIO(data), 0, 0o644) if entry.kind == FILE else (0, "")
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
    assert found["door"][0] is None and "leads out" in found["door"][1]
    assert found["theirs/z"][0] is found["theirs/deep/z"][0] is False and "through it" in found["theirs/z"][1]
    assert any("door" in note for note in report.notes)


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


# Damage


def flipped(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x40
    path.write_bytes(data)


def test_of_a_damaged_archive_what_is_good_comes_out_and_the_rest_is_named(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for number in range(6):
        write(tree / f"{number}.bin", os.urandom(100_000))
    (tree / "9").mkdir()
    backup = keep(tmp_path / "backups", tree)
    flipped(tmp_path / "backups" / f"{backup.stem}.7z", 250_000)
    report = restore(order(tmp_path / "backups", backup, tmp_path / "to"))
    bad = {path: why for path, (ok, why) in details(report).items() if ok is False}
    assert report.code == 4 and len(bad) == 1 and all(why.startswith("damaged: ") for why in bad.values())
    whole, made = things(tree), things(tmp_path / "to")
    assert set(whole) - set(made) == set(bad) and all(made[path] == whole[path] for path in made if path != "9")


@pytest.mark.parametrize("how", ["gone", "cut", "empty", "another"])
def test_an_archive_that_is_none_names_every_file(tree: Path, tmp_path: Path, how: str) -> None:
    backup = keep(tmp_path / "backups", tree)
    archive = tmp_path / "backups" / f"{backup.stem}.7z"
    data = archive.read_bytes()
    archive.unlink()
    if how != "gone":
        archive.write_bytes({"cut": data[: len(data) // 2], "empty": b"", "another": b"PK\3\4" + data[4:]}[how])
    report = restore(order(tmp_path / "backups", backup, tmp_path / "to"))
    bad = {path for path, (ok, _) in details(report).items() if ok is False}
    files = {path for path, thing in things(tree).items() if thing.kind == FILE and thing.data}
    assert report.code == 4 and bad == files
    assert not [path for path in (tmp_path / "to").rglob("*") if path.is_file() and path.stat().st_size]


def test_bytes_that_are_not_those_of_the_manifest_are_never_given_a_name(tmp_path: Path) -> None:
    """A swapped archive: it is whole in itself, and another."""
    write(tmp_path / "one/a", b"right")
    write(tmp_path / "two/a", b"wrong")
    backup = keep(tmp_path / "backups", tmp_path / "one")
    other = keep(tmp_path / "others", tmp_path / "two")
    (tmp_path / "others" / f"{other.stem}.7z").replace(tmp_path / "backups" / f"{backup.stem}.7z")
    report = restore(order(tmp_path / "backups", backup, tmp_path / "to"))
    assert details(report)["a"] == (False, "damaged: its bytes are not those that the manifest names")
    assert not list((tmp_path / "to").iterdir())


def test_a_wrong_passphrase_is_one_clear_error(tree: Path, tmp_path: Path) -> None:
    backup = keep(tmp_path / "backups", tree, passphrase="right")
    for passphrase in ("", "wrong"):
        with pytest.raises(NeedsPassphrase) as raised:
            restore(order(tmp_path / "backups", backup, tmp_path / "to", passphrase=passphrase))
        assert raised.value.code == 2 and "AUTOSYS_BACKUP_PASSPHRASE" in raised.value.hint
    assert not (tmp_path / "to").exists()


def test_a_differential_without_its_base_is_refused_by_name(tree: Path, tmp_path: Path) -> None:
    full = keep(tmp_path / "backups", tree)
    write(tree / "new", b"new")
    differential = keep(tmp_path / "backups", tree, at=SECOND, base=full)
    (tmp_path / "backups" / f"{full.stem}.manifest.json").unlink()
    with pytest.raises(Damaged, match=full.id):
        restore(order(tmp_path / "backups", differential, tmp_path / "to"))


def test_the_base_of_a_differential_is_damaged_and_its_own_files_come_out(tree: Path, tmp_path: Path) -> None:
    full = keep(tmp_path / "backups", tree)
    write(tree / "new", b"new")
    differential = keep(tmp_path / "backups", tree, at=SECOND, base=full)
    (tmp_path / "backups" / f"{full.stem}.7z").unlink()
    report = restore(order(tmp_path / "backups", differential, tmp_path / "to"))
    assert report.code == 4 and (tmp_path / "to/new").read_bytes() == b"new"
    assert details(report)["a.txt"] == (False, f"damaged: there is no `{full.stem}.7z`")


# Interrupted, starved, killed

RUN = """
import sys
from pathlib import Path
from autosys_tasks.backup import manifest
from autosys_tasks.backup.restore import Order, restore
folder, to = Path(sys.argv[1]), Path(sys.argv[2])
(path,) = folder.glob("*.manifest.json")
report = restore(Order(folder, manifest.read_backup(path), (), to))
print(len(report.failed))
sys.exit(report.code)
"""


def run(folder: Path, to: Path, fault: str = "") -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "AUTOSYS_FAULT": fault, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUTF8": "1"}
    argv = [sys.executable, "-c", RUN, str(folder), str(to)]
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "point", ["restore.during-write", "restore.before-rename", "restore.after-rename", "restore.before-folders"]
)
@pytest.mark.parametrize("nth", [1, 4])
def test_a_kill_at_any_step_leaves_whole_files_alone_and_the_next_run_ends_it(
    tree: Path, tmp_path: Path, point: str, nth: int
) -> None:
    keep(tmp_path / "backups", tree)
    whole, to = things(tree), tmp_path / "to"
    nth = 1 if point == "restore.before-folders" else nth
    assert run(tmp_path / "backups", to, f"{point}:kill:{nth}").returncode not in (0, 4)
    made = {path: thing for path, thing in things(to).items() if not path.startswith(".autosys-restoring-")}
    assert all(thing.data == whole[path].data for path, thing in made.items())
    assert run(tmp_path / "backups", to).returncode == 0
    assert things(to) == whole


@pytest.mark.parametrize("point", ["restore.during-write", "restore.before-rename"])
def test_a_full_disk_names_the_file_and_the_others_are_restored(tree: Path, tmp_path: Path, point: str) -> None:
    keep(tmp_path / "backups", tree)
    ended = run(tmp_path / "backups", tmp_path / "to", f"{point}:enospc:2")
    assert (ended.returncode, ended.stdout.strip()) == (4, "1"), ended
    made = things(tmp_path / "to")
    assert len(made) == len(things(tree)) - 1 and not [path for path in made if path.startswith(".autosys")]
    assert run(tmp_path / "backups", tmp_path / "to").returncode == 0
    assert {path: thing.data for path, thing in things(tmp_path / "to").items()} == {
        path: thing.data for path, thing in things(tree).items()
    }


def test_ctrl_c_leaves_no_half_file(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backup, passes = keep(tmp_path / "backups", tree), iter([False, False, True])

    def interrupt(point: str) -> None:
        if point == "restore.during-write" and next(passes):
            raise KeyboardInterrupt

    monkeypatch.setattr(restore_put, "for_a_loop", lambda: interrupt)
    with pytest.raises(KeyboardInterrupt):
        restore(order(tmp_path / "backups", backup, tmp_path / "to"))
    whole = things(tree)
    made = things(tmp_path / "to")
    assert not [path for path in made if path.startswith(".autosys")]
    assert all(thing.data == whole[path].data for path, thing in made.items())


@POSIX
def test_where_another_disk_begins_within_the_folder_it_is_restored_all_the_same(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, real = keep(tmp_path / "backups", tree), os.replace

    def replace(source: str, target: str) -> None:
        if "autosys-restoring-" in os.path.dirname(source):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    assert restore(order(tmp_path / "backups", backup, tmp_path / "to")).code == 0
    monkeypatch.undo()
    assert things(tmp_path / "to") == things(tree)


def test_a_folder_to_restore_to_that_is_none_is_usage(tree: Path, tmp_path: Path) -> None:
    backup = keep(tmp_path / "backups", tree)
    write(tmp_path / "to", b"a file")
    with pytest.raises(UsageError, match="no folder"):
        restore(order(tmp_path / "backups", backup, tmp_path / "to"))


def test_mode_bits_that_lend_rights_are_not_restored(tmp_path: Path) -> None:
    backup = hostile(tmp_path / "backups", [(Entry("su", FILE, 0, 0, 0o4755), b"x")])
    restore(order(tmp_path / "backups", backup, tmp_path / "to"))
    assert not os.stat(tmp_path / "to/su").st_mode & stat.S_ISUID

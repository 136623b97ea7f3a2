"""Restores from what is damaged, and restores that are cut short: whole files only, and each other one named."""

from __future__ import annotations

import errno
import itertools
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from kept_trees import SECOND, keep, things, write
from restoring import POSIX, details, order

from autosys_tasks.backup.errors import Damaged, NeedsPassphrase
from autosys_tasks.backup.restore import put as restore_put
from autosys_tasks.backup.restore.run import restore
from autosys_tasks.backup.values import FILE

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
from autosys_tasks.backup.restore.run import Order, restore
folder, to = Path(sys.argv[1]), Path(sys.argv[2])
(path,) = folder.glob("*.manifest.json")
report = restore(Order(folder, manifest.read_backup(path), (), to))
print(len(report.failed), *report.notes, sep="\\n")
sys.exit(report.code)
"""


def run(folder: Path, to: Path, fault: str = "") -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "AUTOSYS_FAULT": fault, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUTF8": "1"}
    argv = [sys.executable, "-c", RUN, str(folder), str(to)]
    return subprocess.run(argv, env=env, capture_output=True, encoding="utf-8", check=False)


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
    assert (ended.returncode, ended.stdout.split("\n")[0]) == (4, "1"), ended
    assert "is full: free some disk space and run the same command again" in ended.stdout
    made = things(tmp_path / "to")
    assert len(made) == len(things(tree)) - 1 and not [path for path in made if path.startswith(".autosys")]
    assert run(tmp_path / "backups", tmp_path / "to").returncode == 0
    assert things(tmp_path / "to") == things(tree)


def test_ctrl_c_leaves_no_half_file(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backup, passed = keep(tmp_path / "backups", tree), itertools.count()

    def interrupt(point: str) -> None:  # two threads come here: whichever is third, and each that comes after it
        if point == "restore.during-write" and next(passed) >= 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(restore_put, "fault_or_nothing", lambda: interrupt)
    with pytest.raises(KeyboardInterrupt):
        restore(order(tmp_path / "backups", backup, tmp_path / "to"))
    whole = things(tree)
    made = things(tmp_path / "to")
    assert not [path for path in made if path.startswith(".autosys")]
    assert all(thing.data == whole[path].data for path, thing in made.items())
    monkeypatch.undo()
    assert restore(order(tmp_path / "backups", backup, tmp_path / "to")).code == 0
    assert things(tmp_path / "to") == whole, "folders too have their times"


@POSIX
def test_a_folder_that_nobody_may_write_into_is_shut_once_all_is_in_it(tree: Path, tmp_path: Path) -> None:
    write(tree / "shut/in.txt", b"x")
    write(tree / "shut/too.txt", b"y")
    (tree / "shut").chmod(0o555)
    keep(tmp_path / "backups", tree)
    for fault, code, mode in (("restore.before-rename:enospc:5", 4, 0o755), ("", 0, 0o555)):
        assert run(tmp_path / "backups", tmp_path / "to", fault).returncode == code
        assert stat.S_IMODE((tmp_path / "to/shut").stat().st_mode) == mode
    assert things(tmp_path / "to") == things(tree)


@POSIX
def test_where_another_disk_begins_within_the_folder_it_is_restored_all_the_same(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, real = keep(tmp_path / "backups", tree), os.replace

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    def replace(source: str, target: str) -> None:
        if "autosys-restoring-" in os.path.dirname(source):
            refused()
        real(source, target)

    monkeypatch.setattr(os, "link", refused)
    monkeypatch.setattr(os, "replace", replace)
    assert restore(order(tmp_path / "backups", backup, tmp_path / "to")).code == 0
    monkeypatch.undo()
    assert things(tmp_path / "to") == things(tree)

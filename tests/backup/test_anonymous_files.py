"""Files that are restored without a name: the same as those by way of a scratch folder, and nothing of them is left."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from kept_trees import keep, things, write
from restoring import details, order
from test_restore_damaged import run

from autosys_tasks.backup.restore import anonymous_files
from autosys_tasks.backup.restore.run import carry_out, planned, restore

pytestmark = pytest.mark.only("linux")


@contextlib.contextmanager
def none(folder: str) -> Iterator[None]:
    """As on a disk that has no such files."""
    yield None


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders in which files without a name were made."""
    folders, real = list[str](), anonymous_files.Maker.open

    def open_(self: anonymous_files.Maker, folder: str, mode: int) -> tuple[int, int]:
        made = real(self, folder, mode)
        folders.append(os.path.normpath(folder))
        return made

    monkeypatch.setattr(anonymous_files.Maker, "open", open_)
    return folders


def test_what_is_new_is_made_so_and_is_as_it_was(tree: Path, tmp_path: Path, opened: list[str]) -> None:
    backup, to = keep(tmp_path / "backups", tree), tmp_path / "to"
    assert restore(order(tmp_path / "backups", backup, to)).code == 0
    assert things(to) == things(tree)
    files = [path for path in to.rglob("*") if path.is_file()]
    assert sorted(opened[1:]) == sorted(map(str, (path.parent for path in files))), "the first one is the trial"


def test_on_a_disk_without_such_files_all_is_the_same(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anonymous_files, "maker", none)
    backup, to = keep(tmp_path / "backups", tree), tmp_path / "to"
    wanted = order(tmp_path / "backups", backup, to)
    seen = planned(wanted)
    write(to / "a.txt", b"mine!\n")
    assert details(carry_out(wanted, seen))["a.txt"] == (False, "a file has appeared there meanwhile")
    assert (to / "a.txt").read_bytes() == b"mine!\n"
    (to / "a.txt").unlink()
    assert restore(wanted).code == 0 and things(to) == things(tree)


@pytest.mark.parametrize("point", ["during-write", "before-rename"])
def test_a_kill_leaves_nothing_of_a_file_that_is_not_whole(tree: Path, tmp_path: Path, point: str) -> None:
    keep(tmp_path / "backups", tree)
    assert run(tmp_path / "backups", tmp_path / "to", f"restore.{point}:kill:3").returncode not in (0, 4)
    (scratch,) = (tmp_path / "to").glob(".autosys-restoring-*")
    assert not list(scratch.iterdir())


@pytest.mark.parametrize("mask", [0o000, 0o027, 0o077])
def test_what_a_folder_keeps_from_new_files_is_told(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        with anonymous_files.maker(str(tmp_path)) as maker:
            assert maker is not None
            fd, mode = maker.open(str(tmp_path), 0o664)
    finally:
        os.umask(before)
    assert mode == 0o664 & ~mask == os.fstat(fd).st_mode & 0o777
    os.close(fd)
    assert not list(tmp_path.iterdir())


@pytest.mark.capability("root", "mount")
def test_where_another_disk_is_mounted_below_its_files_are_restored_too(
    tree: Path, tmp_path: Path, opened: list[str]
) -> None:
    backup, to = keep(tmp_path / "backups", tree), tmp_path / "to"
    (to / "문서").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(to / "문서")], check=True)
    try:
        assert restore(order(tmp_path / "backups", backup, to, overwrite="changed")).code == 0
        assert things(to) == things(tree) and str(to / "문서") not in opened and str(to) in opened
    finally:
        subprocess.run(["umount", str(to / "문서")], check=True)

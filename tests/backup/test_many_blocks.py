"""Archives of many blocks, of which several are read at a time: nothing is lost by it, and one's end ends all."""

from __future__ import annotations

import _thread
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import rig
from kept_trees import keep, things, write
from packing import CODECS, Item, noise, pack, text, unpacked
from restoring import details, order
from test_restore_damaged import flipped, run

from autosys_tasks.backup import threads
from autosys_tasks.backup.errors import Damaged
from autosys_tasks.backup.restore.run import restore
from autosys_tasks.backup.seven_zip import read as seven_zip_read
from autosys_tasks.backup.seven_zip import write as seven_zip_write
from autosys_tasks.backup.seven_zip.read import Archive, Member
from autosys_tasks.backup.verify import verify

LIMIT_S = 20.0
BLOCK = 1 << 16


@pytest.fixture(autouse=True)
def many(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Blocks of 64 KiB, and four threads, however many cores there are; none of them is left."""
    monkeypatch.setattr(seven_zip_write, "BLOCK", BLOCK)
    monkeypatch.setattr(seven_zip_write, "CHUNK", BLOCK // 2)
    monkeypatch.setattr(threads, "worker_count", lambda: 4)
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def items(codec: str) -> list[Item]:
    """Some dozen blocks' worth of files; a few have no bytes, and some a block of their own."""
    make, end = (noise, ".zip") if codec == "copy" else (text, ".log")
    sizes = [0 if n % 7 == 0 else 3 * BLOCK + n if n % 11 == 0 else 9000 + n for n in range(60)]
    return [Item(f"{n:02d}{end}", "file", make(size, n)) for n, size in enumerate(sizes)]


def kept(tmp_path: Path) -> Path:
    """A tree whose backup has many blocks, of both kinds."""
    tree = tmp_path / "tree"
    for number in range(24):
        make = os.urandom if number % 2 else text
        write(tree / f"{number % 5}" / "deep" / f"{number:02d}.bin", make(30_000))
    return tree


@pytest.mark.parametrize("passphrase", ["", "비밀"])
@pytest.mark.parametrize("codec", CODECS)
def test_each_member_comes_once_and_whole(tmp_path: Path, codec: str, passphrase: str) -> None:
    pack(tmp_path / "a.7z", items(codec), codec=codec, passphrase=passphrase)
    assert unpacked(tmp_path / "a.7z", passphrase) == sorted(items(codec))


def test_several_are_read_at_a_time_and_each_in_its_order(tmp_path: Path) -> None:
    pack(tmp_path / "a.7z", items("lzma2"))
    together, came = threading.Barrier(4), dict[int, list[str]]()

    def sink(member: Member, pieces: Iterator[bytes]) -> None:
        if threading.get_ident() not in came:
            together.wait(LIMIT_S)  # broken unless four threads come
        came.setdefault(threading.get_ident(), []).append(member.name)
        assert len(b"".join(pieces)) == member.size

    with Archive(tmp_path / "a.7z") as archive:
        archive.read(None, sink)
        order = [member.name for member in archive.members()]
    assert len(came) == 4 and sum(map(len, came.values())) == 60
    assert all(names == sorted(names, key=order.index) for names in came.values())


def test_only_what_is_asked_for_is_given(tmp_path: Path) -> None:
    pack(tmp_path / "a.7z", items("deflate"), codec="deflate")
    came: list[str] = []
    with Archive(tmp_path / "a.7z") as archive:
        archive.read({"00.log", "20.log", "59.log", "none"}, lambda member, pieces: came.append(member.name))
    assert sorted(came) == ["00.log", "20.log", "59.log"]


@pytest.mark.parametrize("limit", [0, 4, seven_zip_read.MANY])
@pytest.mark.parametrize("codec", CODECS)
def test_blocks_of_many_members_are_read_by_one_thread_and_damage_costs_no_other_member(
    tmp_path: Path, codec: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every block has many members here, those of seven members have, or none has."""
    monkeypatch.setattr(seven_zip_read, "MANY", limit)
    pack(tmp_path / "a.7z", items(codec), codec=codec)
    size = (tmp_path / "a.7z").stat().st_size
    for share in (0.2, 0.7):
        flipped(tmp_path / "a.7z", int(size * share))
    whole, bad, came = list[tuple[str, bytes]](), list[str](), set[threading.Thread]()

    def sink(member: Member, pieces: Iterator[bytes]) -> None:
        if member.size:
            came.add(threading.current_thread())
        try:
            whole.append((member.name, b"".join(pieces)))
        except Damaged:
            bad.append(member.name)

    with Archive(tmp_path / "a.7z") as archive:
        archive.read(None, sink)
    assert 1 <= len(bad) <= 14 and len(whole) + len(bad) == 60
    assert sorted(whole) == [(item.name, item.data) for item in items(codec) if item.name not in bad]
    assert limit or came == {threading.main_thread()}


def test_what_one_thread_raises_ends_all_in_the_middle_of_their_files(tmp_path: Path) -> None:
    pack(tmp_path / "a.7z", items("lzma2"))
    together, turn = threading.Barrier(4), threading.Lock()
    broken, after = list[threading.Thread](), list[bytes]()

    def sink(member: Member, pieces: Iterator[bytes]) -> None:
        me = threading.current_thread()
        with turn:
            if not broken and me is not threading.main_thread():
                broken.append(me)
        together.wait(LIMIT_S)
        if me is broken[0]:
            raise RuntimeError("of one")
        broken[0].join(LIMIT_S)
        after.extend(pieces)

    with Archive(tmp_path / "a.7z") as archive, pytest.raises(RuntimeError, match="of one"):
        archive.read(None, sink)
    assert not after and not broken[0].is_alive()


def test_ctrl_c_ends_all(tmp_path: Path) -> None:
    """It is the main thread that hears of it, whatever that does."""
    pack(tmp_path / "a.7z", items("lzma2"))
    together, heard = threading.Barrier(4), threading.Event()

    def sink(member: Member, pieces: Iterator[bytes]) -> None:
        if threading.current_thread() is threading.main_thread():
            together.wait(LIMIT_S)
            try:
                rig.wait_for(lambda: None, LIMIT_S, what="Ctrl-C")
            finally:
                heard.set()
        elif together.wait(LIMIT_S) == 0 or not heard.is_set():
            _thread.interrupt_main()
            heard.wait(LIMIT_S)

    with Archive(tmp_path / "a.7z") as archive, pytest.raises(KeyboardInterrupt):
        archive.read(None, sink)
    assert heard.is_set()


def test_verify_names_what_is_damaged_in_the_same_order_each_time(tmp_path: Path) -> None:
    backup = keep(tmp_path, kept(tmp_path))
    size = (tmp_path / backup.archive).stat().st_size
    for share in (0.3, 0.5, 0.7):
        flipped(tmp_path / backup.archive, int(size * share))
    said = [verify(tmp_path, backup) for _ in range(5)]
    files = [path for path, _ in said[0][1] if path.endswith(".bin")]
    assert said == [said[0]] * 5 and len(files) >= 3 and files == sorted(files)


@pytest.mark.parametrize("passphrase", ["", "비밀"])
def test_a_restore_of_many_blocks_is_exact(tmp_path: Path, passphrase: str) -> None:
    tree = kept(tmp_path)
    for number in range(0, 24, 5):  # of other folders
        os.link(tree / f"{number % 5}/deep/{number:02d}.bin", tree / f"{(number + 1) % 5}/link {number}")
    backup = keep(tmp_path / "backups", tree, passphrase=passphrase)
    report = restore(order(tmp_path / "backups", backup, tmp_path / "to", passphrase=passphrase))
    assert report.code == 0 and things(tmp_path / "to") == things(tree)
    assert (tmp_path / "to/0/deep/10.bin").samefile(tmp_path / "to/1/link 10")
    paths = list(details(report))
    assert paths == sorted(paths)


def test_of_a_damaged_archive_of_many_blocks_what_is_good_comes_out(tmp_path: Path) -> None:
    tree = kept(tmp_path)
    backup = keep(tmp_path / "backups", tree)
    flipped(tmp_path / "backups" / backup.archive, (tmp_path / "backups" / backup.archive).stat().st_size // 2)
    report = restore(order(tmp_path / "backups", backup, tmp_path / "to"))
    bad = [path for path, (ok, _) in details(report).items() if ok is False]
    whole, made = things(tree), things(tmp_path / "to")
    assert 1 <= len(bad) <= 2 and set(whole) - set(made) == set(bad)
    assert all(made[path].data == whole[path].data for path in made)


@pytest.mark.parametrize("at", ["restore.during-write:kill:3", "restore.before-rename:kill:17"])
def test_a_kill_in_the_middle_leaves_whole_files_alone_and_the_next_run_ends_it(tmp_path: Path, at: str) -> None:
    tree = kept(tmp_path)
    keep(tmp_path / "backups", tree)
    whole, to = things(tree), tmp_path / "to"
    assert run(tmp_path / "backups", to, at).returncode not in (0, 4)
    made = {path: thing for path, thing in things(to).items() if not path.startswith(".autosys-restoring-")}
    assert len(made) < len(whole) and all(thing.data == whole[path].data for path, thing in made.items())
    assert run(tmp_path / "backups", to).returncode == 0
    assert things(to) == whole


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 512 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.only("linux")
@pytest.mark.capability("root", "mount")
def test_on_a_full_disk_what_has_its_name_is_whole(small: Path, tmp_path: Path) -> None:
    tree = kept(tmp_path)
    backup = keep(tmp_path / "backups", tree)
    report = restore(order(tmp_path / "backups", backup, small))
    made, whole = things(small), things(tree)
    files = [path for path in made if path.endswith(".bin")]
    assert report.code == 4 and len(files) + len(report.failed) == 24 and 8 <= len(files) <= 16
    assert {one.detail for one in report.failed} == {"no space is left"}
    assert all(made[path].data == whole[path].data for path in files)
    assert not [path for path in made if path.startswith(".autosys")]

"""Many small files that several processes put: the same as one would, whoever of them dies, and nobody is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import rig
from growing import LOG, Nights
from hypothesis import given, settings
from kept_trees import FIRST, SECOND, keep, things, write
from packing import noise, text
from restoring import details, order
from test_restore import TREES
from test_restore_damaged import flipped

from autosys_tasks.backup import batch, plan
from autosys_tasks.backup.restore.run import restore
from autosys_tasks.backup.seven_zip import write as seven_zip_write
from autosys_tasks.backup.values import FILE, Backup

pytestmark = pytest.mark.only("linux")
BEGIN = """
import errno, json, os, signal, sys, time
from pathlib import Path
from autosys_tasks.backup import manifest, threads
from autosys_tasks.backup.restore import anonymous_files
from autosys_tasks.backup.restore import file_bytes as restore_bytes
from autosys_tasks.backup.restore import forked
from autosys_tasks.backup.restore import put as restore_put
from autosys_tasks.backup.seven_zip import read as seven_zip_read
from autosys_tasks.backup.restore.run import Order, restore
threads.worker_count, forked.MANY, seven_zip_read.MANY = lambda: 3, 1, 1
me, real, shared = os.getpid(), forked.put, []
def put(site, archive, waiting, later):
    before = len(waiting)
    real(site, archive, waiting, later)
    shared.append(before - len(waiting))
forked.put = put
"""
TROUBLE = """
put_one, put_so_far = restore_put.Destination.files, []
def files(self, items, chunks, partial=None):
    put_one(self, items, chunks, partial)
    put_so_far.append(items)
    if os.getpid() != me and len(put_so_far) == 7:
        trouble()
restore_put.Destination.files = files
"""
END = """
folder, to, overwrite, passphrase = sys.argv[1:]
backup = max(map(manifest.read_backup, Path(folder).glob("*.manifest.json")), key=lambda one: one.id)
report = restore(Order(Path(folder), backup, (), Path(to), overwrite, passphrase))
ended = {str(one.step.detail["path"]): (one.ok, one.detail) for one in report.outcomes}
try:
    left = os.waitpid(-1, 0)
except ChildProcessError:
    left = None
print(json.dumps([ended, report.notes, sum(shared), left]))
"""
LAST_TIME_S = 1_700_000_000
BLOCK = 1 << 12


class Came(NamedTuple):
    """What came of a restore, and how many files other processes have put."""

    details: dict[str, tuple[bool | None, str]]
    notes: list[str]
    shared: int


def argv(folder: Path, to: Path, more: str = "", overwrite: str = "never", passphrase: str = "") -> list[str]:
    code = f"{BEGIN}{TROUBLE if 'def trouble' in more else ''}{more}{END}"
    return [sys.executable, "-c", code, str(folder), str(to), overwrite, passphrase]


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """It is over when all that might write to its outputs are: copies, too."""
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=50, check=False)


def forked(folder: Path, to: Path, more: str = "", overwrite: str = "never", passphrase: str = "") -> Came:
    """A restore by a Python of one thread, with copies of itself; nobody of them is left."""
    done = run(argv(folder, to, more, overwrite, passphrase))
    assert not done.stderr, done.stderr
    ended, notes, shared, left = json.loads(done.stdout)
    assert left is None and not list(to.glob(".autosys*"))
    return Came({path: (ok, why) for path, (ok, why) in ended.items()}, notes, shared)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few files are in many blocks."""
    monkeypatch.setattr(seven_zip_write, "BLOCK", BLOCK)
    monkeypatch.setattr(seven_zip_write, "CHUNK", BLOCK // 2)
    monkeypatch.setattr(batch, "CHUNK", BLOCK // 2)


@pytest.fixture
def crowded(tree: Path) -> Path:
    """The tree with everything awkward, and a crowd of small files, some of them the same by two names."""
    for number in range(120):
        make = noise if number % 3 else text
        write(tree / f"{number % 4}/{number}.txt", make(300 + number, number), mode=0o400 if number % 5 else 0o755)
    os.link(tree / "0/0.txt", tree / "1/the same")
    os.link(tree / "1/5.txt", tree / "0/the same")
    os.symlink("0/0.txt", tree / "link")
    for folder in (tree, *(one for one in tree.rglob("*") if one.is_dir())):
        os.utime(folder, (LAST_TIME_S, LAST_TIME_S))
    return tree


@pytest.mark.parametrize("passphrase", ["", "비밀"])
@pytest.mark.parametrize("way", ["anonymous_files", "by way of a scratch folder"])
def test_all_is_as_it_was(crowded: Path, tmp_path: Path, way: str, passphrase: str) -> None:
    folder, to = tmp_path / "backups", tmp_path / "to"
    backup = keep(folder, crowded, passphrase=passphrase)
    none = "import contextlib\nanonymous_files.maker = lambda folder: contextlib.nullcontext()\n"
    came = forked(folder, to, "" if way == "anonymous_files" else none, passphrase=passphrase)
    assert things(to) == things(crowded) and came.shared > 100
    assert os.path.samefile(to / "0/0.txt", to / "1/the same") and os.path.samefile(to / "1/5.txt", to / "0/the same")
    here = restore(order(folder, backup, tmp_path / "again", passphrase=passphrase))
    assert came.details == details(here) and came.notes == list(here.notes)


@pytest.mark.parametrize("overwrite", ["never", "changed", "always"])
def test_what_is_there_is_treated_the_same(crowded: Path, tmp_path: Path, overwrite: str) -> None:
    folder, to = tmp_path / "backups", tmp_path / "to"
    keep(folder, crowded)
    write(to / "0/4.txt", b"mine")
    (to / "1/9.txt").mkdir(parents=True)
    came = forked(folder, to, overwrite=overwrite)
    assert came.shared > 100 and came.details["1/9.txt"] == (False, "a folder is there, and no file")
    assert (came.details["0/4.txt"][0], (to / "0/4.txt").read_bytes()) == (
        (None, b"mine") if overwrite == "never" else (True, (crowded / "0/4.txt").read_bytes())
    )


def test_the_beginning_of_a_log_that_lies_in_a_crowd_is_put_before_its_tail(
    nights: Nights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each from another archive, while others put what lies beside them."""
    monkeypatch.setattr(plan, "TAIL_FROM", 100)
    for number in range(120):
        nights.write(f"data/{number}.txt", text(200 + number, number))
    nights.write(LOG, text(600, 200))
    nights.backup()
    nights.grow(LOG, text(100, 201))
    for number in range(0, 120, 2):
        nights.grow(f"data/{number}.txt", b"and more")
    assert nights.entry(nights.backup()).tail[0] == 600
    assert forked(nights.folder, tmp_path / "to").shared > 50
    assert all(thing.data == (nights.root / path).read_bytes()
               for path, thing in things(tmp_path / "to").items() if thing.kind == FILE)  # fmt: skip


def test_what_is_damaged_is_named_the_same(crowded: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    backup = keep(folder, crowded)
    size = (folder / backup.archive).stat().st_size
    for at in range(1000, size - 8000, size // 5):
        flipped(folder / backup.archive, at)
    came = forked(folder, tmp_path / "to")
    here = details(restore(order(folder, backup, tmp_path / "again")))
    assert came.details == here and came.shared > 50
    assert len([path for path, (ok, _) in here.items() if ok is False]) > 1
    assert things(tmp_path / "to") == things(tmp_path / "again")


def test_a_full_disk_names_those_that_it_does_not_take(crowded: Path, tmp_path: Path) -> None:
    keep(tmp_path / "backups", crowded)
    came = forked(tmp_path / "backups", tmp_path / "to", """
write_all = restore_bytes.write_all
def full(fd, data):
    if os.getpid() != me and len(data) % 10 == 7:
        raise OSError(errno.ENOSPC, "no space")
    write_all(fd, data)
restore_bytes.write_all = full
""")  # fmt: skip
    bad = {path for path, (ok, _) in came.details.items() if ok is False}
    assert 5 < len(bad) < 30 and all(came.details[path] == (False, "no space is left") for path in bad)
    assert any("is full" in note for note in came.notes)
    whole, made = things(crowded), things(tmp_path / "to")
    assert set(whole) - set(made) == bad


@pytest.mark.parametrize(
    "trouble", ["os.kill(os.getpid(), signal.SIGKILL)", "raise RuntimeError", "raise MemoryError", "os._exit(0)"]
)
def test_what_a_dead_one_had_is_put_here(crowded: Path, tmp_path: Path, trouble: str) -> None:
    keep(tmp_path / "backups", crowded)
    came = forked(tmp_path / "backups", tmp_path / "to", f"def trouble(): {trouble}")
    assert things(tmp_path / "to") == things(crowded) and came.shared < 100
    assert all(ok is True for ok, _ in came.details.values())
    assert os.path.samefile(tmp_path / "to/0/0.txt", tmp_path / "to/1/the same")


def test_a_ctrl_c_ends_all_of_them_and_leaves_whole_files_alone(crowded: Path, tmp_path: Path) -> None:
    keep(tmp_path / "backups", crowded)
    pressed = f"""
os.setpgid(0, 0)
def trouble():
    try:
        os.mkdir(r"{tmp_path}/pressed")  # once
        os.killpg(me, signal.SIGINT)
    except FileExistsError: pass
    time.sleep(60)
"""
    done = run(argv(tmp_path / "backups", tmp_path / "to", pressed))
    assert done.returncode == -signal.SIGINT and "KeyboardInterrupt" in done.stderr
    whole, made = things(crowded), things(tmp_path / "to")
    assert all(thing.data == whole[path].data for path, thing in made.items())
    assert forked(tmp_path / "backups", tmp_path / "to").shared
    assert things(tmp_path / "to") == whole


def test_none_goes_on_once_its_parent_is_dead(
    crowded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seven_zip_write, "BLOCK", 1 << 14)  # a few dozen files each
    keep(tmp_path / "backups", crowded)
    died = """
def trouble():
    if os.getppid() == me:
        os.kill(me, signal.SIGKILL)
    while os.getppid() == me: pass
"""
    assert run(argv(tmp_path / "backups", tmp_path / "to", died)).returncode == -signal.SIGKILL
    whole, made = things(crowded), things(tmp_path / "to")
    made = {path: thing for path, thing in made.items() if not path.startswith(".autosys-restoring-")}
    assert all(thing.data == whole[path].data for path, thing in made.items())
    assert len(made) < 60, "each of the three ended after seven files"
    forked(tmp_path / "backups", tmp_path / "to")
    assert things(tmp_path / "to") == whole


def test_nothing_is_shared_where_a_fault_is_ordered(
    crowded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(tmp_path / "backups", crowded)
    monkeypatch.setenv("AUTOSYS_FAULT", "restore.before-rename:enospc:3")
    came = forked(tmp_path / "backups", tmp_path / "to")
    assert came.shared == 0 and [ok for ok, _ in came.details.values()].count(False) == 1


def test_beside_another_thread_no_copy_is_made_and_all_is_put_here(crowded: Path, tmp_path: Path) -> None:
    keep(tmp_path / "backups", crowded)
    came = forked(tmp_path / "backups", tmp_path / "to", """
import threading
threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
""")  # fmt: skip
    assert came.shared == 0 and things(tmp_path / "to") == things(crowded)


@settings(max_examples=rig.examples(12))
@given(tree=TREES, second=TREES)
def test_any_tree_comes_back_from_a_full_and_from_a_differential(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[tuple[str, ...], bytes], second: dict[tuple[str, ...], bytes]
) -> None:
    top = tmp_path_factory.mktemp("tree")
    base: Backup | None = None
    for at, files in ((FIRST, tree), (SECOND, second)):
        for parts, data in files.items():
            path = top.joinpath(*parts)
            if not any(above.is_file() for above in path.parents) and not path.is_dir():
                write(path, data)
        made = keep(top.parent / f"{top.name}-backups", top, at=at, base=base)
        base = base or made
        to = top.parent / f"{top.name}-{at}"
        forked(top.parent / f"{top.name}-backups", to)
        assert things(to) == things(top)

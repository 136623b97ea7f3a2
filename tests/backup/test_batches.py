"""Small files that copies of the process read and compress: the same backup as without them, whatever befalls one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import rig
from backup_desk import whole
from packing import noise, seven_zip, text, unpacked

from autosys_tasks.backup.values import Backup

KEY = "glpat-" + "x" * 20  # the shape of a token
PACKS = """
import contextlib, json, os, signal, sys, time
from pathlib import Path
from desk_tree import collected, config_of
from autosys_tasks import host
from autosys_tasks.backup import batch, pack, threads
from autosys_tasks.backup.spool import Spool
from autosys_tasks.backup.values import FILE, FULL, HARDLINK, Backup, Found

root, into, many, bulk, secret, act = sys.argv[1:]
me, copies, told, fork = os.getpid(), [], [], host.fork
batch.MANY, batch.CHUNK, pack.BULK = int(many), 60_000, 0 if bulk else 1 << 60
threads.worker_count = lambda: 2

def counted(work):
    copies.append(fork(work))
    return copies[-1]

host.fork = counted
pack.Progress.add = lambda self, count: told.append(count)
config = config_of(Path(root), "**", required=True)
found = [one._replace(size=one.size - 900 * one.path.endswith("grew.log")) for one in collected(config).found]
found.append(Found("03/gone", root + "/03/gone", FILE, 4, 0, 0o644))
found.append(Found("06/of gone", "", HARDLINK, 0, 0, 0, link="03/gone"))
load = pack.Content(Backup("id", FULL, 0.0), tuple((one, None) for one in sorted(found)), required=frozenset(["set"]))
exec(act)
try:
    with Spool(Path(into, "entries")) as spool:
        packed = pack.pack(load, Path(into, "a.7z"), spool, secret, print)
        rows = [list(one) for one in spool.read()]
        size = spool.bytes
finally:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(-1, 0)
        print("somebody is left")
backup = packed.backup._replace(archive_bytes=0, archive_sha256="")
print(json.dumps([copies, [backup, rows, packed.secrets, sum(told), size]]))
"""


class Made(NamedTuple):
    """What one packing came to: its copies, and what it says of the backup."""

    copies: list[int | None]
    said: list[Any]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace of some hundred files, and all that can stand between them."""
    folder = tmp_path / "책상 R&D"
    for number in range(360):
        squeezed = number % 9 == 0
        path = folder / f"{number % 7:02d}" / f"노트-{number:04d}.{'zip' if squeezed else 'md'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise(900, number) if squeezed else text(40 * (number % 5) * number, number))
    for name, data in {
        "00/setup.txt": KEY.encode(),
        "01/large.log": text(1_300_000),
        "01/larger.log": noise(5_000_000),
        "02/middle.txt": text(70_000),
        "04/grew.log": text(5000),
        "hot": b"hot",
    }.items():
        (folder / name).write_bytes(data)
    (folder / "04 link").symlink_to("04/grew.log")
    os.link(folder / "00/setup.txt", folder / "06/of one inode")
    (folder / "06/empty folder").mkdir()
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "hot":
            os.utime(path, (1_700_000_000, 1_700_000_000))
    return folder


def begun(root: Path, into: Path, *, many: int, bulk: bool = True, secret: str = "", act: str = "") -> Any:
    """The packing as a program of one thread: in the one that runs these tests other threads are."""
    into.mkdir()
    argv = [sys.executable, "-c", PACKS, str(root), str(into), str(many), "1" * bulk, secret, act]
    path = os.pathsep.join(map(str, (rig.REPOSITORY, Path(__file__).parent, Path(__file__).parent.parent)))
    env = {**os.environ, "PYTHONPATH": path}
    return subprocess.Popen(argv, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def made(root: Path, into: Path, **more: Any) -> Made:
    process = begun(root, into, **more)
    out, err = process.communicate(timeout=120)
    assert not process.returncode and not err, err
    return Made(*json.loads(out))


@pytest.mark.only("linux")
@pytest.mark.capability("7zz")
@pytest.mark.parametrize("bulk,secret", [(True, ""), (False, ""), (True, "pass word")])
def test_copies_make_the_same_backup(root: Path, tmp_path: Path, bulk: bool, secret: str) -> None:
    by_copies = made(root, tmp_path / "copies", many=1, bulk=bulk, secret=secret)
    here = made(root, tmp_path / "here", many=1 << 60, bulk=bulk, secret=secret)
    assert len(by_copies.copies) == 2 and all(by_copies.copies) and not here.copies
    assert by_copies.said == here.said
    archive = tmp_path / "copies" / "a.7z"
    packed = unpacked(archive, secret)
    assert packed == unpacked(tmp_path / "here" / "a.7z", secret)
    theirs = [one for one in seven_zip(archive, tmp_path / "theirs", secret) if one.kind == "file"]
    assert theirs == [one for one in packed if one.kind == "file"]
    head, rows, secrets, told, _ = by_copies.said
    assert secrets == 1 and told == sum(len(one.data) for one in packed)
    assert [row[0] for row in rows] == sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))
    gone, of_gone = "vanished before it could be read", "the file that it shares its content with could not be read"
    assert Backup(*head).failed == [["03/gone", gone, False, False], ["06/of gone", of_gone, False, False]]


@pytest.mark.only("linux")
@pytest.mark.parametrize("many", [1, 1 << 60])
def test_py7zr_takes_each_file_out_from_among_empty_ones(root: Path, tmp_path: Path, many: int) -> None:
    """It loses its place in a block with a file of no bytes among the others, and no CRC tells."""
    import py7zr

    made(root, tmp_path / "made", many=many)
    names = ["00/노트-0007.md", "02/노트-0212.md", "06/노트-0349.md", "05/노트-0355.md"]
    assert not (root / names[-1]).stat().st_size
    for number, name in enumerate(names):
        with py7zr.SevenZipFile(tmp_path / "made" / "a.7z") as archive:
            archive.extract(tmp_path / str(number), [name])
        assert (tmp_path / str(number) / name).read_bytes() == (root / name).read_bytes()


KILLED = """
read = batch.read_small
def killed(found, most, retries):
    if found.path.endswith("0104.md") and os.getpid() != me:
        os.kill(os.getpid(), signal.SIGKILL)
    return read(found, most, retries)
batch.read_small = killed
"""


@pytest.mark.only("linux")
def test_what_a_killed_copy_had_is_read_here(root: Path, tmp_path: Path) -> None:
    by_copies = made(root, tmp_path / "copies", many=1, act=KILLED)
    here = made(root, tmp_path / "here", many=1 << 60)
    assert all(by_copies.copies) and by_copies.said == here.said
    assert unpacked(tmp_path / "copies" / "a.7z") == unpacked(tmp_path / "here" / "a.7z")


TOLD = """
take = pack._Packer.take
def tells(self, batch):
    take(self, batch)
    print(json.dumps(copies), flush=True)
    time.sleep(wait_s)
pack._Packer.take = tells
wait_s = 0
"""


def none_is_left(copies: list[int]) -> None:
    rig.wait_for(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in copies), what="the copies' end")


@pytest.mark.only("linux")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGINT", "SIGTERM"])
def test_no_copy_outlives_the_one_that_packs(root: Path, tmp_path: Path, name: str) -> None:
    """Whether it is killed, or Ctrl-C is pressed, which all of them are told of."""
    number = signal.Signals[name]
    process = begun(root, tmp_path / "copies", many=1, act=f"{TOLD}wait_s = 60\nos.setpgid(0, 0)")
    copies = json.loads(process.stdout.readline())
    assert len(copies) == 2 and all(copies)
    (os.killpg if name == "SIGINT" else os.kill)(process.pid, number)
    out, _err = process.communicate(timeout=60)
    assert process.returncode and "somebody is left" not in out
    none_is_left(copies)


@pytest.mark.only("linux")
@pytest.mark.parametrize("how", ["raise", "enospc", "kill"])
def test_no_copy_outlives_a_packing_that_fails(root: Path, tmp_path: Path, how: str) -> None:
    fails = f"os.environ['AUTOSYS_FAULT'] = 'backup.during-write:{how}'"
    process = begun(root, tmp_path / "copies", many=1, act=TOLD + fails)
    out, _err = process.communicate(timeout=60)
    first, *others = out.splitlines()
    assert process.returncode and "somebody is left" not in others
    none_is_left(json.loads(first))


COMMAND = """
import os, sys
from autosys_tasks import host
from autosys_tasks.backup import batch
from autosys_tasks.program import main
batch.MANY, fork = 2, host.fork
def counted(work):
    pid = fork(work)
    print("a copy" if pid else "none", file=sys.stderr)
    return pid
host.fork = counted
sys.argv[0] = "autosys"
main()
"""


@pytest.mark.only("linux")
def test_the_command_has_no_other_thread_when_it_makes_copies(desk: rig.Workspace) -> None:
    for number in range(100):
        desk.file(f"설정/{number % 3}/{number}.txt", f"{number}\n")
    env = {**os.environ, **{key: value for key, value in desk.env().items() if value is not None}}
    argv = [sys.executable, "-c", COMMAND, "backup"]
    done = subprocess.run(argv, cwd=desk.root, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    assert next(line for line in done.stderr.splitlines() if line in ("a copy", "none")) == "a copy", done
    (made,) = whole(desk)
    assert made.files == 103

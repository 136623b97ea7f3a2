"""Contract of `host`: logs that several write, that are renamed and cut, and lose no line."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
import rig

from autosys_tasks import host

WRITES = """
import os, sys
while not os.path.exists("go"):
    pass
for number in range(int(sys.argv[2])):
    os.write(1, f"{sys.argv[1]} {number:06d} {'x' * 50}\\n".encode())
"""


def whole(lines: list[str], writers: str, count: int) -> bool:
    """Whether each writer's every line is there once, in order."""
    for name in writers:
        mine = [int(line.split()[1]) for line in lines if line.startswith(f"{name} ")]
        if mine != list(range(count)):
            return False
    return len(lines) == count * len(writers)


@pytest.mark.parametrize("writers", ["A", "AB"])
def test_writers_and_a_rename_lose_nothing(yard, waiter, writers):
    """The writers go on in the renamed file, a new descriptor makes a new one."""
    if len(writers) > 1 and not rig.appends_in_one_step():
        pytest.skip("no append in one step here")
    count, renamed = 5000, yard.folder / "out.log.1"
    for name in writers:
        waiter.watch(name, yard.start(WRITES, name, str(count)))
    (yard.folder / "go").touch()
    yard.until(lambda: yard.log.stat().st_size > 50_000, "a log that grows")
    yard.log.rename(renamed)
    fd = host.open_append(str(yard.log))
    os.write(fd, b"new\n")
    os.close(fd)
    dead: dict[str, host.Exit | None] = {}
    while len(dead) < len(writers):
        dead |= waiter.wait(60)
    assert set(dead.values()) == {host.Exit(code=0)}
    lines = renamed.read_text(encoding="utf-8").splitlines()
    assert all(len(line) == 59 for line in lines)
    assert whole(lines, writers, count)
    assert yard.log.read_bytes() == b"new\n"


def test_a_log_is_appended_to_wherever_its_writers_stand(yard):
    path = str(yard.folder / "새" / "one.log")
    one, other = host.open_append(path), host.open_append(path)
    for fd, text in ((one, b"1\n"), (other, b"2\n"), (one, b"3\n")):
        os.write(fd, text)
    os.close(one)
    os.close(other)
    assert Path(path).read_bytes() == b"1\n2\n3\n"
    again = host.open_append(path)
    os.write(again, b"4\n")
    os.close(again)
    assert Path(path).read_bytes() == b"1\n2\n3\n4\n"


def test_an_open_append_can_be_removed_and_is_not_inherited(yard):
    path = yard.folder / "one.log"
    fd = host.open_append(str(path))
    assert os.get_inheritable(fd) is False
    path.unlink()
    os.close(fd)


def test_cutting_the_head_of_a_log_loses_no_line(yard, waiter):
    """Rotation while a fast writer appends: what was copied is gone, all else is there."""
    count = 60_000
    waiter.watch("A", yard.start(WRITES, "A", str(count)))
    (yard.folder / "go").touch()
    kept = b""
    cuts = 0
    dead: dict[str, host.Exit | None] = {}
    fd = os.open(yard.log, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        while not dead:
            dead = waiter.wait(0.005)
            size = os.fstat(fd).st_size
            if size < 200_000:
                continue
            os.lseek(fd, 0, os.SEEK_SET)
            head = os.read(fd, size - 8192)
            cut = host.cut_head(fd, len(head))
            kept += head[:cut]
            cuts += cut > 0
    finally:
        os.close(fd)
    lines = (kept + yard.log.read_bytes()).decode().splitlines()
    assert whole(lines, "A", count), Counter(len(line) for line in lines)
    if not cuts:
        pytest.skip("this file system cannot cut the head of a file")


def test_less_than_a_block_is_not_cut(yard):
    fd = host.open_append(str(yard.log))
    os.write(fd, b"line\n")
    os.close(fd)
    fd = os.open(yard.log, os.O_RDWR)
    try:
        assert host.cut_head(fd, 5) == 0
        assert host.cut_head(fd, 0) == 0
    finally:
        os.close(fd)
    assert yard.log.read_bytes() == b"line\n"


def test_who_reads_a_log_keeps_nobody_from_rotating_it(yard):
    path = yard.folder / "read.log"
    path.write_bytes(b"one\n")
    fd = host.open_read(str(path))
    try:
        path.rename(yard.folder / "read.log.1")
        path.write_bytes(b"two\n")
        assert os.read(fd, 100) == b"one\n"
        (yard.folder / "read.log.1").unlink()
    finally:
        os.close(fd)
    with pytest.raises(FileNotFoundError):
        host.open_read(str(yard.folder / "nowhere.log"))

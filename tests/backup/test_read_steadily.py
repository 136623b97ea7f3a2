"""Files that others write to while they are read: whole, or said to be not."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
import rig
from desk_tree import as_nobody, for_nobody

from autosys_tasks.backup.read import Changed, open_steadily, read_small, read_steadily
from autosys_tasks.backup.retry import PAUSE_S, RetryBudget
from autosys_tasks.backup.values import FILE, Found

COLD = time.time() - 1000
GROWS = """
import sys, time
with open(sys.argv[1], "ab", buffering=0) as log:
    number = 0
    while True:
        number += 1
        log.write(f"{number:09d} {'x' * 89}\\n".encode())
        if not number % 20:
            time.sleep(0.001)
"""
REWRITES = """
import os, sys
fd, number = os.open(sys.argv[1], os.O_WRONLY), 0
while True:
    number += 1
    for at in range(64):
        os.pwrite(fd, number.to_bytes(8, "big") * 8192, at * 65536)
"""


def found(path: Path) -> Found:
    """The file as collect has it."""
    seen = path.stat()
    return Found(path.name, str(path), FILE, seen.st_size, seen.st_mtime_ns, 0o644)


def cold(path: Path, content: bytes) -> Found:
    """A file that nobody has written to for a while."""
    path.write_bytes(content)
    os.utime(path, (COLD, COLD))
    return found(path)


def whole(stream: BinaryIO) -> bytes:
    return stream.read()


Steadily = Callable[[Found, RetryBudget], bytes]


@pytest.fixture(params=["stream", "at once"])
def steadily(request: pytest.FixtureRequest) -> Steadily:
    """Both ways to read a file of up to 16 MB."""

    def at_once(one: Found, retries: RetryBudget) -> bytes:
        content = read_small(one, 1 << 24, retries)
        assert content is not None
        return content

    return at_once if request.param == "at once" else lambda one, retries: read_steadily(one, whole, retries)


@pytest.fixture
def running() -> Iterator[Callable[..., None]]:
    """running(code, path): a program that goes on until the test ends."""
    started = []

    def run(code: str, path: Path) -> None:
        started.append(subprocess.Popen([rig.PYTHON, "-c", code, str(path)]))

    yield run
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("size", [0, 1, 65536, 3_000_001])
def test_a_quiet_file_is_read_in_parts_of_any_size(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    one = cold(tmp_path / "x", content)
    for part in (-1, 1 << 20, 70_000):
        with open_steadily(one) as stream:
            assert b"".join(iter(lambda: stream.read(part), b"")) == content  # noqa: B023


@pytest.mark.parametrize("size", [0, 1, 70_001])
def test_a_small_file_is_read_at_once_and_a_larger_one_not_at_all(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    one = cold(tmp_path / "x", content)
    assert read_small(one, size, RetryBudget(0)) == content
    assert not size or read_small(one, size - 1, RetryBudget(0)) is None


@pytest.mark.parametrize("then", [b"b" * 99, b"b" * 100, b"b" * 101, b""])
def test_a_small_file_that_has_changed_since_it_was_found_is_read_as_it_is_now(tmp_path: Path, then: bytes) -> None:
    """Whether that was long ago or a moment."""
    one = cold(tmp_path / "x", b"a" * 100)
    for age in (0, 500):
        (tmp_path / "x").write_bytes(then)
        os.utime(tmp_path / "x", (time.time() - age,) * 2)
        assert read_small(one, 1 << 20, RetryBudget(0)) == then


@pytest.mark.only("posix")
def test_a_small_file_that_is_as_it_was_found_is_looked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, looks, status = cold(tmp_path / "x", b"a" * 100), [], os.fstat
    monkeypatch.setattr(os, "fstat", lambda fd: looks.append(fd) or status(fd))
    assert read_small(one, 1 << 20, RetryBudget(0)) == b"a" * 100
    assert len(looks) == 1


@pytest.mark.parametrize("then", [b"b" * 90_000, b"b" * 100_000, b"b" * 100_001, b""])
def test_a_small_file_that_changes_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: bytes
) -> None:
    path, read, done = tmp_path / "x.bin", os.read, []
    one = cold(path, b"a" * 100_000)

    def change_once(fd: int, size: int) -> bytes:
        data = read(fd, size if done else 100)  # what is asked for may come in parts
        if not done:
            done.append(path.write_bytes(then))
        return data

    monkeypatch.setattr(os, "read", change_once)
    assert read_small(one, 1 << 20, RetryBudget(0)) == then
    assert done


def test_a_change_that_keeps_size_and_times_of_a_hot_small_file_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read, done = tmp_path / "x.bin", os.read, []
    path.write_bytes(b"a" * 50_000)
    times = path.stat()

    def change_once(fd: int, size: int) -> bytes:
        data = read(fd, size)
        if not done:
            done.append(path.write_bytes(b"b" * 50_000))
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        return data

    monkeypatch.setattr(os, "read", change_once)
    assert read_small(found(path), 1 << 20, RetryBudget(0)) == b"b" * 50_000


def test_a_log_that_grows_all_the_time_is_whole(
    tmp_path: Path, running: Callable[..., None], steadily: Steadily
) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(b"")
    running(GROWS, log)
    rig.wait_for(lambda: log.stat().st_size > 300_000, what="a log of 300 kB")
    for _ in range(20):
        before = log.stat().st_size
        content = steadily(found(log), RetryBudget())
        assert before <= len(content) <= log.stat().st_size
        lines = content.split(b"\n")
        assert all(int(line[:9]) == number for number, line in enumerate(lines[:-1], 1))


@pytest.mark.only("posix")
def test_what_is_rewritten_all_the_time_is_of_one_moment_or_said_to_change(
    tmp_path: Path, running: Callable[..., None], steadily: Steadily
) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(bytes(64 * 65536))
    running(REWRITES, path)
    rig.wait_for(lambda: path.read_bytes()[-1], what="the first round")
    said, tries = 0, 0
    while tries < 20 or (not said and tries < 1000):
        tries += 1
        try:
            content = steadily(found(path), RetryBudget(0))
        except Changed:
            said += 1
            continue
        rounds = [int.from_bytes(content[at : at + 8], "big") for at in range(0, len(content), 65536)]
        assert rounds == sorted(rounds, reverse=True) and rounds[0] - rounds[-1] <= 1, "not of one moment"
    assert said, "a thousand times it stood still"


def test_a_file_that_changes_once_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    one = cold(path, b"a" * 100_000)
    seen = []

    def change_once(stream: BinaryIO) -> bytes:
        first = stream.read(10)
        seen.append(first)
        if len(seen) == 1:
            path.write_bytes(b"b" * 90_000)
        return first + stream.read()

    assert read_steadily(one, change_once, RetryBudget(0)) == b"b" * 90_000
    assert seen == [b"a" * 10, b"b" * 10]


def test_a_change_that_keeps_size_and_times_of_a_hot_file_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"a" * 50_000)
    with open_steadily(found(path)) as stream:
        stream.read(10)
        times = path.stat()
        with path.open("r+b") as file:
            file.write(b"b")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        with pytest.raises(Changed):
            stream.read()


def test_a_cold_file_that_only_grows_is_whole_at_the_second_try(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    one = cold(path, b"line\n" * 10_000)
    tries = []

    def grow(stream: BinaryIO) -> bytes:
        tries.append(1)
        first = stream.read(10)
        with path.open("ab") as log:
            log.write(b"more\n")
        return first + stream.read()

    assert read_steadily(one, grow, RetryBudget(0)) == b"line\n" * 10_000 + b"more\n"
    assert len(tries) == 2


def test_a_file_that_shrinks_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    one = cold(path, b"a" * 100_000)
    with open_steadily(one) as stream:
        stream.read(10)
        os.truncate(path, 5)
        with pytest.raises(Changed, match="shorter"):
            stream.read()
    assert read_steadily(one, whole) == b"a" * 5


def test_what_is_away_for_a_moment_is_read(tmp_path: Path, steadily: Steadily) -> None:
    """An editor that removes and writes anew."""
    one = cold(tmp_path / "x", b"here")
    (tmp_path / "x").rename(tmp_path / "away")
    back: list[float] = []

    def bring_back(seconds: float) -> None:
        back.append(seconds)
        (tmp_path / "away").rename(tmp_path / "x")

    assert steadily(one, RetryBudget(sleep=bring_back)) == b"here"
    assert back == [PAUSE_S]


def test_what_has_vanished_is_an_error_after_one_more_try(tmp_path: Path, steadily: Steadily) -> None:
    one, waits = cold(tmp_path / "x", b""), []
    (tmp_path / "x").unlink()
    with pytest.raises(FileNotFoundError):
        steadily(one, RetryBudget(sleep=waits.append))
    assert waits == [PAUSE_S]


@pytest.mark.only("posix")
def test_what_may_not_be_read_is_an_error(steadily: Steadily) -> None:
    with for_nobody() as desk:
        one = cold(desk / "x", b"secret")
        (desk / "x").chmod(0)
        with as_nobody(), pytest.raises(PermissionError):
            steadily(one, RetryBudget(0))


@pytest.mark.only("posix")
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_what_has_become_something_else_is_not_followed_and_nobody_waits(
    tmp_path: Path, kind: str, steadily: Steadily
) -> None:
    (tmp_path / "outside").write_bytes(b"not ours")
    one = cold(tmp_path / "x", b"here")
    (tmp_path / "x").unlink()
    if kind == "link":
        (tmp_path / "x").symlink_to("outside")
    else:
        os.mkfifo(tmp_path / "x")
    with pytest.raises(OSError):
        steadily(one, RetryBudget(0))


def test_an_error_of_the_reader_itself_is_tried_again_once_and_raised(tmp_path: Path) -> None:
    one, tries = cold(tmp_path / "x", b"x"), []

    def fails(stream: BinaryIO) -> bytes:
        tries.append(1)
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        read_steadily(one, fails, RetryBudget(0))
    assert len(tries) == 2


def test_many_bad_files_do_not_take_an_hour(tmp_path: Path, steadily: Steadily) -> None:
    slept: list[float] = []
    retries = RetryBudget(1.0, slept.append)
    for number in range(1000):
        with pytest.raises(OSError):
            steadily(Found("x", str(tmp_path / f"{number}"), FILE, 0, 0, 0), retries)
    assert sum(slept) <= 1.0 + PAUSE_S


def test_who_reads_keeps_nobody_from_renaming_or_removing(tmp_path: Path) -> None:
    one = cold(tmp_path / "x.log", b"old")
    with open_steadily(one) as stream:
        os.replace(tmp_path / "x.log", tmp_path / "x.log.1")
        (tmp_path / "x.log").write_bytes(b"new")
        assert stream.read() == b"old"
    with open_steadily(one) as stream:
        (tmp_path / "x.log").unlink()
        assert stream.read() == b"new"


def of_one_moment(content: bytes) -> bool:
    """Whether a writer had come just so far: its generation up to somewhere, the one before it from there."""
    first, last = content[0], content[-1]
    done = len(content) - len(content.lstrip(content[:1]))
    return content == bytes([first]) * done + bytes([last]) * (len(content) - done) and (first - last) % 251 in (0, 1)


def test_a_writer_in_the_same_moment_never_gives_a_mix_of_two(tmp_path: Path, steadily: Steadily) -> None:
    """Generations written over one another: what is read lay there at one moment, or is Changed."""
    path = tmp_path / "x.bin"
    path.write_bytes(bytes(400_000))
    stop = threading.Event()

    def write() -> None:
        with path.open("r+b", buffering=0) as file:
            generation = 0
            while not stop.is_set():
                generation = (generation + 1) % 251
                file.seek(0)
                file.write(bytes([generation]) * 400_000)
                stop.wait(0.002)

    writer = threading.Thread(target=write)
    writer.start()
    seen, tries, ends = 0, 0, time.monotonic() + rig.WAIT_S
    try:
        while tries < 200 or (not seen and time.monotonic() < ends):
            tries += 1
            try:
                content = steadily(found(path), RetryBudget(0))
            except Changed:
                continue
            assert of_one_moment(content)
            seen += 1
    finally:
        stop.set()
        writer.join()
    assert seen

"""Files that another program holds without sharing them: tried again for a moment, then said (issue 4.6)."""

from __future__ import annotations

import contextlib
import ctypes
import json
import msvcrt
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import rig

from autosys_tasks import host
from autosys_tasks.core import files, journal, slots
from autosys_tasks.core.errors import StateError

pytestmark = pytest.mark.only("win32")
READ, SHARE_NOTHING, SHARE_READ_WRITE, EXISTING = 0x80000000, 0, 3, 3
WRITE, APPEND, FILE_ACCESS_INFORMATION = 2, 4, 8


@contextmanager
def held(path: Path, share: int, for_s: float = 600.0) -> Iterator[None]:
    """Somebody has the file open for so long, and not beyond this block: a virus scanner, an editor, a backup."""
    from autosys_tasks.host import win32

    handle = win32.checked(win32.CreateFile(str(path), READ, share, None, EXISTING, 0x80, None))
    over = threading.Event()

    def close() -> None:
        over.wait(for_s)
        win32.CloseHandle(handle)

    holder = threading.Thread(target=close)
    holder.start()
    try:
        yield
    finally:
        over.set()
        holder.join()


def test_a_replace_waits_for_who_holds_the_target_for_a_moment(tmp_path: Path) -> None:
    path = tmp_path / "기록.json"
    path.write_text("old", encoding="utf-8")
    with held(path, SHARE_READ_WRITE, 0.3):
        files.write_atomic(path, "new")
    assert path.read_text(encoding="utf-8") == "new"
    assert list(tmp_path.iterdir()) == [path], "no scratch file is left"


def test_a_target_that_stays_held_is_named_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "기록.json"
    path.write_text("old", encoding="utf-8")
    with held(path, SHARE_READ_WRITE), pytest.raises(StateError) as caught:
        files.write_atomic(path, "new")
    assert str(path) in caught.value.message
    assert caught.value.hint.startswith("close the program that holds it, or make the folder writable for this user")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_read_waits_too(tmp_path: Path) -> None:
    """The error of Python's own open has no `winerror` there."""
    path = tmp_path / "기록.json"
    path.write_text("text", encoding="utf-8")
    with held(path, SHARE_NOTHING, 0.3):
        assert files.read_text(path) == "text"
    with held(path, SHARE_NOTHING), pytest.raises(PermissionError):
        files.read_text(path)


def test_a_record_waits_for_who_holds_it(tmp_path: Path) -> None:
    path = str(tmp_path / "record.jsonl")
    slots.write(path, {"n": 1})
    with held(Path(path), SHARE_NOTHING, 0.3):
        slots.write(path, {"n": 2})
    assert slots.read(path) == {"n": 2}


def test_a_full_journal_that_is_held_grows_on_and_is_rotated_later(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"v":1,"ts":"x"}\n' * (journal.ROTATE_BYTES // 17 + 2))
    before = path.stat().st_size
    with held(path, SHARE_READ_WRITE):
        journal.append(path, {"v": 1, "ts": "held"}, host)
        assert path.stat().st_size > before and not Path(f"{path}.1").exists()
    journal.append(path, {"v": 1, "ts": "free"}, host)
    assert Path(f"{path}.1").exists()
    journal.append(path, {"v": 1, "ts": "next"}, host)
    lines, skipped = journal.read(path)
    assert [line["ts"] for line in lines[-3:]] == ["held", "free", "next"] and skipped == 0


def test_a_journal_is_opened_for_appending_and_nothing_else(tmp_path: Path) -> None:
    """Then the system itself puts each write at the end, in one step. Python's own append may write anywhere: it seeks
    and then writes, and of two processes one can write over the other's line."""
    fd = host.open_append(str(tmp_path / "log.jsonl"))
    try:
        assert granted(msvcrt.get_osfhandle(fd)) & (APPEND | WRITE) == APPEND
    finally:
        os.close(fd)
    with (tmp_path / "log.jsonl").open("ab") as file:
        assert granted(msvcrt.get_osfhandle(file.fileno())) & (APPEND | WRITE) == APPEND | WRITE


def granted(handle: int) -> int:
    """What may be done with an open file, as the system keeps it."""
    said, status = ctypes.c_uint32(), (ctypes.c_void_p * 2)()
    query = ctypes.WinDLL("ntdll").NtQueryInformationFile
    query.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int]
    assert query(handle, status, ctypes.byref(said), 4, FILE_ACCESS_INFORMATION) == 0
    return said.value


def test_many_writers_lose_no_line_of_a_journal(tmp_path: Path) -> None:
    """In turns where an append is two steps."""
    path = tmp_path / "log.jsonl"
    turn = contextlib.nullcontext() if rig.appends_in_one_step() else threading.Lock()

    def write(who: int) -> None:
        for number in range(50):
            with turn:
                journal.append(path, {"v": 1, "ts": f"{who}-{number}", "pad": "x" * 200}, host)

    threads = [threading.Thread(target=write, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len({line["ts"] for line in lines}) == 200 == len(lines)


def test_who_writes_and_who_reads_a_record_at_once_see_whole_ones(tmp_path: Path) -> None:
    path, ends, over = tmp_path / "state.json", time.monotonic() + 1.5, threading.Event()
    files.write_atomic(path, json.dumps({"n": 0}))
    seen: list[object] = []

    def read() -> None:
        while not over.wait(0.001):
            seen.append(files.read_json(path))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    number = 0
    try:
        while time.monotonic() < ends:
            number += 1
            files.write_atomic(path, json.dumps({"n": number}))
    finally:
        over.set()
        for reader in readers:
            reader.join()
    assert number > 5 and len(seen) > 20
    assert all(isinstance(one, dict) and isinstance(one["n"], int) for one in seen)

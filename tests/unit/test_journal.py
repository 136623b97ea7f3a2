"""Reading journals: whatever stands in them, no line of ours is lost, and what is too old is passed over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import rig
from hypothesis import given
from hypothesis import strategies as st

from autosys_tasks import host
from autosys_tasks.core import journal
from autosys_tasks.core.clock import parse_utc, utc_text

NOON = parse_utc("2026-11-25T12:00:00.000Z")
HOUR = 3600.0
FOREIGN = (
    b"not json", b"[1", b"2]", b"{}", b'{"v":1}', b"null", b'{"v":1,"ts":"2026', b'{"a":1},{"a":2}', b'"\xb1\xe8"',
    b'{"v":1,"ts":"x","detail":"', b"1,2", b"[" * 100_000,
)  # fmt: skip


def ours(number: int, at: float = NOON) -> bytes:
    line = {"v": 1, "ts": utc_text(at), "run": "r", "task": "watchdog", "detail": f"답 {number}"}
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


@given(st.lists(st.sampled_from([*FOREIGN, b"ours"]), max_size=30), st.integers(1, 7))
def test_what_is_not_ours_costs_no_line_of_ours(texts: list[bytes], together: int) -> None:
    """P57: read many at a time, whatever stands between them."""
    raws = [ours(number) if text == b"ours" else text for number, text in enumerate(texts)]
    chunks = [raws[first : first + together] for first in range(0, len(raws), together)]
    found = [line for chunk in chunks for line in journal.parsed(chunk)]
    assert len(found) == len(raws)
    said = [line["detail"] for line in found if line is not None]
    assert said == [f"답 {number}" for number, text in enumerate(texts) if text == b"ours"]


def test_the_last_run_is_found_before_a_line_that_nobody_can_read(tmp_path: Path) -> None:
    path = tmp_path / "backup_log.jsonl"
    ran = {"v": 1, "ts": utc_text(NOON), "task": "backup", "step": "summary", "detail": "whole"}
    foreign = '{"task":"backup","step":"summary","detail":' + "[" * 50_000
    path.write_text(f"{json.dumps(ran, separators=(',', ':'))}\n{foreign}\n", encoding="utf-8")
    assert journal.last_run(path, "backup")["detail"] == "whole"


def test_what_is_older_is_passed_over_file_by_file_and_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "watchdog_log.jsonl"
    old, new = ours(1, NOON - HOUR), ours(2, NOON + 1)
    shaped_otherwise = json.dumps(json.loads(ours(3, NOON - HOUR))).encode("utf-8")
    torn = ours(4, NOON - HOUR)[:-9]
    path.write_bytes(b"\n".join([old, torn, shaped_otherwise, new, b"torn", b""]))
    older = tmp_path / "watchdog_log.jsonl.1"
    older.write_bytes(b"never looked at\n")
    os.utime(older, (NOON - HOUR, NOON - HOUR))
    os.utime(path, (NOON + 1, NOON + 1))
    lines, skipped = journal.read(path, start=NOON)
    assert [line["detail"] for line in lines] == ["답 3", "답 2"], "what is not as we write it, its reader has to judge"
    assert skipped == 1
    assert [line["detail"] for line in journal.since(lines, NOON)] == ["답 2"]
    everything, skipped = journal.read(path)
    assert len(everything) == 3 and skipped == 3


def test_files_of_a_time_that_was_said_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AUTOSYS_NOW moves what is written and what is asked for, and no file's own time."""
    path = tmp_path / "watchdog_log.jsonl"
    monkeypatch.setenv("AUTOSYS_NOW", "2099-01-01T00:00:00Z")
    path.write_bytes(ours(1, parse_utc("2099-01-01T00:00:00Z")) + b"\n")
    assert len(journal.read(path, start=parse_utc("2098-12-31T00:00:00Z"))[0]) == 1


def full(path: Path) -> None:
    path.write_bytes(ours(1) + b"\n" + b" " * journal.ROTATE_BYTES + b"\n")


def test_a_rotation_that_was_cut_short_loses_no_line_to_the_next_one(tmp_path: Path) -> None:
    """Killed between two of its steps, it leaves a gap: the next one fills that, and takes no older file away."""
    path = tmp_path / "log.jsonl"
    full(path)
    for number in (2, 3, 4):
        Path(f"{path}.{number}").write_bytes(ours(number) + b"\n")
    before, _bad = journal.read(path)
    journal.rotate(path, host)
    assert Path(f"{path}.1").exists() and not path.exists()
    assert journal.read(path)[0] == before
    full(path)
    journal.rotate(path, host)
    assert [Path(f"{path}.{number}").stat().st_size > 999 for number in (1, 2, 3, 4)] == [True, True, False, False]


def test_what_somebody_else_has_just_rotated_is_left_as_it_is(tmp_path: Path) -> None:
    """Whoever waited for its turn looks again: what is there now is another file, and not full."""
    path = tmp_path / "log.jsonl"
    full(path)
    lock = host.take_lock(f"{path}.lock")
    assert lock is not None
    journal.rotate(path, host)
    assert path.exists(), "somebody is at it"
    lock.release()
    path.write_bytes(ours(1))
    journal.rotate(path, host)
    assert path.read_bytes() == ours(1) and not Path(f"{path}.1").exists()


WRITER = """
import sys
from pathlib import Path
from autosys_tasks import host
from autosys_tasks.core import journal
journal.ROTATE_BYTES = 60_000
write, turns = journal.write_all, sys.argv[3]
def in_turn(fd, data):
    lock = host.take_lock(turns, wait_s=60)
    try:
        write(fd, data)
    finally:
        lock.release()
if turns:
    journal.write_all = in_turn
print("ready", flush=True)
sys.stdin.readline()
for number in range(250):
    journal.append(Path(sys.argv[1]), {"v": 1, "ts": "x", "who": sys.argv[2], "n": number, "pad": "x" * 200}, host)
"""


def test_processes_that_rotate_at_the_same_moment_lose_no_line(tmp_path: Path) -> None:
    """240 kB in all, of which 300 are kept: nothing is too old, and each file that was moved away was full.

    Where an append is two steps they take turns at it.
    """
    path, turns = tmp_path / "log.jsonl", "" if rig.appends_in_one_step() else str(tmp_path / "turns")
    argv = [sys.executable, "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*argv, str(who), turns], stdin=-1, stdout=-1) for who in range(4)]
    for writer in writers:
        assert writer.stdout and writer.stdout.readline().strip() == b"ready"
    for writer in writers:
        assert writer.stdin
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
    assert [writer.communicate()[0] or writer.returncode for writer in writers] == [0] * 4
    lines, torn = journal.read(path)
    found = sorted((str(line["who"]), int(str(line["n"]))) for line in lines)
    assert found == [(str(who), number) for who in range(4) for number in range(250)] and not torn
    older = list(tmp_path.glob("log.jsonl.[1-9]"))
    assert older and all(part.stat().st_size > 60_000 for part in older)


def test_a_rotation_that_somebody_stands_in_the_way_of_fails_no_run(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    full(path)
    for number in range(1, journal.KEEP + 1):
        (tmp_path / f"log.jsonl.{number}" / "held").mkdir(parents=True)
    journal.rotate(path, host)
    assert path.exists(), "its lines are there, and are read"

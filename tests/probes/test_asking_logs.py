"""log questions: a line that the service wrote since this start, whatever became of the file meanwhile."""

from __future__ import annotations

import os
import time

import pytest
import rig

from autosys_tasks.core.probe import Probe
from autosys_tasks.core.verdict import NG, OK, UNKNOWN
from autosys_tasks.probes import Subject, ask, log

READY = Probe("log", r"listening on \d+$")


@pytest.fixture(autouse=True)
def nothing_remembered():
    log._progress_of.clear()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "api.log"


def add(path, raw):
    with path.open("ab") as file:
        file.write(raw.encode() if isinstance(raw, str) else raw)


def started(path, **more):
    """The subject as it is when its service has started just now, and no less: a file's time is that of the last tick
    of the kernel's clock, and no program writes within a tick of its start."""
    size = path.stat().st_size if path.exists() else 0
    return Subject(log=str(path), log_offset=size, started_at=time.time() - 0.05, **more)


def test_a_line_of_this_start_counts_and_one_of_an_earlier_does_not(path):
    add(path, "listening on 1\n")
    subject = started(path)
    answer = ask(READY, subject)
    assert (answer.verdict, answer.evidence) == (NG, "nothing logged since its start")
    assert answer.why == r"no line matches `listening on \d+$` yet"
    add(path, "hello\r\n")
    assert ask(READY, subject).evidence == "7 B logged since its start"
    add(path, "\tlistening on 8200\r\nmore\n")
    answer = ask(READY, subject)
    assert (answer.verdict, answer.evidence) == (OK, "log line `listening on 8200`")
    assert ask(READY, started(path)).verdict == NG


def test_no_log_is_told_from_an_empty_one(path):
    subject = started(path)
    assert ask(READY, subject).why == "there is no log yet"
    add(path, "")
    assert ask(READY, subject).evidence == "nothing logged since its start"
    assert ask(READY).verdict == UNKNOWN


def test_only_what_the_log_gained_is_read_again(path):
    subject = started(path)
    add(path, "x" * 99 + "\n")
    ask(READY, subject)
    path.write_bytes(
        b"listening on 5\n".ljust(99, b"x") + b"\n"
    )  # behind what was read: never looked at again
    add(path, "y" * 99 + "\n")
    assert ask(READY, subject).evidence == "200 B logged since its start"


def test_a_line_written_in_two_halves_is_one_line(path):
    subject = started(path)
    add(path, "now liste")
    assert ask(READY, subject).verdict == NG
    add(path, "ning on 8200")
    assert ask(READY, subject).verdict == OK


def test_a_pattern_never_reaches_over_two_lines(path):
    subject = started(path)
    add(path, "not\nready\n")
    assert ask(Probe("log", r"not\s+ready"), subject).verdict == NG
    assert ask(Probe("log", r"^ready$"), subject).verdict == OK


def test_a_line_found_once_is_found_for_this_start(path):
    subject = started(path)
    add(path, "listening on 1\n")
    assert ask(READY, subject).verdict == OK
    path.unlink()
    assert ask(READY, subject).verdict == OK


@pytest.mark.parametrize("asked_before", [True, False])
def test_a_line_is_found_after_the_log_was_renamed_away(path, asked_before):
    add(path, "listening on 1\n" * 3)
    subject = started(path)
    add(path, "hello\n")
    assert not asked_before or ask(READY, subject).verdict == NG
    add(path, "listening on 2\n")
    path.rename(f"{path}.1")
    add(path, "after\n")
    assert ask(READY, subject).evidence == "log line `listening on 2`"


def test_a_line_is_found_where_a_rotation_tore_it(path):
    add(path, "listening on 1\n")
    subject = started(path)
    add(path, "hello\nlisten")
    path.rename(f"{path}.1")
    path.with_name("api.log.1").rename(f"{path}.2")
    add(path.with_name("api.log.1"), "ing on")
    add(path, " 22\n")
    assert ask(READY, subject).evidence == "log line `listening on 22`"


def test_a_new_log_that_has_outgrown_the_old_one_is_read_from_its_beginning(path):
    subject = started(path)
    add(path, "hello\n")
    assert ask(READY, subject).verdict == NG
    path.rename(f"{path}.1")
    add(path, "listening on 6\n")
    assert ask(READY, subject).verdict == OK


def test_lines_from_before_the_start_stay_out_after_a_rotation(path):
    add(path, "listening on 1\n" * 10)
    subject = started(path)
    whole = path.read_bytes() + b"hello\n"
    path.with_name("api.log.1").write_bytes(whole[:64])  # the head was cut away, less than the offset
    path.write_bytes(whole[64:])
    answer = ask(READY, subject)
    assert (answer.verdict, answer.evidence) == (NG, "6 B logged since its start")


def test_a_part_rotated_before_the_start_is_not_looked_at(path):
    older = path.with_name("api.log.1")
    add(older, "listening on 1\n")
    os.utime(older, (time.time() - 60, time.time() - 60))
    subject = started(path)
    add(path, "hello\n")
    assert ask(READY, subject).evidence == "6 B logged since its start"


def test_a_truncated_log_is_read_from_its_new_beginning(path):
    add(path, "x" * 1000 + "\n")
    subject = started(path)
    add(path, "hello\n")
    assert ask(READY, subject).verdict == NG
    path.write_text("listening on 3\n", encoding="utf-8")
    assert ask(READY, subject).verdict == OK


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-8"])
def test_utf_16_is_read_as_well_as_utf_8(path, encoding):
    """Windows PowerShell writes UTF-16; what a start adds to such a file has no mark of its own."""
    add(path, "준비\n".encode(encoding))
    subject = started(path)
    follow_up = {"utf-16": "utf-16-le", "utf-8-sig": "utf-8"}.get(encoding, encoding)
    add(path, "hello 안녕, waiting for the first line\n".encode(follow_up))
    assert ask(Probe("log", "^listening on 4$"), subject).verdict == NG
    add(path, "listening on 4\r\n".encode(follow_up))
    assert ask(Probe("log", "^listening on 4$"), subject).verdict == OK
    log._progress_of.clear()
    assert ask(Probe("log", "^hello 안녕"), subject).verdict == OK


def test_utf_16_without_a_single_latin_letter_is_known_by_its_mark(path):
    add(path, "시작\n".encode("utf-16"))
    subject = started(path)
    add(path, "모든준비가완료되었습니다\n".encode("utf-16-le"))
    assert ask(Probe("log", "완료"), subject).verdict == OK


def test_bytes_that_are_no_text_do_no_harm(path):
    subject = started(path)
    add(path, b"\xff\xc3\x28 \x80 listening on 7\n")
    assert ask(READY, subject).verdict == OK


def test_a_long_log_is_searched_whole_and_quickly(path):
    subject = started(path)
    add(path, b"nothing of interest in this line of the log\n" * 200_000)
    add(path, "listening on 9\n")
    began = time.process_time()
    assert ask(READY._replace(timeout_s=100.0), subject).verdict == OK
    assert time.process_time() - began < 1.5 * rig.stretched()


def test_at_the_deadline_the_search_stops_and_later_goes_on(path):
    subject = started(path)
    add(path, b"nothing of interest in this line of the log\n" * 100_000)
    add(path, "listening on 9\n")
    hurried = READY._replace(timeout_s=0.005)
    assert ask(hurried, subject).verdict == NG
    rig.wait_for(lambda: ask(hurried, subject).verdict == OK, what="the end of the log")


def test_a_broken_pattern_is_told(path):
    add(path, "x")
    why = ask(Probe("log", "ready("), started(path)).why
    assert why.startswith("`ready(` is no regular expression: ")


def test_the_line_is_shown_without_secrets(path):
    subject = started(path, secrets=("hunter2",))
    add(path, "key hunter2 listening on 1\n")
    assert ask(READY, subject).evidence == "log line `key *** listening on 1`"

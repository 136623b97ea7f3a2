"""file and heartbeat questions: how old is too old, also when somebody sets the clock."""

from __future__ import annotations

import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autosys_tasks.core.probe import Probe
from autosys_tasks.core.verdict import NG, OK, UNKNOWN
from autosys_tasks.probes import Subject, ask
from autosys_tasks.probes.age import age

DAY = 86_400.0
BEAT = Probe("heartbeat", max_age_s=90)


@pytest.fixture
def beats(tmp_path):
    """beats(ago): the service touched its file that many seconds ago."""
    path = tmp_path / "heartbeat"

    def touch(ago_s: float) -> str:
        path.touch()
        os.utime(path, (time.time() - ago_s,) * 2)
        return str(path)

    return touch


def up(since_s: float, heartbeat: str, skew_s: float = 0.0) -> Subject:
    """A service that has been up for so long, by a clock that was set forward by `skew_s` meanwhile."""
    return Subject(heartbeat=heartbeat, started_at=time.time() - skew_s - since_s, skew_s=skew_s)


def test_a_fresh_heartbeat_is_ok_and_a_silent_worker_is_ng(beats):
    """P8: a hung worker is NG although the server it works for is well: it is asked itself."""
    fresh = ask(BEAT, up(600, beats(3)))
    assert (fresh.verdict, fresh.evidence) == (OK, "last beat 3 s ago")
    silent = ask(BEAT, up(600, beats(180)))
    assert (silent.verdict, silent.why) == (NG, "no heartbeat for 180 s, allowed 90 s")


def test_the_first_beat_is_waited_for_and_nobody_is_blamed_meanwhile(tmp_path):
    path = str(tmp_path / "heartbeat")
    early = ask(BEAT, up(12, path))
    assert (early.verdict, early.why) == (UNKNOWN, "no heartbeat yet, 12 s after its start")
    late = ask(BEAT, up(180, path))
    assert (late.verdict, late.why) == (NG, "it never beat in the 180 s since its start, allowed 90 s")
    assert ask(BEAT, Subject(heartbeat=path)).why == "it never beat"


def test_the_beat_of_an_earlier_instance_is_no_beat_of_this_one(beats):
    """A restart within the allowed age must not look ready by what the dead one left behind."""
    assert ask(BEAT, up(10, beats(20))).verdict == UNKNOWN
    assert ask(BEAT, up(10, beats(9))).verdict == OK


def test_a_beat_in_the_very_moment_of_the_start_counts(beats):
    assert ask(BEAT, up(0.0, beats(0.01))).verdict == OK


def test_a_thing_without_a_service_has_no_heartbeat():
    assert ask(BEAT).verdict == UNKNOWN


def test_a_clock_set_forward_a_day_makes_no_fresh_heartbeat_stale(beats):
    before_the_jump = ask(BEAT, up(600, beats(DAY + 5), DAY))
    assert (before_the_jump.verdict, before_the_jump.evidence) == (OK, "last beat 5 s ago")
    after_the_jump = ask(BEAT, up(600, beats(5), DAY))
    assert (after_the_jump.verdict, after_the_jump.evidence) == (OK, "last beat 5 s ago")
    hung = ask(BEAT, up(600, beats(DAY + 300), DAY))
    assert (hung.verdict, hung.why) == (NG, "no heartbeat for 300 s, allowed 90 s")
    never = ask(BEAT, up(12, "/nowhere/heartbeat", DAY))
    assert never.why == "no heartbeat yet, 12 s after its start"


def test_a_clock_set_back_a_day_neither_hides_nor_invents_a_hang(beats):
    before_the_jump = ask(BEAT, up(600, beats(-DAY + 5), -DAY))
    assert (before_the_jump.verdict, before_the_jump.evidence) == (OK, "last beat 5 s ago")
    after_the_jump = ask(BEAT, up(600, beats(5), -DAY))
    assert (after_the_jump.verdict, after_the_jump.evidence) == (OK, "last beat 5 s ago")
    hung = ask(BEAT, up(600, beats(-DAY + 300), -DAY))
    assert (hung.verdict, hung.why) == (NG, "no heartbeat for 300 s, allowed 90 s")


def test_a_time_in_the_future_is_age_0(beats):
    assert ask(BEAT, up(600, beats(-3600))).evidence == "last beat 0 ms ago"


@given(true=st.floats(0, 1e6), skew=st.floats(-1e6, 1e6), jumped_after=st.booleans())
def test_the_age_is_never_overstated_and_never_negative(true, skew, jumped_after):
    now = 2e9
    mtime = now - true - (skew if jumped_after else 0)  # written by the clock of its own moment
    seen = age(mtime, now, skew)
    assert 0 <= seen <= true + 1e-3


def test_a_file_is_judged_by_being_there_and_by_its_age(tmp_path):
    path = tmp_path / "report.json"
    probe = Probe("file", str(path), max_age_s=DAY)
    absent = ask(probe)
    assert (absent.verdict, absent.why, absent.evidence) == (NG, "file absent", f"no file `{path}`")
    path.touch()
    assert ask(probe).verdict == OK
    os.utime(path, (time.time() - 3 * 3600,) * 2)
    assert ask(probe).evidence == "file 3 h old"
    assert ask(probe._replace(max_age_s=3600)).why == "file 3 h old, allowed 1 h"
    assert ask(probe._replace(max_age_s=None)).verdict == OK
    assert ask(Probe("file", str(path / "below"))).why == "file absent"


def test_a_relative_file_lies_in_the_services_folder(tmp_path):
    (tmp_path / "ready").touch()
    assert ask(Probe("file", "ready"), Subject(cwd=str(tmp_path))).verdict == OK


@pytest.mark.only("posix")
def test_what_we_may_not_look_at_is_unknown(tmp_path):
    """A loop of links stands for every way in which looking itself fails."""
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    answer = ask(Probe("file", str(loop)))
    assert answer.verdict == UNKNOWN
    assert answer.why.startswith("cannot ask: ")


def test_a_path_that_no_file_can_have_is_ng():
    assert ask(Probe("file", "a\0b")).verdict == NG


def test_a_kind_that_nobody_knows_is_unknown():
    assert ask(Probe("dance")).why == "there is no kind of probe named `dance`"

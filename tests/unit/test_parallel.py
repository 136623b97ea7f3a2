"""Several pieces of work at the same time: all are done, their errors are kept, none outlives the call."""

from __future__ import annotations

import threading

import pytest

from autosys_tasks.core.parallel import results_within, run_parallel


def test_all_are_at_work_at_the_same_time_and_answer_in_order() -> None:
    meeting = threading.Barrier(3, timeout=20)  # it lets nobody through before all three are there
    assert run_parallel(*(lambda each=each: (meeting.wait(), each)[1] for each in "abc")) == ["a", "b", "c"]


def test_the_first_is_done_by_who_asks() -> None:
    asking = threading.current_thread()
    first, second = run_parallel(threading.current_thread, threading.current_thread)
    assert first is asking and second is not asking


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_an_error_comes_out_when_all_have_ended(bad: int) -> None:
    ended = []

    def work(number: int) -> None:
        if number == bad:
            raise KeyError(number)
        ended.append(number)

    with pytest.raises(KeyError, match=str(bad)):
        run_parallel(*(lambda each=each: work(each) for each in range(3)))
    assert sorted(ended) == [each for each in range(3) if each != bad]


def test_of_several_errors_the_first_in_order_is_told() -> None:
    def fail(name: str) -> None:
        raise ValueError(name)

    with pytest.raises(ValueError, match="one"):
        run_parallel(lambda: None, lambda: fail("one"), lambda: fail("two"))


def test_nothing_to_do_gives_nothing() -> None:
    assert run_parallel() == []


def test_who_is_late_is_left_out_and_costs_the_others_nothing() -> None:
    never = threading.Event()
    works = {"quick": (lambda: 1, 20.0), "late": (never.wait, 0.05), 4: (lambda: 2, 20.0)}
    assert results_within(works) == {"quick": 1, 4: 2}
    never.set()
    assert results_within({}) == {}


@pytest.mark.parametrize("left", [0, 1, 2])
def test_where_the_system_has_no_thread_left_who_asks_does_the_work(left: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of health is wanted most of all when something has filled the table of processes."""
    start, begun = threading.Thread.start, list[threading.Thread]()

    def scarce(thread: threading.Thread) -> None:
        if len(begun) == left:
            raise RuntimeError("can't start new thread")
        begun.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", scarce)
    assert run_parallel(*(lambda each=each: each.upper() for each in "abcd")) == ["A", "B", "C", "D"]
    assert len(begun) == left
    begun.clear()
    assert results_within({each: (each.upper, 20.0) for each in "abcd"}) == {each: each.upper() for each in "abcd"}
    assert len(begun) == left

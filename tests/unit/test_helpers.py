"""Threads of a run of the supervisor: what they raise is seen, and that there is none left is no defect."""

from __future__ import annotations

import threading

import pytest

from autosys_tasks.core.errors import StateError
from autosys_tasks.supervise.background_probes import BackgroundThreads


def test_what_a_helper_raises_is_raised_in_the_loop() -> None:
    woken: list[int] = []

    def work() -> None:
        raise KeyError("nobody thought of it")

    helpers = BackgroundThreads(lambda: woken.append(1))
    helpers.do(work).join(20)
    assert woken
    with pytest.raises(KeyError, match="thought"):
        helpers.deliver()


def test_where_the_system_has_no_thread_left_it_is_said_as_a_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of which the guard says what it says of a full disk: it goes on, and looks again later."""

    def none_left(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none_left)
    with pytest.raises(StateError, match="no thread left"):
        BackgroundThreads(lambda: None).do(lambda: None)

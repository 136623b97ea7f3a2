"""Runs several functions at the same time, each in a thread: for waiting (programs, files), not for computing.

Where the system has no thread left (its process table is full), the calling thread runs them one after the other: then
of all times somebody needs the answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from threading import Thread

K = TypeVar("K")
T = TypeVar("T")


def run_parallel(*works: Callable[[], Any]) -> list[Any]:
    """The results of all, in order; the first runs in the calling thread.

    Returns when all have ended. Raises the error of the first in that order that raised one.
    """
    if not works:
        return []
    import threading

    first, *others = works
    ends: list[tuple[Any, BaseException | None]] = [(None, None)] * len(works)

    def end(number: int, work: Callable[[], Any]) -> None:
        try:
            ends[number] = work(), None
        except BaseException as error:  # noqa: BLE001 (raised below, in the calling thread)
            ends[number] = None, error

    threads = [threading.Thread(target=end, args=each, daemon=True) for each in enumerate(others, 1)]
    begun = [try_start(thread) for thread in threads]
    end(0, first)
    if isinstance(ends[0][1], Exception | None):  # Ctrl-C waits for nobody
        for number, (thread, runs) in enumerate(zip(threads, begun, strict=True), 1):
            if runs:
                thread.join()
            else:
                end(number, works[number])
    for _value, error in ends:
        if error is not None:
            raise error
    return [value for value, _error in ends]


def results_within(works: Mapping[K, tuple[Callable[[], T], float]]) -> dict[K, T]:
    """The results, by name, of those that end within their seconds; none of them may raise.

    Threads that are late are left behind as daemons: they delay no exit.
    """
    import threading

    results, began = dict[K, T](), time.monotonic()

    def run(name: K, work: Callable[[], T]) -> None:
        results[name] = work()

    threads = {
        name: threading.Thread(target=run, args=(name, work), name=str(name), daemon=True)
        for name, (work, _within_s) in works.items()
    }
    left = [name for name, thread in threads.items() if not try_start(thread)]
    for name in left:
        run(name, works[name][0])
    for name in threads.keys() - set(left):
        threads[name].join(max(0.0, began + works[name][1] - time.monotonic()))
    return dict(results)


def try_start(thread: Thread) -> bool:
    """Start a thread; False where the system has none left."""
    try:
        thread.start()
    except RuntimeError:
        return False
    return True

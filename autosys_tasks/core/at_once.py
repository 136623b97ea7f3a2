"""Several pieces of work at the same time, each in a thread: for waiting (programs, files), not for computing.

Where the system has no thread left (its table of processes is full), the asking thread does the work itself: that is
when somebody looks what runs away.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from threading import Thread

K = TypeVar("K")
T = TypeVar("T")


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """What each of them gives, in that order; the first is done by this very thread.

    It ends when all have ended, so that nothing of theirs lives on. Raises what one of them raised, the earliest in
    that order.
    """
    if not works:
        return []
    import threading

    first, *others = works
    ends: list[tuple[Any, BaseException | None]] = [(None, None)] * len(works)

    def end(number: int, work: Callable[[], Any]) -> None:
        try:
            ends[number] = work(), None
        except BaseException as error:  # noqa: BLE001 (it is raised below, by who asked)
            ends[number] = None, error

    threads = [threading.Thread(target=end, args=each, daemon=True) for each in enumerate(others, 1)]
    begun = [begins(thread) for thread in threads]
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


def in_time(works: Mapping[K, tuple[Callable[[], T], float]]) -> dict[K, T]:
    """What those give that end within their seconds, by name; they raise nothing.

    A thread that is left behind holds up no exit.
    """
    import threading

    brought, began = dict[K, T](), time.monotonic()

    def bring(name: K, work: Callable[[], T]) -> None:
        brought[name] = work()

    threads = {
        name: threading.Thread(target=bring, args=(name, work), name=str(name), daemon=True)
        for name, (work, _within_s) in works.items()
    }
    left = [name for name, thread in threads.items() if not begins(thread)]
    for name in left:
        bring(name, works[name][0])
    for name in threads.keys() - set(left):
        threads[name].join(max(0.0, began + works[name][1] - time.monotonic()))
    return dict(brought)


def begins(thread: Thread) -> bool:
    """Whether it runs; False where the system has none left."""
    try:
        thread.start()
    except RuntimeError:
        return False
    return True

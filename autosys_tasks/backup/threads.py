"""Ways to share work among a few threads, for work that releases the interpreter's lock (compression, hashes, I/O)."""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor, wait
from typing import ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")
MOST_WORKERS = 4
PREFETCHED = 3
JOIN_S = 0.1  # Windows lets no Ctrl-C into a wait without an end


class Cancelled(BaseException):
    """Another thread has failed, or Ctrl-C was pressed: the result is no longer wanted."""


def worker_count() -> int:
    """How many threads or processes share work: one for each core, 4 at most."""
    return min(os.cpu_count() or 1, MOST_WORKERS)


def for_each(jobs: Iterator[T], work: Callable[[T, Callable[[], None]], None]) -> None:
    """Call `work(job, check_cancelled)` for each job, in several threads; the caller's is one of them.

    Raises the first error of `work`, of `jobs`, or Ctrl-C. `work` calls `check_cancelled()` now and then: it raises
    Cancelled once another thread has failed. All threads have ended when this returns.
    """
    lock, errors = threading.Lock(), list[BaseException]()

    def check_cancelled() -> None:
        if errors:
            raise Cancelled

    def next_job() -> T | None:
        check_cancelled()
        with lock:
            return next(jobs, None)

    def run() -> None:
        try:
            while (job := next_job()) is not None:
                work(job, check_cancelled)
        except Cancelled:
            pass
        except BaseException as error:  # noqa: BLE001 - raised by `for_each`
            errors.append(error)

    others = [threading.Thread(target=run, name=f"for-each-{number}") for number in range(1, worker_count())]
    try:
        for other in others:
            other.start()
        run()
        _wait_for(others)
    except BaseException as error:  # noqa: BLE001 - Ctrl-C, between two lines above; raised below
        errors.append(error)
        _wait_for([other for other in others if other.ident])
    if errors:
        raise errors[0]


def prefetched(things: Iterator[bytes], pool: Executor, ahead: int = PREFETCHED) -> Generator[bytes]:
    """The same things; `pool`, which has a single thread, makes up to `ahead` of them before they are asked for.

    An empty one ends them. Once it is closed nothing uses `things` any more.
    """
    made = deque(pool.submit(next, things, b"") for _ in range(ahead))
    try:
        while thing := made.popleft().result():
            made.append(pool.submit(next, things, b""))
            yield thing
    finally:
        wait([future for future in made if not future.cancel()])


def ordered_map(work: Callable[[T], R], things: Iterator[T], pool: Executor) -> Iterator[R]:
    """`work(thing)` of each thing, in order; `pool` works on the next ones (`worker_count()` of them) meanwhile."""
    made = deque(pool.submit(work, thing) for thing in itertools.islice(things, worker_count()))
    while made:
        yield made.popleft().result()
        made.extend(pool.submit(work, thing) for thing in itertools.islice(things, 1))


def _wait_for(others: list[threading.Thread]) -> None:
    for other in others:
        while other.is_alive():
            other.join(JOIN_S)


def serialized(function: Callable[P, R]) -> Callable[P, R]:
    """The same function under a lock, for several threads."""
    lock = threading.Lock()

    def one_at_a_time(*args: P.args, **kwargs: P.kwargs) -> R:
        with lock:
            return function(*args, **kwargs)

    return one_at_a_time

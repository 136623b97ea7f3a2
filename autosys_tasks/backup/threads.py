"""Work shared among a few threads: whoever asks for it is one of them, and what one of them raises ends them all."""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")
MOST = 4
AHEAD = 3
LOOKS_UP_S = 0.1  # Windows lets no Ctrl-C into a wait without an end


class Ended(BaseException):
    """Another thread has failed, or Ctrl-C was pressed: nobody wants any more what this one does."""


def count() -> int:
    """How many are worth it here: as many as there are cores, 4 at most."""
    return min(os.cpu_count() or 1, MOST)


def share(jobs: Iterator[T], work: Callable[[T, Callable[[], None]], None]) -> None:
    """Give each job to `work`, several at a time; raises what was raised first, by `work`, by `jobs` or by Ctrl-C.

    `work` gets with its job a function to call now and then, which raises Ended once another has raised something. No
    thread is left when this returns.
    """
    turn, errors = threading.Lock(), list[BaseException]()

    def going() -> None:
        if errors:
            raise Ended

    def taken() -> T | None:
        going()
        with turn:
            return next(jobs, None)

    def one() -> None:
        try:
            while (job := taken()) is not None:
                work(job, going)
        except Ended:
            pass
        except BaseException as error:  # noqa: BLE001 - raised by `share`
            errors.append(error)

    others = [threading.Thread(target=one, name=f"share-{number}") for number in range(1, count())]
    try:
        for other in others:
            other.start()
        one()
        _wait_for(others)
    except BaseException as error:  # noqa: BLE001 - Ctrl-C, between two lines above; raised below
        errors.append(error)
        _wait_for([other for other in others if other.ident])
    if errors:
        raise errors[0]


def ahead(things: Iterator[bytes], pool: Executor) -> Iterator[bytes]:
    """The same, a few of them made by a thread of `pool` before they are asked for; it has one thread alone."""
    made = deque(pool.submit(next, things, b"") for _ in range(AHEAD))
    while thing := made.popleft().result():
        made.append(pool.submit(next, things, b""))
        yield thing


def each(work: Callable[[T], R], things: Iterator[T], pool: Executor) -> Iterator[R]:
    """`work` of each thing, in their order; as many more as there are cores are done by `pool` meanwhile."""
    made = deque(pool.submit(work, thing) for thing in itertools.islice(things, count()))
    while made:
        yield made.popleft().result()
        made.extend(pool.submit(work, thing) for thing in itertools.islice(things, 1))


def _wait_for(others: list[threading.Thread]) -> None:
    for other in others:
        while other.is_alive():
            other.join(LOOKS_UP_S)


def in_turn(told: Callable[P, R]) -> Callable[P, R]:
    """The same function for several threads: it runs in one of them at a time."""
    turn = threading.Lock()

    def alone(*args: P.args, **kwargs: P.kwargs) -> R:
        with turn:
            return told(*args, **kwargs)

    return alone

"""Work shared among processes: copies of this one, which know all that it does. Where none can be, it does all itself.

For what is Python at each of many small things: of threads only one at a time would get on with that.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import selectors
import signal
import struct
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Generic, TypeVar

from autosys_tasks import host
from autosys_tasks.backup import threads

T = TypeVar("T")
R = TypeVar("R")
NUMBER, HEAD = struct.Struct("<I"), struct.Struct("<II")  # of a job; and of what came of it, with its length
MOST = 1 << 20  # bytes that are read at once
EACH = 2  # jobs that wait for each process, so that none waits for one


class Crew(Generic[T, R]):
    """A context that gives, in their order, `work(job)` of each job; at its end no process of it is left.

    What `work` returns is of marshal's types (numbers, texts, bytes, tuples, lists of them). What no copy could do,
    for it raised something or was killed, is done here once all of them have ended, and raises here.
    """

    def __init__(self, jobs: Sequence[T], work: Callable[[T], R]) -> None:
        self._jobs, self._work = jobs, work
        self._given = 0  # jobs that were handed out, from the first
        self._orders = -1  # where their numbers are written to
        self._copies: dict[int, int] = {}  # the pid of each, by where it is heard

    def __enter__(self) -> Iterator[R]:
        try:
            self._begin()
        except BaseException:
            self._end()
            raise
        return self._results()

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._end()

    def _begin(self) -> None:
        taken, self._orders = os.pipe()
        try:
            for _ in range(min(threads.count(), len(self._jobs))):
                if not self._one_more(taken):
                    break
        finally:
            os.close(taken)
        for _ in range(EACH * len(self._copies)):
            self._give()

    def _one_more(self, taken: int) -> bool:
        heard, mouth = os.pipe()
        try:
            pid = host.fork(lambda: self._copy(taken, heard, mouth))
        finally:
            os.close(mouth)
        if pid is None:
            os.close(heard)
        else:
            self._copies[heard] = pid
        return pid is not None

    def _copy(self, taken: int, heard: int, mouth: int) -> None:
        """What each copy does: jobs by their numbers, until nobody gives any or hears of them any more."""
        for fd in (self._orders, heard, *self._copies):
            os.close(fd)
        with os.fdopen(mouth, "wb") as out:
            while order := os.read(taken, NUMBER.size):
                (number,) = NUMBER.unpack(order)
                result: Any = self._work(self._jobs[number])
                said = marshal.dumps(result)
                out.write(HEAD.pack(number, len(said)))
                out.write(said)
                out.flush()

    def _give(self) -> None:
        """Hand out the next job; when there is none, whoever asks for one ends."""
        if self._given < len(self._jobs):
            with contextlib.suppress(BrokenPipeError):  # all have ended: that is seen where they are heard
                os.write(self._orders, NUMBER.pack(self._given))
            self._given += 1
        elif self._orders >= 0:
            os.close(self._orders)
            self._orders = -1

    def _results(self) -> Iterator[R]:
        done: dict[int, R] = {}
        for number in range(len(self._jobs)):
            while number not in done and self._copies:
                self._hear(done)
            yield done.pop(number) if number in done else self._work(self._jobs[number])

    def _hear(self, done: dict[int, R]) -> None:
        """Take what the copies have to say, once one of them has."""
        with selectors.DefaultSelector() as all_of_them:
            for heard in self._copies:
                all_of_them.register(heard, selectors.EVENT_READ)
            ready = [key.fd for key, _ in all_of_them.select()]
        for heard in ready:
            head = _read(heard, HEAD.size)
            number, length = HEAD.unpack(head) if head else (-1, 0)
            if said := _read(heard, length):
                done[number] = marshal.loads(said)
                self._give()
            elif self._orders < 0:
                _end(heard, self._copies.pop(heard))
            else:  # one that was killed: which of the jobs it had nobody knows
                self._end()
                break

    def _end(self) -> None:
        if self._orders >= 0:
            os.close(self._orders)
            self._orders = -1
        for pid in self._copies.values():  # all of them at once: a second Ctrl-C may come while one is waited for
            os.kill(pid, signal.SIGTERM)
        while self._copies:
            _end(*self._copies.popitem())


def _end(heard: int, pid: int) -> None:
    """Have one end, if it has not, and wait until it has."""
    os.close(heard)
    os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)


def _read(fd: int, size: int) -> bytes:
    """So many bytes, or none when there are fewer."""
    parts, lacking = list[bytes](), size
    while lacking and (part := os.read(fd, min(lacking, MOST))):
        parts.append(part)
        lacking -= len(part)
    return b"" if lacking else b"".join(parts)

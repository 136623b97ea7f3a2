"""A pool of forked worker processes, for work that holds the interpreter's lock (Python at each of many small files).

Forked workers need not be told what to work on: they have this process's memory. Where no process can be forked (not
Linux, or a thread runs already), the caller does all of it. Requests and replies go through pipes.
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
REQUEST = struct.Struct("<I")  # the number of a job
REPLY_HEAD = struct.Struct("<II")  # the number of a job, and how many bytes of result follow
READ_BYTES = 1 << 20  # bytes that are read at once
QUEUED = 2  # requests in the pipe for each worker, so that none is idle


class ForkPool(Generic[T, R]):
    """A context manager that gives an iterator of `work(job)` for each job, in order; no worker outlives it.

    `work` returns what marshal can write (numbers, strings, bytes, tuples and lists of them). A job whose worker raised
    or was killed is done by this process once all workers have ended, so its error is raised here.
    """

    def __init__(self, jobs: Sequence[T], work: Callable[[T], R]) -> None:
        self._jobs, self._work = jobs, work
        self._requested = 0  # how many of the jobs were requested
        self._requests = -1  # file descriptor: the pipe from which all workers take requests; -1 once closed
        self._workers: dict[int, int] = {}  # file descriptor of its replies -> pid

    def __enter__(self) -> Iterator[R]:
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self._results()

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._end()

    def _start(self) -> None:
        requests, self._requests = os.pipe()
        try:
            for _ in range(min(threads.worker_count(), len(self._jobs))):
                if not self._start_worker(requests):
                    break
        finally:
            os.close(requests)
        for _ in range(QUEUED * len(self._workers)):
            self._request_next()

    def _start_worker(self, requests: int) -> bool:
        replies, replies_in = os.pipe()
        try:
            pid = host.fork(lambda: self._serve(requests, replies, replies_in))
        finally:
            os.close(replies_in)
        if pid is None:
            os.close(replies)
        else:
            self._workers[replies] = pid
        return pid is not None

    def _serve(self, requests: int, replies: int, replies_in: int) -> None:
        """What a worker does: take requests until the pipe is closed, or nobody reads the replies."""
        for fd in (self._requests, replies, *self._workers):
            os.close(fd)
        with os.fdopen(replies_in, "wb") as out:
            while request := os.read(requests, REQUEST.size):
                (number,) = REQUEST.unpack(request)
                result: Any = self._work(self._jobs[number])
                reply = marshal.dumps(result)
                out.write(REPLY_HEAD.pack(number, len(reply)))
                out.write(reply)
                out.flush()

    def _request_next(self) -> None:
        """Request the next job; after the last one close the pipe, which ends the workers."""
        if self._requested < len(self._jobs):
            with contextlib.suppress(BrokenPipeError):  # all workers have ended, which `_receive` sees
                os.write(self._requests, REQUEST.pack(self._requested))
            self._requested += 1
        elif self._requests >= 0:
            os.close(self._requests)
            self._requests = -1

    def _results(self) -> Iterator[R]:
        done: dict[int, R] = {}
        for number in range(len(self._jobs)):
            while number not in done and self._workers:
                self._receive(done)
            yield done.pop(number) if number in done else self._work(self._jobs[number])

    def _receive(self, done: dict[int, R]) -> None:
        """Wait for a reply, and take one from each worker that has one."""
        with selectors.DefaultSelector() as selector:
            for replies in self._workers:
                selector.register(replies, selectors.EVENT_READ)
            ready = [key.fd for key, _ in selector.select()]
        for replies in ready:
            head = _read(replies, REPLY_HEAD.size)
            number, length = REPLY_HEAD.unpack(head) if head else (-1, 0)
            if reply := _read(replies, length):
                done[number] = marshal.loads(reply)
                self._request_next()
            elif self._requests < 0:
                _stop(replies, self._workers.pop(replies))
            else:  # a worker was killed, and nobody knows which job it had
                self._end()
                break

    def _end(self) -> None:
        if self._requests >= 0:
            os.close(self._requests)
            self._requests = -1
        for pid in self._workers.values():  # all of them at once: a second Ctrl-C may come while one is waited for
            os.kill(pid, signal.SIGTERM)
        while self._workers:
            _stop(*self._workers.popitem())


def _stop(replies: int, pid: int) -> None:
    """End a worker, if it has not ended, and wait for it."""
    os.close(replies)
    os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)


def _read(fd: int, size: int) -> bytes:
    """Exactly `size` bytes, or b"" when the pipe ends before."""
    parts, lacking = list[bytes](), size
    while lacking and (part := os.read(fd, min(lacking, READ_BYTES))):
        parts.append(part)
        lacking -= len(part)
    return b"" if lacking else b"".join(parts)

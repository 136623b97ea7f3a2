"""Probes services in threads: readiness, liveness and memory."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from functools import partial

from autosys_tasks.config.model import Service
from autosys_tasks.core.errors import StateError
from autosys_tasks.core.parallel import try_start
from autosys_tasks.core.probe import Probe
from autosys_tasks.host import Identity
from autosys_tasks.supervise import look
from autosys_tasks.supervise.house import House
from autosys_tasks.supervise.state import now
from autosys_tasks.supervise.values import Facts, Record, Reply

COMMAND_GAP_S = 0.1
VITALS_S = 10.0


class BackgroundThreads:
    """Threads for long work; what they post runs in the event loop, which `wake` wakes."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def do(self, work: Callable[[], None]) -> threading.Thread:
        """Run `work` in a thread; its error is raised in the event loop.

        Raises StateError where the system has no thread left: the guard looks again later, and goes on.
        """

        def run() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001
                self.post(partial(_throw, error))

        thread = threading.Thread(target=run, daemon=True)
        if not try_start(thread):
            raise StateError("the system has no thread left", hint="end what runs away, then the same command again")
        return thread

    def post(self, news: Callable[[], None]) -> None:
        """Have the event loop call `news`."""
        self._inbox.put(news)
        self._wake()

    def deliver(self) -> None:
        """Called by the event loop: run what was posted."""
        while not self._inbox.empty():
            self._inbox.get()()


def _throw(error: BaseException) -> None:
    raise error


class Readiness:
    """Probes readiness. Called in the event loop: `ready` with the answer that counts, `changed` when a service is not
    ready for another reason than before, `gave_up` when one that was ready before is not any more.

    `gap_s`: the shortest pause between two probes.
    """

    def __init__(
        self,
        house: House,
        helpers: BackgroundThreads,
        gap_s: float,
        *,
        ready: Callable[[str, str, Reply], None],
        changed: Callable[[str], None],
        gave_up: Callable[[str], None],
    ) -> None:
        self._house, self._helpers, self._gap_s = house, helpers, gap_s
        self._ready, self._changed, self._gave_up = ready, changed, gave_up
        self._asking: dict[str, tuple[str, threading.Event]] = {}
        self._replies: dict[str, Reply] = {}

    def ask(self, name: str, probe: Probe, record: Record, *, again: bool) -> None:
        """Begin to ask, unless this instance is asked already. `again`: it was ready before, so give up some time."""
        if self._asking.get(name, ("",))[0] == record.instance:
            return
        self.hush(name)
        stop = threading.Event()
        self._asking[name] = (record.instance, stop)
        tries = probe.failure_threshold if again else 0
        self._helpers.do(lambda: self._ask(name, probe, record, stop, tries))

    def reply(self, name: str) -> Reply | None:
        """The last answer of a service that is still probed."""
        return self._replies.get(name)

    def hush(self, name: str) -> None:
        """Stop probing it."""
        _instance, stop = self._asking.pop(name, ("", None))
        if stop is not None:
            stop.set()
        self._replies.pop(name, None)

    def close(self) -> None:
        """Stop all probing."""
        for _instance, stop in self._asking.values():
            stop.set()

    def _ask(self, name: str, probe: Probe, record: Record, stop: threading.Event, tries: int) -> None:
        """Ask often while a service is young, then at its own interval: a fast start is seen at once.

        `tries`: give up after so many; 0 = until it is stopped.
        """
        good, asked, began = 0, 0, time.monotonic()
        while not stop.is_set():
            reply = look.ask(self._house, name, probe, record)
            good, asked = (good + 1 if reply.ok else 0), asked + 1
            if good >= probe.success_threshold:
                self._helpers.post(partial(self._ready, name, record.instance, reply))
                return
            before, self._replies[name] = self._replies.get(name), reply
            if before is None or before.why != reply.why:
                self._helpers.post(partial(self._changed, name))
            if tries and asked >= tries:
                self._helpers.post(partial(self._gave_up, name))
                return
            age = time.monotonic() - began
            floor = COMMAND_GAP_S if probe.kind == "command" else self._gap_s
            stop.wait(min(max(floor, age / 20), max(floor, probe.interval_s)))


class CheckUps:
    """Checks liveness and memory of live services at their intervals; `checked` is called in the event loop."""

    def __init__(
        self, house: House, helpers: BackgroundThreads, checked: Callable[[str, str, Reply | None, int | None], None]
    ) -> None:
        self._house, self._helpers, self._checked = house, helpers, checked
        self.due: dict[str, float] = {}  # by name: when, by the clock since the machine started
        self._misses: dict[str, int] = {}

    def plan(self, service: Service) -> None:
        """Schedule the next check, if there is something to check."""
        gaps = [service.liveness.interval_s] if service.liveness else []
        gaps += [VITALS_S] if service.memory_max is not None else []
        if gaps:
            self.due[service.name] = now().boot + max(0.2, min(gaps))

    def ask(self, service: Service, record: Record, leader: Identity) -> None:
        """Check now, in a thread; no other check is due until it has ended."""
        name, liveness = service.name, service.liveness
        self.due[name] = now().boot + 3600

        def check() -> None:
            reply = look.ask(self._house, name, liveness, record, lenient=True) if liveness else None
            memory = look.over_memory(service, record, leader)
            self._helpers.post(partial(self._checked, name, record.instance, reply, memory))

        self._helpers.do(check)

    def failed(self, service: Service, facts: Facts, reply: Reply | None) -> Reply | None:
        """The answer, if it is one failure too many; a service that is not ready yet may fail."""
        name, liveness = service.name, service.liveness
        self._misses[name] = 0 if reply is None or reply.ok else self._misses.get(name, 0) + 1
        young = not facts.ready_seen and service.readiness is not None
        if liveness is None or young:
            return None
        patience = 1 if liveness.kind in ("heartbeat", "file") else liveness.failure_threshold
        return reply if self._misses[name] >= patience else None

    def forgive(self, name: str) -> None:
        """Reset its failure count: it was stopped."""
        self._misses.pop(name, None)

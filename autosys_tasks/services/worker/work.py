"""The worker's loop: lease, execute under heartbeat and hard timeout, settle. Knows no argv templates."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from autosys_tasks.services.heartbeat import beat
from autosys_tasks.services.log import say
from autosys_tasks.services.shutdown import Ending
from autosys_tasks.services.worker.child import Child
from autosys_tasks.services.worker.client import Client, Interrupted, Unreachable
from autosys_tasks.services.worker.commands import Command, Unfit
from autosys_tasks.services.worker.jobs import Job, kinds, parse_job

POLL_S = 20.0
PULSE_S = 15.0
RETRY_MAX_S = 5.0
PULSE_PATIENCE_S = 2.0
SETTLE_PATIENCE_S = 5.0


class Me(NamedTuple):
    """Who this worker is and what it may do; a task of an ending worker has `grace_s` to finish."""

    name: str
    instance: str
    commands: Mapping[str, Command]
    workspace: Path
    lease_s: float = 60.0
    grace_s: float = 2.0


class Lease(NamedTuple):
    """A task in our hands."""

    token: str
    task: Mapping[str, object]


class Finish(NamedTuple):
    """How a job ended: a result, or an error and whether another attempt may help."""

    result: object = None
    error: str | None = None
    retryable: bool = True


class Lost(Exception):
    """The lease is not ours any more: whatever we have is of no use."""


class Line:
    """The line to the server: tells of trouble once, and once that it is over. Begins `fresh`."""

    def __init__(self, client: Client, ending: Ending) -> None:
        self.client = client
        self.ending = ending
        self.fresh = True
        self._told: set[str] = set()
        self._since = 0.0
        self._tries = 0

    def up(self) -> None:
        """The server answered."""
        if self._told:
            say(f"worker: the queue server answers again after {time.monotonic() - self._since:.1f} s")
        self._told.clear()
        self._tries = 0
        self.fresh = False

    def down(self, trouble: Unreachable) -> None:
        """The server did not; each reason is told once until it answers again."""
        self.fresh = True
        if not self._told:
            self._since = time.monotonic()
        if str(trouble) not in self._told:
            say(f"worker: the queue server does not serve: {trouble}; trying again until it does")
            self._told.add(str(trouble))

    def pause(self) -> None:
        """Sleep before the next try: 0.1 s, doubled up to 5 s, less at random so that workers spread."""
        delay = min(RETRY_MAX_S, 0.1 * 2.0 ** min(self._tries, 10)) * random.uniform(0.7, 1.0)
        self._tries += 1
        self.ending.wait(delay)


def work(me: Me, client: Client, ending: Ending) -> None:
    """Serve until asked to end. Each turn touches the heartbeat, whether the server is up or not."""
    line = Line(client, ending)
    while not ending.asked:
        beat()
        try:
            lease = take(me, line)
        except Interrupted:
            break
        if lease is not None:
            handle(me, lease, line)


def take(me: Me, line: Line) -> Lease | None:
    """A task to do, waited for up to 20 s; None when there was none, or no server.

    The wish tells the server who we are and what we serve; the first one on a line does not wait for a task.
    """
    wish = {
        "worker": me.name,
        "instance": me.instance,
        "pid": os.getpid(),
        "kinds": kinds(me.commands),
        "lease_seconds": me.lease_s,
        "wait_seconds": 0 if line.fresh else POLL_S,
    }
    try:
        answer = _accepted(line.client.ask("POST", "/v1/leases", wish, patience_s=POLL_S + 10, turn=beat))
    except Unreachable as trouble:
        line.down(trouble)
        line.pause()
        return None
    line.up()
    return Lease(str(answer["token"]), _object(answer["task"])) if answer else None


def _accepted(answer: tuple[int, dict[str, object]]) -> dict[str, object]:
    status, content = answer
    if status >= 400:
        raise Unreachable(f"{status} {_object(content.get('error')).get('message')}")
    return content


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def handle(me: Me, lease: Lease, line: Line) -> None:
    """Do one task and settle its lease; an ending worker gives back what it could not finish."""
    label = f"task {lease.task.get('id')} ({lease.task.get('kind')}, attempt {lease.task.get('attempts')})"
    try:
        finish = execute(me, lease, line)
        settle(lease, finish, line)
        say(f"worker: {label} " + ("done" if finish.error is None else f"failed: {finish.error[:300]}"))
    except Interrupted:
        say(f"worker: {label} given back")
        _release(lease, line)
    except Lost:
        say(f"worker: {label} dropped: its lease is over")


def execute(me: Me, lease: Lease, line: Line) -> Finish:
    """The finish of a task; Interrupted when asked to end and the grace is over, Lost when the lease is."""
    try:
        job = parse_job(lease.task, me.commands)
        if job.argv:
            return _run(me, job, lease, line)
    except Unfit as unfit:
        return Finish(error=str(unfit), retryable=False)
    except OSError as error:
        return Finish(error=f"cannot start: {error.strerror or error}")
    attend(me, min(job.pause_s, job.timeout_s), lambda: False, lease, line)
    if job.pause_s > job.timeout_s:
        return Finish(error=f"timed out after {job.timeout_s:g} s")
    return Finish({"worker": me.name, "pid": os.getpid(), "waited_s": job.pause_s})


def _run(me: Me, job: Job, lease: Lease, line: Line) -> Finish:
    task = {
        "AUTOSYS_TASK_ID": str(lease.task.get("id")),
        "AUTOSYS_TASK_ATTEMPT": str(lease.task.get("attempts")),
    }
    child = Child(job.argv, me.workspace / job.cwd, task, line.ending.nudge)
    try:
        ended = attend(me, job.timeout_s, lambda: child.exit_code() is not None, lease, line)
    finally:
        if child.exit_code() is None:
            child.end()
    result = child.result()
    if not ended:
        return Finish(
            error=f"timed out after {job.timeout_s:g} s and was ended; its last output: {_last(result)}"
        )
    if child.exit_code() != 0:
        return Finish(error=f"exit code {child.exit_code()}; its last output: {_last(result)}")
    return Finish(result)


def _last(result: Mapping[str, object]) -> str:
    return str(result["output"])[-1500:].strip() or "none"


def attend(me: Me, timeout_s: float, done: Callable[[], bool], lease: Lease, line: Line) -> bool:
    """Wait until `done()`, keeping heartbeat and lease fresh; False after `timeout_s`. Interrupted, Lost."""
    now = time.monotonic()
    deadline, pulse, grace = now + timeout_s, now + _pulse_s(me), None
    while not done():
        now = time.monotonic()
        if line.ending.asked:
            grace = now + me.grace_s if grace is None else grace
        if now >= deadline:
            return False
        if grace is not None and now >= grace:
            raise Interrupted
        beat()
        if now >= pulse:
            pulse = now + (_pulse_s(me) if _renew(lease, line, deadline - now) else 1.0)
        times = [deadline, pulse] if grace is None else [deadline, pulse, grace]
        line.ending.wait(min(5.0, max(0.0, min(times) - time.monotonic())))
    return True


def _pulse_s(me: Me) -> float:
    return min(PULSE_S, me.lease_s / 3)


def _renew(lease: Lease, line: Line, left_s: float) -> bool:
    """Tell the server that we are at it; False when it does not answer, Lost when the lease is over."""
    try:
        patience_s = max(0.1, min(PULSE_PATIENCE_S, left_s))
        status, _ = line.client.ask("POST", f"/v1/leases/{lease.token}/heartbeat", {}, patience_s=patience_s)
    except Unreachable as trouble:
        line.down(trouble)
        return False
    line.up()
    if status == 409:
        raise Lost
    return True


def settle(lease: Lease, finish: Finish, line: Line) -> None:
    """Tell the server how it ended, again and again until it has heard; Interrupted, Lost."""
    path, body = f"/v1/leases/{lease.token}/complete", {"result": finish.result}
    if finish.error is not None:
        path, body = f"/v1/leases/{lease.token}/fail", {"error": finish.error, "retryable": finish.retryable}
    while True:
        beat()
        try:
            status, _ = line.client.ask("POST", path, body, patience_s=SETTLE_PATIENCE_S)
            line.up()
            break
        except Unreachable as trouble:
            line.down(trouble)
            if line.ending.asked:
                raise Interrupted from trouble
            line.pause()
    if status != 200:
        raise Lost


def _release(lease: Lease, line: Line) -> None:
    try:
        line.client.ask("POST", f"/v1/leases/{lease.token}/release", {}, patience_s=PULSE_PATIENCE_S)
    except Unreachable as trouble:
        say(f"worker: the server did not hear it ({trouble}); its lease will expire")

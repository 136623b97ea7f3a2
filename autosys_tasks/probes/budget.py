"""Probes that cost money: all processes share one result, and together keep within the budget.

The record of calls is a JSON file beside a lock. A call is recorded before it is made, so that no crash escapes the
budget; other processes wait for its result.
"""

from __future__ import annotations

import json
import re
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autosys_tasks.core.clock import span
from autosys_tasks.core.files import cannot_write, make_folder, read_json, write_atomic
from autosys_tasks.core.probe import Probe
from autosys_tasks.core.verdict import UNKNOWN
from autosys_tasks.probes import ask
from autosys_tasks.probes.values import Answer, Subject

POLL_S = 0.02
PATIENCE_S = 2.0  # beyond the probe's own deadline, for the process that makes the call
CLOCK_SLACK_S = 60.0  # entries further ahead were written before the clock was set back

if TYPE_CHECKING:
    from autosys_tasks import host


class CallRecord(NamedTuple):
    """The calls of one probe (seconds since 1970), and the last answer."""

    question: int = 0  # tells a changed question from the one that was answered
    calls: tuple[float, ...] = ()
    at: float = 0.0  # when the question that `answer` belongs to was put
    answer: Answer | None = None


def ask_within_budget(
    probe: Probe, subject: Subject, store: Path, now: float, *, fresh: bool = False
) -> Answer:
    """The shared answer; a new one when it is due and the budget allows, or when the probe has no budget.

    `store`: the folder of the workspace's records; `fresh`: call before it is due, within the budget all the same.
    Raises StateError when the folder cannot be written: a call that cannot be recorded is not made.
    """
    if probe.budget is None:
        return ask(probe, subject)
    path = make_folder(store) / f"{_file_name(probe)}.json"
    deadline = time.monotonic() + probe.timeout_s + PATIENCE_S
    while True:
        record = read_record(path, probe, now)
        if not _pending(record) and not is_due(record, probe, now, fresh=fresh):
            return _shared(record, probe, now, fresh=fresh)
        lock = _lock(path)
        if lock is not None:
            break
        if time.monotonic() > deadline:
            return _shared(record, probe, now, fresh=fresh, doubt="somebody else has been asking for too long")
        time.sleep(POLL_S)
    try:
        return _ask_or_share(probe, subject, path, now, fresh=fresh)
    finally:
        lock.release()


def _lock(path: Path) -> host.Lock | None:
    from autosys_tasks import host  # here: it brings subprocess, and most questions have no budget

    try:
        return host.take_lock(f"{path}.lock", wait_s=0.0)
    except OSError as error:
        raise cannot_write(path, error) from error


def _ask_or_share(probe: Probe, subject: Subject, path: Path, now: float, *, fresh: bool) -> Answer:
    """Under the lock: read the record again, record the call, make it, keep its answer."""
    record = read_record(path, probe, now)
    if not is_due(record, probe, now, fresh=fresh):
        return _shared(record, probe, now, fresh=fresh)
    started = record._replace(question=_fingerprint(probe), calls=(*record.calls, now))
    _write(path, started)
    answer = ask(probe, subject)
    _write(path, started._replace(at=now, answer=answer))
    return answer


def is_due(record: CallRecord, probe: Probe, now: float, *, fresh: bool = False) -> bool:
    """Whether the question is to be put again, and may be."""
    calls, per_s = probe.budget or (1, 0.0)
    wanted = fresh or record.answer is None or now - record.at >= per_s / calls
    return wanted and next_call(record, probe, now) <= now


def next_call(record: CallRecord, probe: Probe, now: float) -> float:
    """When the next call is allowed: by the budget, and by a throttling server's Retry-After."""
    calls, per_s = probe.budget or (1, 0.0)
    recent = [at for at in record.calls if at + per_s > now]
    earliest = recent[-calls] + per_s if len(recent) >= calls else now
    if record.answer is not None and record.answer.status == 429:
        wait_s = record.answer.retry_after_s
        earliest = max(earliest, record.at + (per_s if wait_s is None else wait_s))
    return earliest


def _pending(record: CallRecord) -> bool:
    """Whether the newest call has no answer: it is being made, or its maker died."""
    return bool(record.calls) and (record.answer is None or record.at < record.calls[-1])


def _shared(record: CallRecord, probe: Probe, now: float, *, fresh: bool, doubt: str = "") -> Answer:
    calls, per_s = probe.budget or (1, 0.0)
    wait = span(max(0.0, next_call(record, probe, now) - now))
    throttled = record.answer is not None and record.answer.status == 429
    spent = doubt or ("throttled" if throttled else f"the budget of {calls} per {span(per_s)} is spent")
    if record.answer is None:
        return Answer(UNKNOWN, "not asked", doubt or f"{spent} and no result was kept, next call in {wait}")
    age = max(0.0, now - record.at)
    note = f"; {spent}, next call in {wait}" if fresh or doubt else ""
    return record.answer._replace(
        evidence=f"{record.answer.evidence} (cached {span(age)} ago{note})", cached_s=age
    )


def _fingerprint(probe: Probe) -> int:
    asked = (probe.kind, probe.target, probe.argv, probe.method, probe.body, sorted(probe.headers.items()))
    wanted = (probe.status, sorted(probe.json.items()), probe.text)
    return _crc(repr((asked, wanted)))


def _crc(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogateescape"))


def _file_name(probe: Probe) -> str:
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", probe.name)[:40]
    return plain if plain and plain == probe.name else f"{plain}-{_crc(probe.name):08x}"


def read_record(path: Path, probe: Probe, now: float) -> CallRecord:
    """The record in the file, without what a clock set back or a changed probe made meaningless."""
    per_s = probe.budget[1] if probe.budget else 0.0
    try:
        values = read_json(path)
        if not isinstance(values, dict):
            return CallRecord()
        calls = tuple(sorted(float(at) for at in values["calls"] if now - per_s < at < now + CLOCK_SLACK_S))
        record = CallRecord(int(values["question"]), calls, float(values["at"]))
        kept = values["answer"]
        answer = kept and Answer(**{key: value for key, value in kept.items() if key in Answer._fields})
    except (ValueError, TypeError, KeyError, AttributeError):
        return CallRecord()
    if answer is None or record.question != _fingerprint(probe) or record.at > now + CLOCK_SLACK_S:
        return record._replace(at=0.0)
    return record._replace(answer=answer)


def _write(path: Path, record: CallRecord) -> None:
    answer = None if record.answer is None else record.answer._asdict()
    write_atomic(path, json.dumps({**record._asdict(), "answer": answer}), mode=0o600)

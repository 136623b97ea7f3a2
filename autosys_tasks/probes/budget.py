"""Questions that cost money: all processes share one result and together keep within the budget.

The book of calls is a JSON file beside a lock. A call is entered before it is made, so that no crash
escapes the budget; whoever comes while it is made waits for its result.
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

LOOK_EVERY_S = 0.02
PATIENCE_S = 2.0  # beyond the question's own deadline, for whoever asks in our place
CLOCK_SLACK_S = 60.0  # entries further ahead were written before the clock was set back

if TYPE_CHECKING:
    from autosys_tasks import host


class Book(NamedTuple):
    """What is known of one question: when it was put (seconds since 1970), and the last answer."""

    question: int = 0  # tells a changed question from the one that was answered
    calls: tuple[float, ...] = ()
    at: float = 0.0  # when the question that `answer` belongs to was put
    answer: Answer | None = None


def ask_within_budget(
    probe: Probe, subject: Subject, store: Path, now: float, *, fresh: bool = False
) -> Answer:
    """The shared answer, asked anew when it is due and the budget allows; without a budget, simply asked.

    `store` is the folder that every process of the workspace keeps its books in; `fresh` asks before the
    shared answer is due, within the budget all the same. Raises StateError when the folder cannot be
    written: a call that cannot be entered is not made.
    """
    if probe.budget is None:
        return ask(probe, subject)
    path = make_folder(store) / f"{_file_name(probe)}.json"
    ends = time.monotonic() + probe.timeout_s + PATIENCE_S
    while True:
        book = read_book(path, probe, now)
        if not _pending(book) and not is_due(book, probe, now, fresh=fresh):
            return _shared(book, probe, now, fresh=fresh)
        lock = _lock(path)
        if lock is not None:
            break
        if time.monotonic() > ends:
            return _shared(book, probe, now, fresh=fresh, doubt="somebody else has been asking for too long")
        time.sleep(LOOK_EVERY_S)
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
    """Under the lock: look again, enter the call, make it, keep its answer."""
    book = read_book(path, probe, now)
    if not is_due(book, probe, now, fresh=fresh):
        return _shared(book, probe, now, fresh=fresh)
    entered = book._replace(question=_fingerprint(probe), calls=(*book.calls, now))
    _write(path, entered)
    answer = ask(probe, subject)
    _write(path, entered._replace(at=now, answer=answer))
    return answer


def is_due(book: Book, probe: Probe, now: float, *, fresh: bool = False) -> bool:
    """Whether the question is to be put again, and may be."""
    calls, per_s = probe.budget or (1, 0.0)
    wanted = fresh or book.answer is None or now - book.at >= per_s / calls
    return wanted and next_call(book, probe, now) <= now


def next_call(book: Book, probe: Probe, now: float) -> float:
    """From when on a call is allowed: by the budget, and by what a throttling server asked for."""
    calls, per_s = probe.budget or (1, 0.0)
    recent = [at for at in book.calls if at + per_s > now]
    earliest = recent[-calls] + per_s if len(recent) >= calls else now
    if book.answer is not None and book.answer.status == 429:
        wait_s = book.answer.retry_after_s
        earliest = max(earliest, book.at + (per_s if wait_s is None else wait_s))
    return earliest


def _pending(book: Book) -> bool:
    """Whether the newest call has no answer: it is being made, or its maker died."""
    return bool(book.calls) and (book.answer is None or book.at < book.calls[-1])


def _shared(book: Book, probe: Probe, now: float, *, fresh: bool, doubt: str = "") -> Answer:
    calls, per_s = probe.budget or (1, 0.0)
    wait = span(max(0.0, next_call(book, probe, now) - now))
    throttled = book.answer is not None and book.answer.status == 429
    spent = doubt or ("throttled" if throttled else f"the budget of {calls} per {span(per_s)} is spent")
    if book.answer is None:
        return Answer(UNKNOWN, "not asked", doubt or f"{spent} and no result was kept, next call in {wait}")
    age = max(0.0, now - book.at)
    note = f"; {spent}, next call in {wait}" if fresh or doubt else ""
    return book.answer._replace(
        evidence=f"{book.answer.evidence} (cached {span(age)} ago{note})", cached_s=age
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


def read_book(path: Path, probe: Probe, now: float) -> Book:
    """What the file says, less what a clock set back or a changed question made meaningless."""
    per_s = probe.budget[1] if probe.budget else 0.0
    try:
        values = read_json(path)
        if not isinstance(values, dict):
            return Book()
        calls = tuple(sorted(float(at) for at in values["calls"] if now - per_s < at < now + CLOCK_SLACK_S))
        book = Book(int(values["question"]), calls, float(values["at"]))
        kept = values["answer"]
        answer = kept and Answer(**{key: value for key, value in kept.items() if key in Answer._fields})
    except (ValueError, TypeError, KeyError, AttributeError):
        return Book()
    if answer is None or book.question != _fingerprint(probe) or book.at > now + CLOCK_SLACK_S:
        return book._replace(at=0.0)
    return book._replace(answer=answer)


def _write(path: Path, book: Book) -> None:
    answer = None if book.answer is None else book.answer._asdict()
    write_atomic(path, json.dumps({**book._asdict(), "answer": answer}), mode=0o600)

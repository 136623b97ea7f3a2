"""Journals: append-only files of JSON lines, one object and one write a line; a crash spoils at most the last line."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from autosys_tasks.core.clock import parse_utc, shift, utc_text
from autosys_tasks.core.errors import StateError
from autosys_tasks.core.faults import fault
from autosys_tasks.core.files import cannot_write, read_tail, retry_while_held, write_all
from autosys_tasks.core.garbage import gc_disabled
from autosys_tasks.core.plan import Outcome, summary

VERSION = 1
ROTATE_BYTES = 5_000_000
KEEP = 4
HEAD = b'{"v":1,"ts":"'  # how each line of ours begins
BATCH_LINES = 200  # lines that are parsed at once
FILES = {
    "watchdog": "watchdog_log.jsonl",
    "master": "master_orchestrator_log.jsonl",
    "upgrade": "auto_upgrade_log.jsonl",
    "backup": "backup_log.jsonl",
}


class Lock(Protocol):
    """A lock that one process can hold; the system releases it when the process dies."""

    def release(self) -> None:
        """Release it."""


class System(Protocol):
    """What a journal needs of the operating system: the room `host`."""

    def open_append(self, path: str) -> int:
        """A file descriptor that appends atomically."""

    def take_lock(self, path: str, *, wait_s: float) -> Lock | None:
        """The lock, or None when somebody holds it."""


class Journal:
    """One run of one task, written as it happens; `close` adds the summary whose counts equal its lines.

    Used in a `with`, a run that is interrupted or fails has a summary too.
    A journal that cannot be written stops no work: what is wrong is raised by `close`, when all is done.
    """

    def __init__(self, outputs: Path, task: str, system: System, *, file: str = "watchdog") -> None:
        self.path = outputs / FILES[file]
        self.system = system
        self.task = task
        self.run = os.urandom(6).hex()
        self.outcomes: list[Outcome] = []
        self.trouble: StateError | None = None
        self.closed = False

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None and not self.closed:
            said = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error) or type(error).__name__
            with contextlib.suppress(StateError):  # what went wrong first is what is raised
                self.close(ok=False, detail=said)

    def add(self, outcome: Outcome) -> None:
        """Record one outcome."""
        self.outcomes.append(outcome)
        step = outcome.step
        self.write(step.kind, step.target, step.reason, outcome.ok, outcome.detail, outcome.ms)

    def write(
        self, step: str, target: str, reason: str, ok: bool | None, detail: str, ms: int = 0, **more: object
    ) -> None:
        """Append one line; after the first failure nothing more is written."""
        if self.trouble:
            return
        line = {
            "v": VERSION, "ts": utc_text(), "run": self.run, "task": self.task, "step": step,
            "target": target, "reason": reason, "ok": ok, "detail": detail, "ms": ms, **more,
        }  # fmt: skip
        try:
            append(self.path, line, self.system)
        except StateError as error:
            self.trouble = error

    def close(self, *, ok: bool, detail: str, ms: int = 0, **more: object) -> None:
        """The run's last line; raises StateError, with how the run ended, when not every line could be written.

        `ok` may be false although every step is done (something is still not so).
        """
        self.closed = True
        counted = summary(self.outcomes)
        self.write("summary", "", "", ok and not counted["failed"], detail, ms, counts=counted, **more)
        if self.trouble:
            said = f"{self.trouble.message}; the run itself went on: {detail}"
            raise StateError(said, where=self.trouble.where, hint=self.trouble.hint) from self.trouble


def append(path: Path, line: dict[str, object], system: System) -> None:
    """Add one object as one line in one write; a torn last line of a crashed writer is closed first."""
    text = json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"
    try:
        fault("journal.before-append")
        fd = retry_while_held(lambda: system.open_append(str(path)))
        try:
            size = os.fstat(fd).st_size
            if size and _last_byte(path) != b"\n":
                text = "\n" + text
            write_all(fd, text.encode("utf-8", "backslashreplace"))
        finally:
            os.close(fd)
        if size > ROTATE_BYTES:
            rotate(path, system)
    except OSError as error:
        raise cannot_write(path, error) from error


def _last_byte(path: Path) -> bytes:
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)
    return b"\n"


def rotate(path: Path, system: System, keep: int = KEEP) -> None:
    """Rename a full journal to `.1`, older ones one up, and drop the oldest.

    One process at a time, and only while it is full. When another process does it or holds a file, a later writer
    tries again.
    """
    with contextlib.suppress(OSError):
        lock = system.take_lock(f"{path}.lock", wait_s=0.0)
        if lock is None:
            return
        try:
            if os.stat(path).st_size > ROTATE_BYTES:
                _shift(path, keep)
        finally:
            lock.release()


def _shift(path: Path, keep: int) -> None:
    free = next((number for number in range(1, keep) if not os.path.lexists(f"{path}.{number}")), keep)
    for number in range(free, 1, -1):
        os.replace(f"{path}.{number - 1}", f"{path}.{number}")
    retry_while_held(lambda: os.replace(path, f"{path}.1"), for_s=0.2)


def each_line(path: Path, *, start: float = 0.0) -> Iterator[dict[str, object] | None]:
    """Every line of a journal, older files first, None for a torn or foreign one; few of them are in memory at a time.

    Files and lines older than `start` (seconds since 1970) are skipped without parsing.
    """
    since = utc_text(start).encode("ascii")
    for part in [*(Path(f"{path}.{n}") for n in range(KEEP, 0, -1)), path]:
        recent = (raw for raw in _raw_lines(part, start) if not _is_before(raw, since))
        while chunk := list(islice(recent, BATCH_LINES)):
            yield from parsed(chunk)


def _is_before(raw: bytes, since: bytes) -> bool:
    """Whether a line in the form that we write is older; any other has to be parsed."""
    end = len(HEAD) + len(since)
    return raw.startswith(HEAD) and raw[end : end + 1] == b'"' and raw[len(HEAD) : end] < since


def parsed(raws: Sequence[bytes]) -> Iterator[dict[str, object] | None]:
    """The objects in these lines, parsed together (a quarter of the time), or one by one when one is torn."""
    found = _loaded(b"[" + b",".join(raws) + b"]")
    whole = isinstance(found, list) and len(found) == len(raws) and all(isinstance(line, dict) for line in found)
    for line in found if whole else map(_loaded, raws):
        yield line if isinstance(line, dict) and "v" in line and "ts" in line else None


def _loaded(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def read(path: Path, *, start: float = 0.0) -> tuple[list[dict[str, object]], int]:
    """The lines of a journal since `start`, older files first, and how many torn or foreign ones were passed over."""
    found = list(each_line(path, start=start))
    lines = [line for line in found if line is not None]
    return lines, len(found) - len(lines)


def _raw_lines(path: Path, start: float) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mtime + shift() < start:
                return
            for raw in file:
                if raw.strip(b"\r\n \xef\xbb\xbf"):
                    yield raw
    except FileNotFoundError:
        return
    except OSError as error:
        hint = f"make `{path.parent}` a folder that this user may read"
        raise StateError(f"cannot read `{path}`: {error.strerror}", where=str(path), hint=hint) from error


def last_run(path: Path, task: str) -> dict[str, object]:
    """The summary line of the last run of a task, its `ts` as seconds since 1970; {} when there is none."""
    for part, size in ((path, 1 << 16), (path, 1 << 24), (Path(f"{path}.1"), 1 << 24)):
        for raw in reversed(read_tail(part, size).splitlines()):
            if f'"{task}"' not in raw or '"summary"' not in raw:
                continue
            try:
                line = json.loads(raw)
                if line["task"] == task and line["step"] == "summary":
                    return {**line, "ts": parse_utc(line["ts"])}
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
    return {}


def since(lines: Iterable[dict[str, object]], start: float) -> list[dict[str, object]]:
    """Those lines written at or after `start` (seconds since 1970)."""

    def at(line: dict[str, object]) -> float:
        try:
            return parse_utc(str(line["ts"]))
        except ValueError:
            return 0.0

    return [line for line in lines if at(line) >= start]


def collect(workspace: str, *, start: float = 0.0) -> tuple[list[dict[str, object]], int]:
    """The lines of every journal of a workspace in the order of time, and how many were bad.

    `start`: leave out what is older.
    """
    lines: list[dict[str, object]] = []
    skipped = 0
    with gc_disabled():
        for name in FILES.values():
            found, bad = read(Path(workspace, "outputs", name), start=start)
            lines += found
            skipped += bad
    return sorted(since(lines, start), key=lambda line: str(line["ts"])), skipped


def line_text(line: dict[str, object]) -> str:
    """A journal line for a person."""
    ok = {"True": "ok", "False": "NG"}.get(str(line.get("ok")), "--")
    words = [line.get("step"), line.get("target"), line.get("detail"), line.get("reason")]
    return f"{line['ts']} {ok} {line.get('task')}: " + " - ".join(str(word) for word in words if word)

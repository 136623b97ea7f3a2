"""Which services run, by the supervisor's records, and whether a pid is still theirs. Writes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autosys_tasks import host
from autosys_tasks.core import slots

if TYPE_CHECKING:
    import psutil


class Record(NamedTuple):
    """What the supervisor wrote down of one service; pid is None when it does not run."""

    name: str
    pid: int | None
    instance: str
    token: str  # when the process started, in the host's own unit; "" when not recorded
    boot: str


class Found(NamedTuple):
    """The records in the state folder, and how many files could not be read as one."""

    records: tuple[Record, ...]
    skipped: int


def read_records(state: Path | None) -> Found:
    """All of `state`/services/NAME/record.jsonl; a missing file is no service, a broken one is counted."""
    records, skipped = [], 0
    for path in sorted((state / "services").glob("*/record.jsonl")) if state else []:
        try:
            record = parse_record(path.parent.name, slots.read(str(path)))
        except (OSError, ValueError):
            record, skipped = None, skipped + 1
        if record is not None:
            records.append(record)
    return Found(tuple(records), skipped)


def parse_record(name: str, raw: object) -> Record | None:
    """The record in a JSON document, None when the file vanished; ValueError when it is no record."""
    if raw is None:
        return None
    if not isinstance(raw, dict):
        raise ValueError("not an object")
    pid = raw.get("pid")
    if pid is not None and (isinstance(pid, bool) or not isinstance(pid, int) or pid <= 0):
        raise ValueError("pid is no process id")
    instance, token, boot = (str(raw.get(key) or "") for key in ("instance", "token", "boot"))
    return Record(name, pid, instance, token, boot)


def process_of(record: Record) -> psutil.Process | None:
    """The service's process, None when it has ended or its pid is somebody else's by now.

    psutil.Process remembers the start time: whoever keeps the object never mistakes a later process for it.
    """
    import psutil

    if record.pid is None:
        return None
    try:
        process = psutil.Process(record.pid)
        ended = process.status() == psutil.STATUS_ZOMBIE
        return None if ended or not _is_theirs(process, record) else process
    except psutil.Error:
        return None


def _is_theirs(process: psutil.Process, record: Record) -> bool:
    """By the start token, which no later process shares; else by the environment, as far as it shows."""
    if record.token:
        who = host.identity(process.pid)
        return who is not None and who.token == record.token and record.boot in ("", who.boot)
    return _names_instance(process, record.instance)


def _names_instance(process: psutil.Process, instance: str) -> bool:
    """Whether its environment names the instance; one that cannot be read speaks neither for nor against."""
    import psutil

    try:
        environment = process.environ()
    except (psutil.AccessDenied, OSError):
        return True
    return not environment or not instance or environment.get("AUTOSYS_INSTANCE") == instance

"""Looks at processes through /proc, and ends those that carry a run's mark; knows no supervisor."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

MARK = "AUTOSYS_BENCH"  # in the environment of whatever a run starts, so that the run can end all of it


class Usage(NamedTuple):
    """What some processes hold and have used together."""

    processes: int
    rss_bytes: int
    pss_bytes: int  # shared pages divided among those that share them
    cpu_ns: int
    wakeups: int


def marked(mark: str) -> list[int]:
    """Pids of the living processes whose environment carries `mark`."""
    wanted = f"{MARK}={mark}".encode()
    return [pid for pid in _pids() if wanted in _read(pid, "environ").split(b"\0") and alive(pid)]


def alive(pid: int) -> bool:
    """Whether `pid` runs; a zombie does not."""
    stat = _read(pid, "stat")
    return bool(stat) and stat.rpartition(b")")[2].split()[0] not in (b"Z", b"X")


def exists(pid: int) -> bool:
    """Whether there is a process `pid` at all, be it a zombie."""
    return Path(f"/proc/{pid}").exists()


def program(pid: int) -> str:
    """The file that `pid` executes, or "" when it is gone."""
    try:
        return str(Path(f"/proc/{pid}/exe").readlink())
    except OSError:
        return ""


def argv(pid: int) -> list[str]:
    """The command line of `pid`, or an empty list when it is gone."""
    return _read(pid, "cmdline").decode("utf-8", "replace").split("\0")[:-1]


def usage(pids: list[int]) -> Usage:
    """Memory, CPU time and voluntary context switches of `pids`, all threads counted."""
    threads = [task for pid in pids for task in _tasks(pid)]
    return Usage(
        processes=len(pids),
        rss_bytes=sum(_rollup(pid, "Rss:") for pid in pids),
        pss_bytes=sum(_rollup(pid, "Pss:") for pid in pids),
        cpu_ns=sum(int((_file(task / "schedstat").split() or [b"0"])[0]) for task in threads),
        wakeups=sum(_field(task / "status", "voluntary_ctxt_switches:") for task in threads),
    )


def end_marked(mark: str, *, within_s: float = 10) -> list[int]:
    """Kill every process that carries `mark`, again until none is left; returns those that would not go."""
    deadline = time.monotonic() + within_s
    while (left := marked(mark)) and time.monotonic() < deadline:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    return left


def _pids() -> list[int]:
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and int(entry.name) != os.getpid()
    ]


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def _rollup(pid: int, key: str) -> int:
    return _field(Path(f"/proc/{pid}/smaps_rollup"), key) * 1024


def _field(path: Path, key: str) -> int:
    for line in _file(path).decode("utf-8", "replace").splitlines():
        if line.startswith(key):
            return int(line.split()[1])
    return 0


def _read(pid: int, name: str) -> bytes:
    return _file(Path(f"/proc/{pid}/{name}"))


def _file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it ended while we looked, or is not ours to read
        return b""

"""Says that a program has started: on stdout, and as a line in the file that STARTS names, to be counted."""

from __future__ import annotations

import os
import sys
import time


def say_started() -> None:
    """`started PID` for the log; `PID SECONDS-SINCE-1970` for the counter."""
    print(f"started {os.getpid()}", flush=True)
    counter = os.environ.get("STARTS")
    if counter:
        note = os.open(counter, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(note, f"{os.getpid()} {time.time():.6f}\n".encode())


def sleep_on(seconds: float = float("inf")) -> None:
    """Sleep, for ever by default, through any signal that does not end the process."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, 3600))


def number(position: int, default: float) -> float:
    """The argument at `position` as a number."""
    return float(sys.argv[position]) if len(sys.argv) > position else default

"""Says that a program has started: on stdout, and as a file in the folder that STARTS names, to be counted."""

from __future__ import annotations

import os
import sys
import time


def say_started() -> None:
    """`started PID` for the log; a file `SECONDS-SINCE-1970 PID` for the counter."""
    print(f"started {os.getpid()}", flush=True)
    counter = os.environ.get("STARTS")
    if counter:
        os.makedirs(counter, exist_ok=True)
        with open(os.path.join(counter, f"{time.time():.6f} {os.getpid()}"), "x"):
            pass


def sleep_on(seconds: float = float("inf")) -> None:
    """Sleep, for ever by default, through any signal that does not end the process."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, 3600))


def number(position: int, default: float) -> float:
    """The argument at `position` as a number."""
    return float(sys.argv[position]) if len(sys.argv) > position else default

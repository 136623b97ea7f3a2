"""Runs one command and writes down what it alone took: seconds, seconds of all its CPUs, the most memory in MB.

python -IS bench/alone.py FILE COMMAND...

The most memory of a process begins with what the one had that started it; this one has 9 MB. Where there are several
processes, it is the most that they had together, each page counted once (Linux' Pss), ten times a second.
"""

import json
import os
import select
import sys
import time

EVERY_S = 0.1


def together(pid: int) -> int:
    """Kilobytes of a process and those that it has started; 0 where it has none, or has ended."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = file.read().split()
        return sum(map(pss, [str(pid), *children])) if children else 0
    except OSError:
        return 0


def pss(pid: str) -> int:
    """Kilobytes of one, its part of what it shares; 0 once it has ended."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            return sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    except OSError:
        return 0


began = time.monotonic()
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
ended, most = os.pidfd_open(child), 0
while not select.select([ended], [], [], EVERY_S)[0]:
    most = max(most, together(child))
took = time.monotonic() - began
_, status, used = os.wait4(child, 0)
with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump([took, used.ru_utime + used.ru_stime, max(most, used.ru_maxrss) / 1024], file)
sys.exit(os.waitstatus_to_exitcode(status) & 255)

"""Runs one command and writes down what it alone took: seconds, seconds of all its CPUs, the most memory in MB.

python -IS bench/alone.py FILE COMMAND...

The most memory of a process begins with what the one had that started it; this one has 9 MB.
"""

import json
import os
import sys
import time

began = time.monotonic()
_, status, used = os.wait4(os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ), 0)
took = time.monotonic() - began
with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump([took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024], file)
sys.exit(os.waitstatus_to_exitcode(status) & 255)

"""crashes.py [SECONDS [CODE]]: starts, and ends after SECONDS (default 0) with CODE (default 1)."""

import sys

from started import number, say_started, sleep_on

say_started()
sleep_on(number(1, 0))
print("this is the last line before the crash", file=sys.stderr, flush=True)
sys.exit(int(number(2, 1)))

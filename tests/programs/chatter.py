"""chatter.py [--until FILE] [--width BYTES]: numbered lines, one after the other, until FILE appears; then `last N`."""

import argparse
import itertools
import sys
import time
from pathlib import Path

from started import say_started, sleep_on

options = argparse.ArgumentParser()
options.add_argument("--until", type=Path)
options.add_argument("--width", type=int, default=80)
said = options.parse_args()

say_started()
for number in itertools.count(1):
    sys.stdout.write(f"line {number} ".ljust(said.width - 1, ".") + "\n")
    sys.stdout.flush()
    time.sleep(0.0001)
    if said.until and said.until.exists():
        break
print(f"last {number}", flush=True)
sleep_on()

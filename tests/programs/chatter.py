"""chatter.py [--lines N] [--every SECONDS] [--width BYTES]: numbered lines; by default fast, for ever."""

import argparse
import itertools
import sys
import time

from started import say_started, sleep_on

options = argparse.ArgumentParser()
options.add_argument("--lines", type=int)
options.add_argument("--every", type=float, default=0)
options.add_argument("--width", type=int, default=80)
said = options.parse_args()

say_started()
for number in itertools.count(1) if said.lines is None else range(1, said.lines + 1):
    sys.stdout.write(f"line {number} ".ljust(said.width - 1, ".") + "\n")
    if said.every:
        sys.stdout.flush()
        time.sleep(said.every)
sys.stdout.flush()
sleep_on()

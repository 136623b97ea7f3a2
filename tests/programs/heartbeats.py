"""heartbeats.py [--every SECONDS] [--until FILE]: touches AUTOSYS_HEARTBEAT until FILE appears; lives on."""

import argparse
import os
import time
from pathlib import Path

from started import say_started, sleep_on

options = argparse.ArgumentParser()
options.add_argument("--every", type=float, default=0.2)
options.add_argument("--until", type=Path)
said = options.parse_args()

say_started()
heart = Path(os.environ["AUTOSYS_HEARTBEAT"])
while not (said.until and said.until.exists()):
    heart.touch()
    time.sleep(said.every)
print("no more heartbeats", flush=True)
sleep_on()

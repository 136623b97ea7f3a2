"""stubborn.py [--child]: ignores SIGTERM and Ctrl-C; with --child it ends, and its child ignores."""

import signal
import subprocess
import sys

from started import say_started, sleep_on

if "--child" in sys.argv:
    child = subprocess.Popen([sys.executable, __file__])
    print(f"child {child.pid}", flush=True)
else:
    for ignored in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ignored, signal.SIG_IGN)
say_started()
sleep_on()

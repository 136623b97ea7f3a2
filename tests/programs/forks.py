"""forks.py [--leave]: a grandchild in a session of its own, and lives on (with --leave: ends with 0)."""

import subprocess
import sys
from pathlib import Path

from started import say_started, sleep_on

sleeps = str(Path(__file__).with_name("sleeps.py"))
if "--between" in sys.argv:
    grandchild = subprocess.Popen([sys.executable, sleeps], start_new_session=True)
    print(f"grandchild {grandchild.pid}", flush=True)
    sys.exit(0)
say_started()
subprocess.run([sys.executable, __file__, "--between"], check=True)
if "--leave" not in sys.argv:
    sleep_on()

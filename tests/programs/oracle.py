"""oracle.py NAME FOLDER: runs for ever, and notes when it finds that it is a second copy of NAME."""

import fcntl
import os
import sys
import time

name, folder = sys.argv[1:]
notes = os.open(f"{folder}/oracle", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
lock = os.open(f"{folder}/oracle-{name}", os.O_RDWR | os.O_CREAT, 0o600)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    os.write(notes, f"second-{name}\n".encode())
else:
    os.write(notes, f"start-{name}\n".encode())
while True:
    time.sleep(3600)

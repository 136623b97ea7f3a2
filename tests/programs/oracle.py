"""oracle.py NAME FOLDER: runs for ever, and notes when it finds that it is a second copy of NAME."""

import os
import sys
import time

name, folder = sys.argv[1:]
os.makedirs(folder + ".locks", exist_ok=True)
os.makedirs(folder, exist_ok=True)
lock = os.open(f"{folder}.locks/{name}", os.O_RDWR | os.O_CREAT, 0o600)
try:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(lock, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    word = "second"
else:
    word = "start"
os.close(os.open(f"{folder}/{word} {name} {os.getpid()} {time.time_ns()}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
while True:
    time.sleep(3600)

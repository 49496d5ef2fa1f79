"""Removes temporary data when the last process that could write there has ended: `janitor.py LOCK FOLDER…`.

Everything of a stack holds the lock of its folder, so waiting for the lock is waiting for all of them, even when the
process that started them was killed. Standalone, like the guard.
"""

import fcntl
import shutil
import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with Path(sys.argv[1]).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
    for folder in sys.argv[2:]:
        shutil.rmtree(folder, ignore_errors=True)

"""Runs one command and ends it when its supervisor is gone, however that ended.

`guard.py PIPE PIDS SIGNAL GRACE UID COMMAND…`: PIPE is the read end of a pipe whose other end only the supervisor
holds, so the kernel reports even a kill -9. Standalone and small: one such process stands beside every child.
"""

import contextlib
import ctypes
import os
import pwd
import select
import signal
import subprocess
import sys
import time
from types import FrameType

PR_SET_CHILD_SUBREAPER = 36


def _ignore(_signal: int, _frame: FrameType | None) -> None:
    """A handler, not SIG_IGN: that would be inherited by the command."""


def _adopt_orphans() -> None:
    """On Linux, become the parent of the group's orphans: not every container's first process reaps them."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _group_lives(child: "subprocess.Popen[bytes]") -> bool:
    if child.poll() is not None:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-child.pid, os.WNOHANG)[0]:
                pass
    try:
        os.killpg(child.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _end(child: "subprocess.Popen[bytes]", first: int, grace: float) -> None:
    """The whole group: politely, and after the grace for good."""
    deadline = time.monotonic() + grace
    for number in (first, signal.SIGKILL):
        if not _group_lives(child):
            break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        while _group_lives(child) and time.monotonic() < deadline:
            time.sleep(0.01)  # no call waits for a whole process group
    child.wait()


def _start(command: list[str], uid: int) -> "subprocess.Popen[bytes]":
    if uid == os.getuid():
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    group = pwd.getpwuid(uid).pw_gid
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, start_new_session=True, user=uid, group=group, extra_groups=[]
    )


def main() -> int:
    """Guard the command; the exit code is the command's, or 128 + the signal that ended it."""
    pipe, pids, stop_signal = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    grace, uid, command = float(sys.argv[4]), int(sys.argv[5]), sys.argv[6:]
    _adopt_orphans()
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _ignore)
    try:
        child = _start(command, uid)
    except OSError as error:
        print(f"{command[0]} cannot be started: {error}", file=sys.stderr)
        return 127
    os.write(pids, f"{child.pid}\n".encode())
    os.close(pids)
    while child.poll() is None:
        ready, _, _ = select.select([pipe, wake], [], [])
        if pipe in ready:
            break
        os.read(wake, 4096)
    _end(child, stop_signal if child.poll() is None else signal.SIGTERM, grace)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


if __name__ == "__main__":
    sys.exit(main())

"""One guarded process: what the supervisor starts, signals and waits for."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from localstack import guard

GRACE = 10.0


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, as whom and where; `stop_signal` is the polite one."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None
    uid: int | None = None
    stop_signal: signal.Signals = signal.SIGTERM


class Process:
    """A running command under its guard. Closing our end of the pipe is how it is stopped, and how it would be
    if we were killed: there is only one way, so it is always tested."""

    def __init__(self, command: Command, log: Path, held: int | None = None) -> None:
        """`held` is a descriptor (the data folder's lock) that stays open for as long as anything of this runs."""
        self._mutex = threading.Lock()
        read_end, self._pipe = os.pipe()
        pids, pids_in = os.pipe()
        descriptors = (read_end, pids_in, *(() if held is None else (held,)))
        uid = os.getuid() if command.uid is None else command.uid
        arguments = (str(read_end), str(pids_in), str(int(command.stop_signal)), str(GRACE), str(uid))
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with log.open("ab") as output:
                self._guard = subprocess.Popen(
                    (sys.executable, "-I", "-S", guard.__file__, *arguments, *command.arguments),
                    env={**os.environ, **command.environment},
                    cwd=command.directory,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=descriptors,
                    start_new_session=True,
                )
        except BaseException:
            os.close(self._pipe)
            os.close(pids)
            raise
        finally:
            os.close(read_end)
            os.close(pids_in)
        with os.fdopen(pids) as stream:
            line = stream.readline()
        self.pid = int(line) if line else None

    def signal(self, number: signal.Signals) -> None:
        """To the command itself, not to its guard."""
        if self.pid is not None and self._guard.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def stop(self) -> None:
        """Begin to end it; `wait` tells when it has."""
        with self._mutex:
            pipe, self._pipe = self._pipe, -1
        if pipe >= 0:
            os.close(pipe)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code. A guard that was itself killed can no longer end its group, so we do."""
        code = self._guard.wait(timeout)
        if code < 0 and self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        self.stop()
        return code

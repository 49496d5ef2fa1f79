"""One child of the supervisor: kept running until it is told to stop."""

import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from localstack.errors import StackError
from localstack.process import Command, Process

DEATHS, WITHIN = 5, 60.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0


@dataclass(frozen=True, slots=True)
class Spec:
    """A child as data. Children of a lower tier stop after those of a higher one."""

    name: str
    command: Command
    ready: Callable[[], bool]
    port: int | None = None
    tier: int = 0
    patience: float = 60.0


@dataclass(frozen=True, slots=True)
class House:
    """What all children share: where logs go, the lock they hold, who is told."""

    logs: Path
    lock: int | None
    say: Callable[[str], None]
    changed: Callable[[], None]


def last_words(sentence: str, log: Path, lines: int = 20) -> str:
    """The sentence, with the log's end below it."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return f"{sentence}; it left no log."
    end = text.splitlines()[-lines:]
    if any("No space left on device" in line for line in end):
        sentence = f"The disk is full: {sentence}"
    return "\n".join([f"{sentence}; its log ends:", *(f"    {line}" for line in end)])


class Child:
    """Starts, watches, restarts and stops one process. All methods may be called from any thread."""

    def __init__(self, spec: Spec, house: House) -> None:
        self.spec = spec
        self.log = house.logs / f"{spec.name}.log"
        self.failure: str | None = None
        self._house = house
        self._process: Process | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._was_ready = False
        self._expected = False
        self._deaths: deque[float] = deque(maxlen=DEATHS)

    @property
    def pid(self) -> int | None:
        """Of the command itself, while it runs."""
        process = self._process
        return process.pid if process else None

    def start(self) -> None:
        """Begin; `wait_ready` tells when it serves."""
        if self._thread is not None and self._thread.is_alive():
            if not self.failure:
                return
            self._thread.join()  # it has given up, and is about to end
        self.failure = None
        self._stopping.clear()
        self._deaths.clear()
        self._process = self._spawn()
        self._thread = threading.Thread(target=self._keep, args=(self._process,), name=self.spec.name, daemon=True)
        self._thread.start()

    def begin_stop(self) -> None:
        """Ask it to end, without waiting."""
        self._stopping.set()
        if process := self._process:
            process.stop()

    def stop(self) -> None:
        """End it; it stays down until `start`."""
        self.begin_stop()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._house.changed()

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Signal it on purpose: such a death is not counted. Waits for the death where the signal means one."""
        process = self._process
        if process is None:
            raise StackError(f"{self.spec.name} does not run.")
        if number not in {signal.SIGKILL, signal.SIGTERM, signal.SIGINT}:
            process.signal(number)
            return
        self._expected = True
        process.signal(number)
        while self._process is process:
            time.sleep(0.01)  # the thread that reaps it clears the field; two readers of one wait would race

    def wait_ready(self, timeout: float | None = None) -> None:
        """Until it serves; StackError when it died for good or took too long."""
        begun = time.monotonic()
        deadline = begun + (self.spec.patience if timeout is None else timeout)
        while True:
            if self.failure:
                raise StackError(self.failure)
            if self._stopping.is_set():
                raise StackError(f"{self.spec.name} was stopped.")
            if self._process is not None and self.spec.ready():
                if not self._was_ready:
                    self._house.say(f"  {self.spec.name}: ready after {time.monotonic() - begun:.1f} s")
                self._was_ready = True
                return
            if time.monotonic() > deadline:
                raise StackError(last_words(f"{self.spec.name} did not become ready in time", self.log))
            self._stopping.wait(0.05)

    def _spawn(self) -> Process:
        process = Process(self.spec.command, self.log, self._house.lock)
        self._process = process
        self._house.changed()
        return process

    def _keep(self, process: Process) -> None:
        while True:
            code = process.wait()
            self._process = None
            if self._stopping.is_set():
                return
            pause = self._pause(code)
            self._house.changed()
            if pause is None or self._stopping.wait(pause):
                return
            try:
                process = self._spawn()
            except OSError as error:
                self._give_up(f"{self.spec.name} cannot be started again: {error}.")
                return
            if self._stopping.is_set():
                process.stop()

    def _pause(self, code: int) -> float | None:
        """How long to wait before it is started again; None when that is pointless."""
        name, how = self.spec.name, f"by {signal.Signals(code - 128).name}" if code > 128 else f"with code {code}"
        if self._expected:
            self._expected = False
            return FIRST_PAUSE
        if not self._was_ready:
            self._give_up(last_words(f"{name} ended {how} before it was ready", self.log))
            return None
        now = time.monotonic()
        self._deaths.append(now)
        recent = sum(now - death < WITHIN for death in self._deaths)
        if recent >= DEATHS:
            self._give_up(last_words(f"{name} ended {DEATHS} times within a minute", self.log))
            return None
        pause = min(FIRST_PAUSE * 2 ** (recent - 1), LONGEST_PAUSE)
        self._house.say(f"{name} ended {how}; starting it again in {pause:g} s (log: {self.log})")
        return float(pause)

    def _give_up(self, sentence: str) -> None:
        self.failure = sentence
        self._house.changed()

"""All children together: started in parallel, stopped tier by tier."""

import contextlib
import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from localstack.child import Child, House, Spec, last_words
from localstack.errors import StackError
from localstack.process import Command, Process


def lock_of(folder: Path) -> int:
    """The folder's lock, also held by every guard: taken means that something of an earlier run still lives."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StackError(f"The stack of {folder} runs already (see `make status`).") from None
    return descriptor


class Supervisor:
    """The one parent of everything that runs. Use as a context manager: leaving it leaves nothing behind."""

    def __init__(self, folder: Path, say: Callable[[str], None] = print) -> None:
        self.folder = folder
        self.children: dict[str, Child] = {}
        self.say = say
        self.changed = threading.Event()
        self._steps: set[Process] = set()
        self._closing = False
        self._mutex = threading.Lock()
        self._house = House(folder / "logs", lock_of(folder), say, self._change)

    def __enter__(self) -> "Supervisor":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, spec: Spec) -> Child:
        """Begin one child; `wait_ready` on it tells when it serves."""
        with self._mutex:
            if self._closing:
                raise StackError("The stack is stopping.")
            child = self.children[spec.name] = Child(spec, self._house)
            child.start()
        return child

    def start_all(self, specs: Iterable[Spec]) -> None:
        """Begin all at once and wait until every one serves."""
        children = [self.start(spec) for spec in specs]
        self.together(child.wait_ready for child in children)

    def together(self, actions: Iterable[Callable[[], object]]) -> None:
        """Side by side, failing with the first failure."""
        pool = ThreadPoolExecutor(max_workers=16)
        try:
            for future in as_completed([pool.submit(action) for action in actions]):
                future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # the rest ends when its children are stopped

    def step(self, name: str, command: Command) -> None:
        """Run something that ends, guarded like a child; StackError with its last words when it fails."""
        log = self._house.logs / f"{name}.log"
        with self._mutex:
            if self._closing:
                raise StackError("The stack is stopping.")
            process = Process(command, log, self._house.lock)
            self._steps.add(process)
        begun = time.monotonic()
        code = process.wait()
        self._steps.discard(process)
        if self._closing:
            raise StackError("The stack is stopping.")
        if code:
            raise StackError(last_words(f"{name} failed with code {code}", log))
        self.say(f"  {name}: done after {time.monotonic() - begun:.1f} s")

    def failure(self) -> str | None:
        """The sentence of a child that was given up, if there is one."""
        return next((child.failure for child in self.children.values() if child.failure), None)

    def close(self) -> None:
        """Stop everything, the higher tiers first."""
        with self._mutex:
            self._closing = True
        for step in list(self._steps):
            step.stop()
        for tier in sorted({child.spec.tier for child in self.children.values()}, reverse=True):
            members = [child for child in self.children.values() if child.spec.tier == tier]
            for child in members:
                child.begin_stop()
            for child in members:
                child.stop()
        if self._house.lock is not None:
            (self.folder / "state.json").unlink(missing_ok=True)
            os.close(self._house.lock)

    def _change(self) -> None:
        """Keep the state file that `make status` reads."""
        rows = [
            {"name": name, "pid": child.pid, "port": child.spec.port, "log": str(child.log), "failure": child.failure}
            for name, child in list(self.children.items())
        ]
        draft = self.folder / f"state.{threading.get_ident()}.new"
        with contextlib.suppress(OSError):  # on a full disk the children matter more
            draft.write_text(json.dumps({"supervisor": os.getpid(), "children": rows}), encoding="utf-8")
            draft.replace(self.folder / "state.json")
        self.changed.set()

"""What tests do to running parts."""

import signal

from localstack.child import Child
from localstack.supervisor import Supervisor


class Controls:
    """By the names that `make status` shows. Everything here blocks until it is so: in async tests use a thread
    where the test's own clients must go on meanwhile."""

    def __init__(self, supervisor: Supervisor) -> None:
        self.supervisor = supervisor

    def child(self, name: str) -> Child:
        """One part."""
        return self.supervisor.children[name]

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """As a fault would; the supervisor starts it again."""
        self.child(name).kill(number)

    def stop(self, name: str) -> None:
        """It stays down until `start`."""
        self.child(name).stop()

    def pause(self, name: str) -> None:
        """It stands still, with all its connections open, until `resume`."""
        self.child(name).kill(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """After `pause`."""
        self.child(name).kill(signal.SIGCONT)

    def start(self, name: str) -> None:
        """After `stop`, until it is ready."""
        self.child(name).start()
        self.child(name).wait_ready()

    def wait_ready(self, name: str) -> None:
        """Until it serves (again)."""
        self.child(name).wait_ready()

    def log(self, name: str) -> str:
        """All that it has written."""
        return self.child(name).log.read_text(encoding="utf-8", errors="replace")

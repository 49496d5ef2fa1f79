"""Servers for one run of tests or benchmarks: on free ports, with data that is gone afterwards, even after kill -9."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from localstack import janitor
from localstack.paths import own_area
from localstack.ports import Ports
from localstack.stack import Servers
from localstack.supervisor import Supervisor


@contextmanager
def temporary_servers(*, durable: bool = False, say: Callable[[str], None] = lambda _: None) -> Iterator[Servers]:
    """PostgreSQL and Kafka, ready. `durable`: commits reach the disk, as in production."""
    folder = _folder()
    try:
        with Supervisor(folder, say=say) as supervisor:
            cleaner = removed_at_the_end(folder)
            servers = Servers(supervisor, Ports.free(), folder, durable=durable)
            servers.begin()
            yield servers
        cleaner.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _folder() -> Path:
    """One that PostgreSQL's user can pass through, where that is another user."""
    if os.getuid():
        return Path(tempfile.mkdtemp(prefix="acme-tickets-"))
    folder = own_area() / f"test-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o711)
    return folder


def removed_at_the_end(folder: Path) -> "subprocess.Popen[bytes]":
    """Leave the folder, whose lock is held, to a janitor."""
    arguments = (sys.executable, "-I", "-S", janitor.__file__, str(folder / "lock"), str(folder))
    quiet = subprocess.DEVNULL
    return subprocess.Popen(arguments, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)

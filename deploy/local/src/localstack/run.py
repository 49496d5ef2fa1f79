"""`make run`: the whole stack in the foreground, until Ctrl-C."""

import errno
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from localstack.environment import wanted
from localstack.errors import StackError
from localstack.paths import DATA, own_area, unprivileged
from localstack.ports import Ports, require_free
from localstack.stack import Servers, Stack
from localstack.supervisor import Supervisor

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SPACE_NEEDED = 500_000_000
WELCOME = """
Acme Tickets is ready after {seconds:.1f} s at {origin}

  the default tenant     admin@example.com   ADMIN
                         agent@example.com   AGENT
                         user@example.com    USER
  tenant demo-company    admin@demo.com      ADMIN
  password of all        SecurePass123!

  API documentation      {origin}/api-docs
  make status            what runs            make events   what happens
  make logs [S=name]     what they say        make mails    what was mailed
  Ctrl-C                 stops everything; the data stays until `make clean`
"""


class Interrupted(BaseException):
    """The person at the terminal has had enough; not an error."""


def run(*, split: bool) -> int:
    """Until a signal (0) or a failure (1). Nothing is left running in either case."""
    for number in SIGNALS:
        signal.signal(number, _interrupt)
    try:
        _keep_room()
        with Supervisor(DATA, say=_say) as supervisor:
            stack = _start(supervisor, split=split, begun=time.monotonic())
            while not (failure := supervisor.failure()):
                supervisor.changed.wait()
                supervisor.changed.clear()
            _say(f"Stopping everything, because {failure}")
            del stack
        return 1
    except Interrupted:
        return 0
    except StackError as error:
        print(f"\n{error}", file=sys.stderr)
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        print(f"\n{'The disk is full' if full else error.strerror}: {error.filename or DATA}.", file=sys.stderr)
    return 1


def _start(supervisor: Supervisor, *, split: bool, begun: float) -> Stack:
    for log in (DATA / "logs").glob("*.log"):
        log.replace(log.with_suffix(".old"))  # what is shown of a log is then of this run
    ports = Ports.fixed(os.environ)
    home = own_area() if unprivileged() else DATA
    servers = Servers(supervisor, ports, home, durable=True)
    for orphaned in set(home.glob("postgres-*")) - {home / f"postgres-{servers.secrets.installation}"}:
        shutil.rmtree(orphaned)  # its passwords went with an earlier .data
    for name in Ports.__slots__:
        if not (name == "postgres" and servers.external):
            require_free(name, getattr(ports, name))
    stack = Stack(servers, split=split, settings=wanted(os.environ))
    stack.begin()
    stack.serve()
    print(WELCOME.format(origin=stack.origin, seconds=time.monotonic() - begun), flush=True)
    return stack


def _keep_room() -> None:
    """A clear word now instead of a server that dies of it later."""
    DATA.mkdir(exist_ok=True)
    for folder in (DATA, Path("/var/tmp")):
        if shutil.disk_usage(folder).free < SPACE_NEEDED:
            raise StackError(f"The disk is full: {folder} needs {SPACE_NEEDED // 1_000_000} MB of free space.")


def _say(sentence: str) -> None:
    """One write, so that two threads do not share a line."""
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    for number in SIGNALS:
        signal.signal(number, _still_stopping)
    print("\nStopping, services before servers …", flush=True)
    raise Interrupted


def _still_stopping(_number: int, _frame: FrameType | None) -> None:
    print("Still stopping (10 s at most)", flush=True)

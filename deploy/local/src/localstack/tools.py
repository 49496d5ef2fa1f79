"""The small commands beside `run`: status, stop, clean, logs, mails."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from localstack.credentials import load
from localstack.environment import DATABASE, environment
from localstack.errors import StackError
from localstack.paths import DATA, area
from localstack.ports import Ports
from localstack.servers import smtp
from localstack.servers.postgres import Postgres
from localstack.supervisor import lock_of

STOPPED_WITHIN_S = 30.0


def status() -> int:
    """Name, pid, port, log of each child; also right when nothing runs."""
    if not _held(DATA):
        print("Nothing runs. Start it with `make run`.")
        return 0
    try:
        state = json.loads((DATA / "state.json").read_text(encoding="utf-8"))
        os.kill(state["supervisor"], 0)
    except (OSError, ValueError):
        print("The stack is starting or stopping.")
        return 0
    print(f"{'NAME':24}{'PID':>8}{'PORT':>8}  LOG")
    for row in state["children"]:
        pid, port = row["pid"] or "down", row["port"] or ""
        print(f"{row['name']:24}{pid:>8}{port:>8}  {row['log']}")
    return 0


def stop() -> int:
    """End what `make run` started, from elsewhere: as Ctrl-C does, and not before everything is gone."""
    try:
        supervisor = json.loads((DATA / "state.json").read_text(encoding="utf-8"))["supervisor"]
        os.kill(supervisor, signal.SIGINT)
    except (OSError, ValueError):
        print("Nothing runs.")
        return 0
    deadline = time.monotonic() + STOPPED_WITHIN_S
    while _held(DATA):
        if time.monotonic() > deadline:
            raise StackError(f"It has not ended within {STOPPED_WITHIN_S:.0f} s; `make status` tells what still runs.")
        time.sleep(0.1)  # a lock that another process holds tells nobody when it is free
    return 0


def clean() -> int:
    """Remove the data and what lies outside of the clone; refused while anything uses it."""
    for folder in (DATA, *area().glob("test-*")):
        if _held(folder):
            raise StackError("Something runs on this data: stop `make run` and the tests first.")
    for folder in (DATA, area()):
        shutil.rmtree(folder, ignore_errors=True)
    print("Removed the data of the local stack.")
    return 0


def logs(name: str | None) -> int:
    """Follow one log, or all."""
    files = sorted((DATA / "logs").glob(f"{name or '*'}.log"))
    if not files:
        raise StackError(f"There is no log of {name}." if name else "There are no logs yet.")
    return subprocess.call(("tail", "-n", "50", "-F", *map(str, files)))


def mails() -> int:
    """Every mail that was sent, as text."""
    messages = smtp.mails(DATA / "mails")
    if not messages:
        print("No mail was sent: no service sends any yet.")
    for message in messages:
        body = message.get_body(("plain", "html"))
        print(f"{'-' * 80}\nTo: {message['To']}\nSubject: {message['Subject']}\n\n{body.get_content() if body else ''}")
    return 0


def within(words: list[str]) -> int:
    """Run a module with what the services of the local stack are told; what is set here already is taken instead."""
    secrets, ports = load(DATA), Ports.fixed(os.environ)
    own = Postgres(DATA, ports.postgres, secrets.superuser_password).dsn.rsplit("/", 1)[0]
    told = environment(ports, os.environ.get("EXTERNAL_DATABASE_URL") or f"{own}/{DATABASE}", secrets, DATA)
    return subprocess.call([sys.executable, "-m", *words], env={**told, **os.environ})


def _held(folder: Path) -> bool:
    if not (folder / "lock").exists():
        return False
    try:
        os.close(lock_of(folder))
    except StackError:
        return True
    return False


TOOLS = {"status": status, "stop": stop, "clean": clean, "mails": mails}

"""Ports: fixed ones for people, free ones for tests, and who holds one that is taken."""

import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

from localstack.errors import StackError

HOST = "127.0.0.1"
BELOW_EPHEMERAL = range(15_000, 32_000)  # no outgoing connection takes one of these between our look and our use


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everything listens. The environment variable of each is its name in capitals with `_PORT`."""

    postgres: int = 5433
    kafka: int = 9092
    kafka_controller: int = 9093
    s3: int = 9000
    smtp: int = 1025
    gateway: int = 8080
    command_api: int = 8081
    query_api: int = 8082
    projector: int = 8083
    webhook_dispatcher: int = 8084
    notifier: int = 8085

    @classmethod
    def fixed(cls, environment: Mapping[str, str]) -> Self:
        """The usual ones, each overridable."""
        return cls(**{f.name: int(environment.get(f"{f.name.upper()}_PORT", str(f.default))) for f in fields(cls)})

    @classmethod
    def free(cls) -> Self:
        """One that is free now for each."""
        names = [f.name for f in fields(cls)]
        chosen: list[int] = []
        for port in random.sample(BELOW_EPHEMERAL, len(BELOW_EPHEMERAL)):
            if _free(port):
                chosen.append(port)
            if len(chosen) == len(names):
                return cls(**dict(zip(names, chosen, strict=True)))
        raise StackError("No free ports are left between 15000 and 32000.")


def listening(port: int) -> bool:
    """Whether somebody answers there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def require_free(name: str, port: int) -> None:
    """A sentence that names the port and, where it can be known, who has it."""
    if _free(port):
        return
    owner = _owner(port)
    who = f" by {owner}" if owner else ""
    variable = f"{name.upper()}_PORT"
    raise StackError(f"Port {port} (for {name}) is in use{who}: stop that, or set {variable} to another port.")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError as error:
            raise StackError(f"Port {port} needs more rights than you have: choose one above 1023.") from error
        except OSError:
            return False
        return True


def _owner(port: int) -> str | None:
    """Who listens there, by /proc where there is one."""
    inodes = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if table.exists():
            rows = [line.split() for line in table.read_text(encoding="ascii").splitlines()[1:]]
            inodes |= {f"socket:[{r[9]}]" for r in rows if r[3] == "0A" and int(r[1].rsplit(":", 1)[1], 16) == port}
    for process in Path("/proc").glob("[0-9]*") if inodes else ():
        try:
            if any(str(link.readlink()) in inodes for link in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text(encoding='utf-8').strip()} (process {process.name})"
        except OSError:
            continue
    return None

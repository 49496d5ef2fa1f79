"""The servers, and the whole stack on top of them: for `make run` and for the tests."""

import os
import signal
import sys
import uuid
from collections.abc import Mapping
from email.message import EmailMessage
from functools import partial
from pathlib import Path

import httpx

from localstack.child import Child, Spec
from localstack.credentials import Credentials, load
from localstack.environment import BUCKET, DATABASE, dsn_of, environment
from localstack.paths import CADDYFILE
from localstack.ports import HOST, Ports
from localstack.process import Command
from localstack.servers import gateway, kafka, smtp
from localstack.servers.postgres import Postgres
from localstack.servers.s3 import S3
from localstack.services import SERVICES, processes
from localstack.supervisor import Supervisor


class Servers:
    """PostgreSQL and Kafka, and what every test of the engine needs to know about them."""

    def __init__(self, supervisor: Supervisor, ports: Ports, postgres_folder: Path, *, durable: bool) -> None:
        self.supervisor, self.ports, self.say = supervisor, ports, supervisor.say
        self.folder = supervisor.folder
        self.secrets: Credentials = load(self.folder)
        self.external = os.environ.get("EXTERNAL_DATABASE_URL") if durable else None
        folder = postgres_folder / f"postgres-{self.secrets.installation}"
        self._postgres = Postgres(folder, ports.postgres, self.secrets.superuser_password, durable)

    @property
    def kafka_bootstrap(self) -> str:
        """As clients want it."""
        return f"{HOST}:{self.ports.kafka}"

    def start(self) -> None:
        """Both side by side, until both serve."""
        self.supervisor.together([self.start_kafka, self.start_postgres])

    def start_kafka(self) -> None:
        """Until it serves."""
        self._start(kafka.prepare(self.supervisor, self.folder / "kafka", self.ports, self.say))

    def start_postgres(self) -> None:
        """Until it serves; nothing when somebody else runs it."""
        if self.external is None:
            self._start(self._postgres.prepare(self.supervisor))

    def new_database(self, name: str | None = None) -> str:
        """The superuser's DSN of a fresh database (of `name`, if that is missing)."""
        return self._postgres.create_database(name or f"test_{uuid.uuid4().hex[:12]}")

    def child(self, name: str) -> Child:
        """A running part, by its name in `make status`."""
        return self.supervisor.children[name]

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """As a fault would; the supervisor starts it again."""
        self.child(name).kill(number)

    def stop(self, name: str) -> None:
        """It stays down until `start_again`."""
        self.child(name).stop()

    def start_again(self, name: str) -> None:
        """After `stop`, until it is ready."""
        self.child(name).start()
        self.child(name).wait_ready()

    def wait_ready(self, name: str) -> None:
        """Until it serves (again)."""
        self.child(name).wait_ready()

    def log(self, name: str) -> str:
        """All that it has written."""
        return self.child(name).log.read_text(encoding="utf-8", errors="replace")

    def _start(self, spec: Spec) -> None:
        self.supervisor.start(spec).wait_ready()


class Stack:
    """Everything, on servers that may be shared."""

    def __init__(self, servers: Servers, *, split: bool = False) -> None:
        self.servers, self.split = servers, split
        self.admin_dsn = servers.external or ""
        self.environment: Mapping[str, str] = {}
        self._s3 = S3(
            servers.folder / "s3", servers.ports.s3, servers.secrets.s3_access_key, servers.secrets.s3_secret_key
        )

    @property
    def origin(self) -> str:
        """What a browser is given."""
        return f"http://{HOST}:{self.servers.ports.gateway}"

    @property
    def kafka_bootstrap(self) -> str:
        """As clients want it."""
        return self.servers.kafka_bootstrap

    def service_url(self, name: str) -> str:
        """One service without the gateway."""
        return f"http://{HOST}:{getattr(self.servers.ports, name.replace('-', '_'))}"

    def dsn(self, user: str) -> str:
        """The database of the services, by one of their roles."""
        return dsn_of(user, self.admin_dsn, self.servers.secrets)

    def mails(self) -> list[EmailMessage]:
        """What the sink was given."""
        return smtp.mails(self.servers.folder / "mails")

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """As a fault would; the supervisor starts it again."""
        self.servers.kill(name, number)

    def stop(self, name: str) -> None:
        """It stays down until `start`."""
        self.servers.stop(name)

    def start(self, name: str) -> None:
        """After `stop`, until it is ready."""
        self.servers.start_again(name)

    def wait_ready(self, name: str) -> None:
        """Until it serves (again)."""
        self.servers.wait_ready(name)

    def log(self, name: str) -> str:
        """All that it has written."""
        return self.servers.log(name)

    def begin(self) -> None:
        """The servers side by side; the database is migrated as soon as its server and Kafka are there."""
        self.servers.supervisor.together([self._migrated, self._storage, self._mail])

    def serve(self) -> None:
        """The services and the gateway, until a probe event has reached the views."""
        supervisor, ports = self.servers.supervisor, self.servers.ports
        specs = [self._service(name, service.module, part) for name, service, part in processes(self.split)]
        if CADDYFILE.exists():
            specs.append(gateway.prepare(self.servers.folder / "caddy", ports, self.environment))
        else:
            self.servers.say("There is no Caddyfile: going on without the gateway")
        supervisor.start_all(specs)
        self._step("probe", "command_api", "probe")

    def _migrated(self) -> None:
        servers = self.servers
        if "kafka" not in servers.supervisor.children:
            servers.start()
        self.admin_dsn = servers.external or servers.new_database(DATABASE)
        self.environment = environment(servers.ports, self.admin_dsn, servers.secrets, servers.folder)
        self._step("migrate", "localstack.migrate")
        self._step("seed", "command_api", "seed")

    def _storage(self) -> None:
        self.servers.supervisor.start(self._s3.prepare(self.servers.say)).wait_ready()
        self._s3.create_bucket(BUCKET)

    def _mail(self) -> None:
        spec = smtp.prepare(self.servers.folder / "mails", self.servers.ports.smtp)
        self.servers.supervisor.start(spec).wait_ready()

    def _step(self, name: str, *module: str) -> None:
        self.servers.supervisor.step(name, Command((sys.executable, "-m", *module), self.environment))

    def _service(self, name: str, module: str, part: str) -> Spec:
        """Only a part that serves has a port to ask; the others are ready when they run."""
        command = Command((sys.executable, "-m", module, part), self.environment)
        if part not in {"all", "serve", "run"}:
            return Spec(name, command, lambda: True, tier=1)
        url = f"{self.service_url(module)}/health/ready"
        return Spec(name, command, partial(_healthy, url), getattr(self.servers.ports, module), tier=1)


def _healthy(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


__all__ = ["SERVICES", "Servers", "Stack"]

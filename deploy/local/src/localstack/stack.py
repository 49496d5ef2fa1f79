"""The servers, and the whole stack on top of them: for `make run` and for the tests."""

import os
import sys
import uuid
from collections.abc import Mapping
from email.message import EmailMessage
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import MappingProxyType

from localstack.child import Spec
from localstack.controls import Controls
from localstack.credentials import Credentials, load
from localstack.environment import BUCKET, DATABASE, dsn_of, environment
from localstack.paths import CADDYFILE
from localstack.ports import HOST, Ports
from localstack.process import Command
from localstack.servers import gateway, kafka, smtp
from localstack.servers.postgres import Postgres
from localstack.servers.s3 import S3
from localstack.services import processes
from localstack.supervisor import Supervisor


class Servers(Controls):
    """PostgreSQL and Kafka, and what every test of the engine needs to know about them."""

    def __init__(self, supervisor: Supervisor, ports: Ports, postgres_folder: Path, *, durable: bool) -> None:
        super().__init__(supervisor)
        self.ports, self.say = ports, supervisor.say
        self.folder = supervisor.folder
        self.secrets: Credentials = load(self.folder)
        self.external = os.environ.get("EXTERNAL_DATABASE_URL") if durable else None
        folder = postgres_folder / f"postgres-{self.secrets.installation}"
        self._postgres = Postgres(folder, ports.postgres, self.secrets.superuser_password, durable)

    @property
    def kafka_bootstrap(self) -> str:
        """As clients want it."""
        return f"{HOST}:{self.ports.kafka}"

    def begin(self) -> None:
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

    def dsn(self, user: str, admin_dsn: str) -> str:
        """A database by one of the services' roles. Roles are the server's, so their passwords are always these."""
        return dsn_of(user, admin_dsn, self.secrets)

    def environment(self, admin_dsn: str) -> Mapping[str, str]:
        """What the services are told when that is their database."""
        return environment(self.ports, admin_dsn, self.secrets, self.folder)

    def _start(self, spec: Spec) -> None:
        self.supervisor.start(spec).wait_ready()


class Stack(Controls):
    """Everything, on servers that may be shared."""

    def __init__(
        self, servers: Servers, *, split: bool = False, settings: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """`settings` are variables of the services that are to differ from what `environment` says."""
        super().__init__(servers.supervisor)
        self.servers, self.split = servers, split
        self.admin_dsn = servers.external or ""
        self.environment: Mapping[str, str] = {}
        self._settings = settings
        self._parts = {name: (service.module, part) for name, service, part in processes(split)}
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
        return self.servers.dsn(user, self.admin_dsn)

    def mails(self) -> list[EmailMessage]:
        """What the sink was given."""
        return smtp.mails(self.servers.folder / "mails")

    def begin(self) -> None:
        """The servers side by side; the database is migrated as soon as its server and Kafka are there."""
        self.supervisor.together([self._migrated, self._storage, self._mail])

    def serve(self) -> None:
        """The services and the gateway, until a probe event has reached the views."""
        supervisor, ports = self.supervisor, self.servers.ports
        specs = [self._service(name, name) for name in self._parts]
        if CADDYFILE.exists():
            specs.append(gateway.prepare(self.servers.folder / "caddy", ports, self.environment))
        else:
            self.servers.say("There is no Caddyfile: going on without the gateway")
        children = [supervisor.start(spec) for spec in specs]
        supervisor.together([self._seeded, *(child.wait_ready for child in children)])
        self._step("probe", "command_api", "probe")

    def again(self, name: str, settings: Mapping[str, str] = MappingProxyType({})) -> None:
        """Stop a service politely and start it with other settings, until it is ready."""
        child = self.child(name)
        child.stop()
        child.spec = self._service(name, name, settings)
        self.start(name)

    def another(self, part: str, name: str, settings: Mapping[str, str] = MappingProxyType({})) -> None:
        """One more process of a part, under a name of its own, until it is ready; `stop` ends it."""
        self.supervisor.start(self._service(name, part, settings)).wait_ready()

    def _migrated(self) -> None:
        servers = self.servers
        if "kafka" not in self.supervisor.children:
            servers.begin()
        self.admin_dsn = servers.external or servers.new_database(DATABASE)
        self.environment = {**servers.environment(self.admin_dsn), **self._settings}
        self._step("migrate", "localstack.migrate")

    def _seeded(self) -> None:
        self._step("seed", "command_api", "seed")

    def _storage(self) -> None:
        self.supervisor.start(self._s3.prepare(self.servers.say)).wait_ready()
        self._s3.create_bucket(BUCKET)

    def _mail(self) -> None:
        spec = smtp.prepare(self.servers.folder / "mails", self.servers.ports.smtp)
        self.supervisor.start(spec).wait_ready()

    def _step(self, name: str, *module: str) -> None:
        self.supervisor.step(name, Command((sys.executable, "-m", *module), self.environment))

    def _service(self, name: str, part_name: str, settings: Mapping[str, str] = MappingProxyType({})) -> Spec:
        """Only a part that serves has a port to ask; the others are ready when they run."""
        module, part = self._parts[part_name]
        command = Command((sys.executable, "-m", module, part), {**self.environment, **settings})
        if part not in {"all", "serve", "run"}:
            return Spec(name, command, lambda: True, tier=1)
        port = int(settings.get(f"{module.upper()}_PORT", getattr(self.servers.ports, module)))
        return Spec(name, command, partial(_healthy, port), port, tier=1)


def _healthy(port: int) -> bool:
    connection = HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()

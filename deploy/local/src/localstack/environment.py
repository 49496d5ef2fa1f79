"""What the services are told: every variable, in one function."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from localstack.credentials import JWKS, SIGNING_KEY, Credentials
from localstack.ports import HOST, Ports
from localstack.servers.s3 import REGION

BUCKET = "attachments"
DATABASE = "helpdesk"
RATES = ("AUTHENTICATION", "FAILED_LOGINS", "READS", "WRITES", "SEARCH", "EXPORTS")
GENEROUS = "1000000 per minute"
"""On one's own machine a script of thousands of calls runs (contract §12)."""
CHANGEABLE = (
    *(f"RATE_LIMIT_{name}" for name in RATES),
    *("LOG_FORMAT", "LOG_LEVEL", "CORS_ORIGIN", "GATEWAY_MAX_UPLOAD"),
    *("WEBHOOK_ALLOWED_NETWORKS", "WEBHOOK_ALLOW_HTTP"),
)
"""What `environment` only suggests: whoever starts the stack may say otherwise. The rest must fit together."""


def dsn_of(user: str, admin_dsn: str, secrets: Credentials) -> str:
    """The same database, by another role with its own password."""
    parts = urlsplit(admin_dsn)
    address = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}:{secrets.password(user)}@{address}"))


def wanted(theirs: Mapping[str, str]) -> Mapping[str, str]:
    """What the variables of whoever starts the stack say otherwise than `environment`."""
    return {name: theirs[name] for name in CHANGEABLE if name in theirs}


def environment(ports: Ports, admin_dsn: str, secrets: Credentials, folder: Path) -> Mapping[str, str]:
    """For all processes alike: each reads only its own."""

    def dsn(user: str) -> str:
        return dsn_of(user, admin_dsn, secrets)

    def at(port: int) -> str:
        return f"{HOST}:{port}"

    origin = f"http://{at(ports.gateway)}"
    return {
        "KAFKA_BOOTSTRAP_SERVERS": at(ports.kafka),
        "TOPIC_PREFIX": "helpdesk",
        "TOPIC_PARTITIONS": "6",
        "JWT_JWKS_FILE": str(folder / JWKS),
        "JWT_ISSUER": origin,
        "JWT_AUDIENCE": "helpdesk",
        "LOG_FORMAT": "text",
        "LOG_LEVEL": "info",
        "PUBLIC_ORIGIN": origin,
        "SERVICE_TRUSTED_PROXIES": "127.0.0.0/8",
        **{f"RATE_LIMIT_{name}": GENEROUS for name in RATES},
        "MIGRATE_DATABASE_URL": admin_dsn,
        "COMMAND_API_PORT": str(ports.command_api),
        "COMMAND_API_DATABASE_URL": dsn("command_api"),
        "COMMAND_API_RELAY_DATABASE_URL": dsn("command_relay"),
        "COMMAND_API_WORKER_DATABASE_URL": dsn("command_worker"),
        "COMMAND_API_VIEWS_DATABASE_URL": dsn("views_progress"),
        "COMMAND_API_NOTICES_DATABASE_URL": dsn("notices_progress"),
        "COMMAND_API_WEBHOOKS_DATABASE_URL": dsn("webhooks_progress"),
        "JWT_SIGNING_KEY_FILE": str(folder / SIGNING_KEY),
        "QUERY_API_PORT": str(ports.query_api),
        "QUERY_API_DATABASE_URL": dsn("query_api"),
        "QUERY_API_OPERATOR_DATABASE_URL": dsn("query_operator"),
        "QUERY_API_WEBHOOKS_DATABASE_URL": dsn("webhooks_counts"),
        "CURSOR_SECRET": secrets.cursor_secret,
        "PROJECTOR_PORT": str(ports.projector),
        "PROJECTOR_DATABASE_URL": dsn("projector"),
        "PROJECTOR_EVENTS_DATABASE_URL": dsn("projector_events"),
        "WEBHOOK_DISPATCHER_PORT": str(ports.webhook_dispatcher),
        "WEBHOOK_DISPATCHER_DATABASE_URL": dsn("webhook_dispatcher"),
        "WEBHOOK_DISPATCHER_WORKER_DATABASE_URL": dsn("webhook_worker"),
        "WEBHOOK_DISPATCHER_EVENTS_DATABASE_URL": dsn("webhook_events"),
        "WEBHOOK_SECRETS_KEY": secrets.webhook_secrets_key,
        "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
        "WEBHOOK_ALLOW_HTTP": "true",
        "NOTIFIER_PORT": str(ports.notifier),
        "NOTIFIER_DATABASE_URL": dsn("notifier"),
        "NOTIFIER_WORKER_DATABASE_URL": dsn("notices_worker"),
        "NOTIFIER_EVENTS_DATABASE_URL": dsn("notices_events"),
        "SMTP_HOST": HOST,
        "SMTP_PORT": str(ports.smtp),
        "S3_ENDPOINT": f"http://{at(ports.s3)}",
        "S3_REGION": REGION,
        "S3_ACCESS_KEY": secrets.s3_access_key,
        "S3_SECRET_KEY": secrets.s3_secret_key,
        "GATEWAY_PORT": str(ports.gateway),
        "COMMAND_API_UPSTREAM": at(ports.command_api),
        "QUERY_API_UPSTREAM": at(ports.query_api),
        "WEBHOOK_DISPATCHER_UPSTREAM": at(ports.webhook_dispatcher),
        "NOTIFIER_UPSTREAM": at(ports.notifier),
        "S3_UPSTREAM": at(ports.s3),
        "S3_BUCKET": BUCKET,
        "CORS_ORIGIN": "*",
        "GATEWAY_MAX_UPLOAD": "25MiB",
    }

"""Settings: environment → frozen objects. A mistake ends the start with the variable's name.

A service's own settings derive from the classes below; every field becomes a line of `deploy/.env.example`.
"""

import sys
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Final, Literal, NoReturn, TypeAlias, TypeVar

import limits
import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    FilePath,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _dsn(value: str) -> str:
    try:
        parts = conninfo_to_dict(value)
    except psycopg.ProgrammingError:
        raise ValueError("is no PostgreSQL DSN") from None  # psycopg's own words would repeat the password
    if not parts.get("dbname") or not parts.get("user"):
        raise ValueError("must name a user and a database")
    return value


Dsn: TypeAlias = Annotated[str, AfterValidator(_dsn)]
"""A PostgreSQL connection string, checked in form when a process starts."""


LEAST_SECRET_BYTES: Final = 32


class Settings(BaseSettings):
    """The base of all settings: read from the environment alone, never changed afterwards."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, case_sensitive=False)


class LogSettings(Settings):
    """How a process tells what it does."""

    log_format: Literal["text", "json"] = Field("text", description="Log lines for people (text) or machines (json).")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least level that is logged."
    )
    clock_offset_seconds: float = Field(0, description="For fault tests: by how much this process's clock is wrong.")


class KafkaSettings(Settings):
    """Where the bus is."""

    kafka_bootstrap_servers: str = Field(
        pattern=r"^[^\s,:]+:\d{1,5}(,[^\s,:]+:\d{1,5})*$",
        description="Kafka's addresses, host:port separated by commas.",
    )
    topic_prefix: str = Field("helpdesk", pattern=r"^[a-z0-9][a-z0-9.-]*$", description="What every topic begins with.")
    topic_partitions: int = Field(
        48,
        ge=1,
        le=1024,
        description="Partitions of the event topic; fixed when it is created, for growing breaks order.",
    )
    topic_replication: int = Field(1, ge=1, le=7, description="Copies of each partition (3 in production).")

    @property
    def events_topic(self) -> str:
        """The command API's events."""
        return f"{self.topic_prefix}.events"


class TokenSettings(Settings):
    """How access tokens are verified."""

    jwt_algorithm: Literal["EdDSA", "HS256"] = Field(
        "EdDSA", description="How tokens are signed: with a key pair (EdDSA), or with one shared secret (HS256)."
    )
    jwt_secret: SecretStr | None = Field(
        None, validate_default=True, description="For HS256: the secret that signs and checks, 32 bytes or more."
    )
    jwt_jwks_file: FilePath | None = Field(
        None,
        validate_default=True,
        description="For EdDSA: path of the JSON Web Key Set with the public keys that tokens are checked by.",
    )
    jwt_issuer: str = Field("acme-tickets", description="The `iss` of our tokens.")
    jwt_audience: str = Field("acme-tickets", description="The `aud` of our tokens.")

    @field_validator("jwt_secret")
    @classmethod
    def _is_a_secret(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if info.data.get("jwt_algorithm") == "HS256":
            if value is None:
                raise ValueError("is missing")
            if len(value.get_secret_value().encode()) < LEAST_SECRET_BYTES:
                raise ValueError(f"must have at least {LEAST_SECRET_BYTES} bytes")
        return value

    @field_validator("jwt_jwks_file")
    @classmethod
    def _has_keys(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        return demand_key_file(value, info)


def demand_key_file(value: Path | None, info: ValidationInfo) -> Path | None:
    """For a validator: with EdDSA there must be a file."""
    if value is None and info.data.get("jwt_algorithm") == "EdDSA":
        raise ValueError("is missing")
    return value


class CursorSettings(Settings):
    """How the cursors of lists are signed."""

    cursor_secret: SecretStr = Field(
        min_length=16, description="Key that signs list cursors, 16 characters or more; the same on all replicas."
    )


def _networks(value: object) -> object:
    """Networks from text with commas between them; host bits may be set."""
    if isinstance(value, str):
        return tuple(ip_network(one.strip(), strict=False) for one in value.split(",") if one.strip())
    return value


Network: TypeAlias = IPv4Network | IPv6Network
Networks: TypeAlias = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)]


def _rate(value: str) -> str:
    try:
        limits.parse(value)
    except ValueError:
        raise ValueError("must be like `120 per minute` or `100 per 15 minutes`") from None
    return value


RateLimit: TypeAlias = Annotated[str, AfterValidator(_rate)]


class RateSettings(Settings):
    """How often somebody may ask, and how one is told from another (behaviours §3)."""

    rate_limit_authentication: RateLimit = Field(
        "100 per 15 minutes", description="Sign-ups, logins and renewals from one address."
    )
    rate_limit_failed_logins: RateLimit = Field("5 per minute", description="Failed logins to one account.")
    rate_limit_reads: RateLimit = Field("600 per minute", description="Reads of one person.")
    rate_limit_writes: RateLimit = Field("120 per minute", description="Writes of one person.")
    rate_limit_search: RateLimit = Field("30 per minute", description="Searches of one person.")
    rate_limit_exports: RateLimit = Field("10 per minute", description="Exports of one person.")
    rate_limit_storage_url: str = Field(
        "async+memory://",
        description="Where calls are counted: each process for itself, or all replicas together in PostgreSQL"
        " (postgresql://limiter:…), which `command_api migrate` prepares.",
    )
    service_trusted_proxies: Networks = Field(
        (), description="Networks whose X-Forwarded-For is believed, as CIDRs separated by commas: the gateway's."
    )


class StorageSettings(Settings):
    """Where files are."""

    public_origin: str = Field(
        "http://localhost:8080",
        pattern=r"^https?://[^/?#\s]+/?$",
        description="The gateway's address as clients know it; the addresses of files begin with it.",
    )
    s3_endpoint: str = Field(pattern=r"^https?://[^/?#\s]+/?$", description="Address of the file store (S3).")
    s3_public_endpoint: str = Field(
        "",
        pattern=r"^(https?://[^/?#\s]+/?)?$",
        description="Its address as clients know it, when they are to reach it directly; else they go by our origin.",
    )
    s3_region: str = Field("us-east-1", description="Region of the file store.")
    s3_access_key: SecretStr = Field(min_length=1, description="Access key of the file store.")
    s3_secret_key: SecretStr = Field(min_length=1, description="Secret key of the file store.")
    s3_bucket: str = Field(
        "attachments", pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="The bucket of attachments."
    )


class ServerSettings(RateSettings):
    """Where a service listens, and how much of whom."""

    host: str = Field(
        "127.0.0.1", validation_alias="SERVICE_HOST", description="The address that a service listens on."
    )


class MigrateSettings(Settings):
    """Who may change the database."""

    migrate_database_url: Dsn = Field(description="PostgreSQL DSN of a role that may create roles and schemas.")


EX_CONFIG = 78
S = TypeVar("S", bound=Settings)


def load(settings: type[S]) -> S:
    """The settings from the environment; a mistake ends the process with one sentence per variable."""
    try:
        return settings()
    except ValidationError as error:
        _refuse(settings, error)


def _refuse(settings: type[Settings], error: ValidationError) -> NoReturn:
    for problem in error.errors(include_input=False, include_url=False):
        name = str(problem["loc"][0]).upper() if problem["loc"] else settings.__name__
        field = settings.model_fields.get(str(problem["loc"][0])) if problem["loc"] else None
        purpose = f" ({field.description})" if field is not None and field.description else ""
        wrong = "is missing" if problem["type"] == "missing" else problem["msg"].removeprefix("Value error, ")
        sys.stderr.write(f"configuration: {name}: {wrong}{purpose}\n")
    raise SystemExit(EX_CONFIG)


def misconfigured(variable: str, problem: str) -> NoReturn:
    """End the start over a setting whose fault shows only in use: a file that holds something else."""
    sys.stderr.write(f"configuration: {variable}: {problem}\n")
    raise SystemExit(EX_CONFIG)

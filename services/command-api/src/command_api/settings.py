"""The command API's settings."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import Field, FilePath, ValidationInfo, field_validator

from helpdesk.eventstore.grouping import CAPS, Lane
from helpdesk.eventstore.lanes import Caps
from helpdesk.settings import (
    Dsn,
    KafkaSettings,
    LogSettings,
    MigrateSettings,
    ServerSettings,
    StorageSettings,
    TokenSettings,
    demand_key_file,
)

_DENIED_TYPES = (
    "application/x-msdownload,application/x-msdos-program,application/x-dosexec,application/x-msi,"
    "application/vnd.microsoft.portable-executable,application/x-executable,application/x-pie-executable,"
    "application/x-elf,application/x-mach-binary,application/x-sharedlib,application/java-archive,"
    "application/x-java-archive,application/java-vm,application/vnd.android.package-archive,application/x-sh,"
    "application/x-csh,application/x-shellscript,application/x-bat,application/x-powershell,application/hta"
)
_DENIED_ENDINGS = "exe,dll,com,scr,pif,cpl,msi,msp,bat,cmd,ps1,vbs,vbe,jse,wsf,wsh,hta,lnk,reg,jar,apk"


class RelaySettings(KafkaSettings, LogSettings):
    """What `relay` needs."""

    command_api_relay_database_url: Dsn = Field(description="PostgreSQL DSN of the role that relays events to Kafka.")
    relay_shards: int = Field(
        1,
        ge=1,
        le=64,
        description="Shares of the events that can have a relay each; a divisor of TOPIC_PARTITIONS.",
    )

    @field_validator("relay_shards")
    @classmethod
    def _divides_the_partitions(cls, value: int, info: ValidationInfo) -> int:
        if info.data.get("topic_partitions", value) % value:
            raise ValueError("must divide TOPIC_PARTITIONS")
        return value


class FilesSettings(StorageSettings):
    """Which files may be attached."""

    attachment_max_bytes: int = Field(
        26_214_400, ge=1, description="The largest attachment, in bytes; GATEWAY_MAX_UPLOAD is to agree with it."
    )
    attachment_denied_types: str = Field(
        _DENIED_TYPES, description="MIME types that are not admitted, separated by commas: what runs on a machine."
    )
    attachment_denied_endings: str = Field(
        _DENIED_ENDINGS, description="Endings of file names that are not admitted, separated by commas."
    )
    upload_keep_seconds: int = Field(
        86_400, ge=7_200, description="After this an upload that was not completed is deleted."
    )

    @property
    def denied_types(self) -> frozenset[str]:
        """In lower case."""
        return _words(self.attachment_denied_types)

    @property
    def denied_endings(self) -> frozenset[str]:
        """In lower case, without their dots."""
        return frozenset(one.removeprefix(".") for one in _words(self.attachment_denied_endings))


class WorkerSettings(StorageSettings, LogSettings):
    """What `worker` needs."""

    command_api_worker_database_url: Dsn = Field(description="PostgreSQL DSN of the role that looks after files.")


class CommandSettings(RelaySettings, TokenSettings, FilesSettings, WorkerSettings, ServerSettings):
    """What `serve` and `all` need."""

    command_api_port: int = Field(8081, ge=1, le=65535, description="Where the command API listens.")
    command_api_database_url: Dsn = Field(description="PostgreSQL DSN of the role that appends events.")
    command_api_views_database_url: Dsn = Field(description="PostgreSQL DSN of the role for views.applied.")
    command_api_notices_database_url: Dsn = Field(description="PostgreSQL DSN of the role for notices.applied.")
    command_api_webhooks_database_url: Dsn = Field(description="PostgreSQL DSN of the role for webhooks.applied.")
    jwt_signing_key_file: FilePath | None = Field(
        None,
        validate_default=True,
        description="For EdDSA: path of the Ed25519 private key (PEM, PKCS 8) that signs tokens.",
    )
    access_token_seconds: int = Field(86_400, ge=60, description="Lifetime of an access token.")
    refresh_token_seconds: int = Field(604_800, ge=60, description="Lifetime of a refresh token.")
    refresh_rotation: bool = Field(
        False, description="Whether a refresh token is one-shot: each refresh gives a new one (on or off)."
    )
    self_service_tenants: bool = Field(
        False, description="Whether strangers may found a tenant (POST /auth/tenants; on or off)."
    )
    append_batch: int = Field(64, ge=1, le=1000, description="Commands that one transaction takes at most.")
    append_batch_of_tenant: int = Field(32, ge=1, le=1000, description="Of these, commands of one tenant at most.")
    append_waiting: int = Field(
        4096, ge=1, description="Commands that may wait for a transaction; more are answered with 503."
    )
    append_waiting_of_tenant: int = Field(1024, ge=1, description="Of these, commands of one tenant at most.")
    password_memory_kib: int = Field(19_456, ge=8, description="Argon2id memory per hash, in KiB.")
    password_passes: int = Field(2, ge=1, description="Argon2id passes.")
    password_threads: int = Field(2, ge=1, le=64, description="Hashes computed at the same time, at most.")

    @field_validator("jwt_signing_key_file")
    @classmethod
    def _has_a_key(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        return demand_key_file(value, info)

    @property
    def append_caps(self) -> Mapping[Lane, Caps]:
        """What people's commands share; bulk and imports have small caps of their own."""
        interactive = replace(
            CAPS[Lane.INTERACTIVE],
            batch=self.append_batch,
            of_tenant=self.append_batch_of_tenant,
            waiting=self.append_waiting,
            waiting_of_tenant=self.append_waiting_of_tenant,
        )
        return {**CAPS, Lane.INTERACTIVE: interactive}


class CommandMigrateSettings(CommandSettings, MigrateSettings):
    """What `migrate` needs."""


def _words(listed: str) -> frozenset[str]:
    return frozenset(one.strip().lower() for one in listed.split(",") if one.strip())

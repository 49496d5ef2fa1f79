"""The webhook dispatcher's settings."""

import base64
import binascii
from ipaddress import ip_network
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from helpdesk.consumer.settings import IntakingSettings
from helpdesk.settings import (
    CursorSettings,
    Dsn,
    KafkaSettings,
    LogSettings,
    MigrateSettings,
    ServerSettings,
    TokenSettings,
)
from webhook_dispatcher.domain.target import Network, Rules

KEY_BYTES: Final = 32


def _networks(value: object) -> object:
    """Networks from text with commas between them; host bits may be set."""
    if isinstance(value, str):
        return tuple(ip_network(one.strip(), strict=False) for one in value.split(",") if one.strip())
    return value


class IntakeSettings(IntakingSettings, KafkaSettings, LogSettings):
    """What `intake` and `relay` need."""

    webhook_dispatcher_worker_database_url: Dsn = Field(
        description="PostgreSQL DSN of the role that takes events in, sends deliveries and relays."
    )
    webhook_dispatcher_events_database_url: Dsn = Field(
        description="PostgreSQL DSN of a role that reads history, for what Kafka does not have."
    )

    @property
    def webhooks_topic(self) -> str:
        """This owner's events."""
        return f"{self.topic_prefix}.webhooks"

    @property
    def group(self) -> str:
        """The consumer group of intake."""
        return f"{self.topic_prefix}.webhook-dispatcher"


class SendSettings(IntakeSettings):
    """What `send` needs."""

    webhook_secrets_key: SecretStr = Field(description="Base64 of the 32 bytes that endpoint secrets are sealed with.")
    webhook_allowed_networks: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)] = Field(
        (), description="Non-public networks that webhooks may reach, as CIDRs separated by commas."
    )
    webhook_allow_http: bool = Field(False, description="Whether webhooks may go to plain http addresses.")

    @field_validator("webhook_secrets_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        try:
            key = base64.b64decode(value.get_secret_value(), validate=True)
        except binascii.Error as error:
            raise ValueError("must be base64") from error
        if len(key) != KEY_BYTES:
            raise ValueError(f"must hold {KEY_BYTES} bytes, not {len(key)}")
        return value

    @property
    def secrets_key(self) -> bytes:
        """The key itself."""
        return base64.b64decode(self.webhook_secrets_key.get_secret_value())

    @property
    def rules(self) -> Rules:
        """Where webhooks may go."""
        return Rules(self.webhook_allow_http, self.webhook_allowed_networks)


class WebhookSettings(SendSettings, TokenSettings, CursorSettings, ServerSettings):
    """What `serve` and `all` need."""

    webhook_dispatcher_port: int = Field(8084, ge=1, le=65535, description="Where the webhook dispatcher listens.")
    webhook_dispatcher_database_url: Dsn = Field(description="PostgreSQL DSN of the role that serves the webhook API.")


class WebhookMigrateSettings(WebhookSettings, MigrateSettings):
    """What `migrate` needs."""

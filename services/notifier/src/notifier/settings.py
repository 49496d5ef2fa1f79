"""The notifier's settings."""

from pydantic import Field

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


class IntakeSettings(IntakingSettings, KafkaSettings, LogSettings):
    """What `intake` needs."""

    notifier_worker_database_url: Dsn = Field(description="PostgreSQL DSN of the role that writes notifications.")
    notifier_events_database_url: Dsn = Field(
        description="PostgreSQL DSN of a role that reads history, for what Kafka does not have."
    )


class NotifierSettings(IntakeSettings, TokenSettings, CursorSettings, ServerSettings):
    """What `serve` and `all` need."""

    notifier_port: int = Field(8085, ge=1, le=65535, description="Where the notifier listens.")
    notifier_database_url: Dsn = Field(description="PostgreSQL DSN of the role that answers people, tenant by tenant.")


class NotifierMigrateSettings(NotifierSettings, MigrateSettings):
    """What `migrate` needs."""

    command_api_notices_database_url: Dsn = Field(
        description="PostgreSQL DSN of the role that may ask notices.applied."
    )

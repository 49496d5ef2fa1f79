"""The projector's settings."""

from pydantic import Field

from helpdesk.consumer.settings import ConsumingSettings
from helpdesk.settings import Dsn, KafkaSettings, LogSettings, MigrateSettings, ServerSettings


class ProjectorSettings(ConsumingSettings, KafkaSettings, LogSettings, ServerSettings):
    """What `run` needs."""

    projector_port: int = Field(8083, ge=1, le=65535, description="Where the projector's health is served.")
    projector_database_url: Dsn = Field(description="PostgreSQL DSN of the role that writes the views.")
    projector_events_database_url: Dsn = Field(
        description="PostgreSQL DSN of a role that reads history, for what Kafka does not have."
    )


class ProjectorMigrateSettings(ProjectorSettings, MigrateSettings):
    """What `migrate` needs."""


class ProjectorRebuildSettings(LogSettings, MigrateSettings):
    """What `rebuild` needs: it makes tables, so it is the owner; history it reads as the projector does."""

    projector_events_database_url: Dsn = Field(
        description="PostgreSQL DSN of a role that reads history, for what Kafka does not have."
    )

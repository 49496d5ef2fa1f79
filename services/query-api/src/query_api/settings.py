"""The query API's settings."""

from pydantic import Field

from helpdesk.settings import (
    CursorSettings,
    Dsn,
    LogSettings,
    MigrateSettings,
    ServerSettings,
    StorageSettings,
    TokenSettings,
)


class QuerySettings(TokenSettings, CursorSettings, StorageSettings, LogSettings, ServerSettings):
    """What `serve` needs."""

    query_api_port: int = Field(8082, ge=1, le=65535, description="Where the query API is served.")
    query_api_database_url: Dsn = Field(description="PostgreSQL DSN of the role that reads the views.")


class QueryMigrateSettings(QuerySettings, MigrateSettings):
    """What `migrate` needs."""

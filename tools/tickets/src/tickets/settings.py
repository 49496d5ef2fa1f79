"""What the operators' command line is told."""

from pydantic import Field

from helpdesk.settings import Dsn, KafkaSettings, LogSettings


class VerifySettings(KafkaSettings, LogSettings):
    """What `verify` needs. The role must see every row of every schema; nothing is written."""

    verify_database_url: Dsn | None = Field(
        None, description="PostgreSQL DSN that `tickets verify` reads by (a role with BYPASSRLS and pg_read_all_data)."
    )
    migrate_database_url: Dsn | None = Field(None, description="Taken when VERIFY_DATABASE_URL is not set.")

    @property
    def dsn(self) -> str | None:
        """The database to look at."""
        return self.verify_database_url or self.migrate_database_url

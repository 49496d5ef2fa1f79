"""Append and read: the two verbs of the event store."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID, uuid4

import psycopg
from psycopg import errors
from psycopg.rows import class_row

from helpdesk.eventstore.idempotency import REFUSED, KeyAnswered, Keyed, KeyInFlight, KeyReused
from helpdesk.eventstore.prepared import EventTooLarge, Prepared, StreamAppend, checks, events, prepare, tenants
from helpdesk.eventstore.rows import COLUMNS, EventRow
from helpdesk.postgres.pipeline import Pipeline, Pipelines
from helpdesk.postgres.pool import Connection, Pool, bounded
from helpdesk.postgres.tenant import SET_TENANT
from helpdesk.recorded import Metadata, RecordedEvent, Stream

__all__ = [
    "DuplicateCommand",
    "EventStore",
    "EventTooLarge",
    "KeyAnswered",
    "KeyInFlight",
    "KeyReused",
    "Keyed",
    "StreamAppend",
    "WrongVersion",
]
NOT_FIRST_WRITE: Final = "HD001"
NOT_AS_EXPECTED: Final = "HD008"


class WrongVersion(Exception):
    """A stream is not at the expected version: somebody was faster, or the expectation was never true."""


class DuplicateCommand(Exception):
    """The command was appended before; its outcome stands in the store."""


REFUSALS: Final[Mapping[str, type[Exception]]] = {
    "duplicate": DuplicateCommand,
    "wrong_version": WrongVersion,
    **REFUSED,
}
"""What the SQL function says of a command that it left out."""


class EventStore:
    """The events of one owner, in its schema. All methods raise `postgres.pool.UNAVAILABLE` when it cannot be asked."""

    def __init__(self, pool: Pool, schema: str) -> None:
        self._pool = pool
        self._append: str = f"select {schema}.append(%s, %s, %s, %s, %s)"
        self._append_all: str = f"select {schema}.append_all(%s, %s, %s, %s)"
        self.pipelines = Pipelines(pool, f"select {schema}.append_all($1, $2, $3, $4)")
        self._read: str = f"select {COLUMNS} from {schema}.read_stream(%s, %s, %s, %s)"

    async def read_stream(self, stream: Stream, after: int = 0) -> list[RecordedEvent]:
        """The history of `stream` after a version, oldest first; `[]` for one that does not exist."""
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(EventRow))
            await cursor.execute(self._read, (stream.tenant_id, stream.type, stream.id, after))
            return [row.recorded() for row in await cursor.fetchall()]

    async def append(
        self, command_id: UUID, appends: Sequence[StreamAppend], metadata: Metadata, keyed: Keyed | None = None
    ) -> None:
        """Append one command's events, all of one tenant, all or none, in one round trip.

        Raises WrongVersion, DuplicateCommand, EventTooLarge; with `keyed` KeyInFlight, KeyReused, KeyAnswered.
        """
        await self.append_one(prepare(command_id, appends[0].stream.tenant_id, appends, metadata, keyed))

    async def append_in(
        self,
        connection: Connection,
        command_id: UUID,
        appends: Sequence[StreamAppend],
        metadata: Metadata,
        keyed: Keyed | None = None,
        *,
        whose: UUID | None = None,
    ) -> None:
        """`append` inside the caller's transaction, of which it must be the first write; private rows follow it.

        `whose` names the tenant in which the key counts, where that is not the events' own (an operator's command).
        Who loses a race for the same command can be told WrongVersion instead of DuplicateCommand here, because the
        transaction has ended then.
        """
        tenant_id = appends[0].stream.tenant_id
        if keyed is None or whose in (None, tenant_id):
            commands = [prepare(command_id, tenant_id, appends, metadata, keyed)]
        else:
            commands = [
                prepare(command_id, tenant_id, appends, metadata),
                prepare(uuid4(), whose or tenant_id, [], metadata, keyed),
            ]
        try:
            refused = await self._checked(connection, commands, None)
        except errors.UniqueViolation as error:
            raise _meaning(error) from error
        for command in reversed(commands):  # the key first: where it is another's, nothing else is of interest
            _demand(refused.get(command.id))
        if len(commands) > 1:  # of two tenants the append has entered neither
            await connection.execute(SET_TENANT, (str(tenant_id),))

    async def append_one(self, command: Prepared) -> None:
        """`append` of what is encoded already.

        Two concurrent sends of the *same* command meet on the stream's key first, so a violated key is no answer yet:
        asked again, the function knows who was faster.
        """
        try:
            refused = await self.append_batch([command])
        except errors.UniqueViolation as error:
            if error.diag.constraint_name not in _OURS:
                raise
            try:
                refused = await self.append_batch([command])
            except errors.UniqueViolation as again:
                raise _meaning(again) from again
        _demand(refused.get(command.id))

    async def append_batch(
        self, commands: Sequence[Prepared], lock_timeout: str | None = None, pipeline: Pipeline | None = None
    ) -> dict[UUID, str]:
        """Append commands that share no claim in one transaction; those that were left out, each with its reason.

        Any error undoes all of them: what the database says of one, it says of the batch. `pipeline` is one of
        `pipelines`, for who has the next batch ready before this one has been answered.
        """
        if all(command.plain for command in commands):
            # First as if nothing stood in the way: the function that tells who does costs more.
            try:
                await self._append_all_of(commands, lock_timeout, pipeline)
            except errors.UniqueViolation:
                pass
            except psycopg.Error as error:
                if error.sqlstate != NOT_AS_EXPECTED:
                    raise
            else:
                return {}
        async with self._pool.connection() as connection:
            with bounded(connection):
                return await self._checked(connection, commands, lock_timeout)

    async def _append_all_of(
        self, commands: Sequence[Prepared], lock_timeout: str | None, pipeline: Pipeline | None
    ) -> None:
        rows, count = events(commands)
        if pipeline:
            arguments = [tenants(commands), rows, str(count), lock_timeout]
            await pipeline.execute([None if one is None else one.encode() for one in arguments])
        else:
            async with self._pool.connection() as connection:
                with bounded(connection):
                    await connection.execute(self._append_all, (tenants(commands), rows, count, lock_timeout))

    async def _checked(
        self, connection: Connection, commands: Sequence[Prepared], lock_timeout: str | None
    ) -> dict[UUID, str]:
        keyed = any(command.keyed for command in commands)
        arguments = (tenants(commands), checks(commands), events(commands)[0], keyed, lock_timeout)
        row = await (await connection.execute(self._append, arguments)).fetchone()
        return {UUID(id_): reason for id_, reason in row[0].items()} if row and row[0] else {}


def _demand(reason: str | None) -> None:
    if reason is not None:
        raise REFUSALS[reason]


_OURS: Final[Mapping[str | None, type[Exception]]] = {
    "event_pkey": WrongVersion,
    "event_command_id_key": DuplicateCommand,
}


def _meaning(error: errors.UniqueViolation) -> Exception:
    ours = _OURS.get(error.diag.constraint_name)
    return ours() if ours else error

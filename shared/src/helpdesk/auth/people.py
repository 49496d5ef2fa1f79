"""What a service knows of the people who call it, kept for a few seconds."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from helpdesk.auth.closed import Remembered
from helpdesk.folds.user import Standing
from helpdesk.postgres.kept import Kept, hear_changes

StandingOf: TypeAlias = Callable[[UUID, UUID], Awaitable[Standing | None]]
"""(tenant, person) → what is known of them; what an application has as `state.standing_of`."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """`standing` is None for somebody of whom nothing is known: that is kept too, a known answer like another."""

    standing: Standing | None


class People:
    """`read`'s answers, as long as they count. `run` it beside the server: it hears what the intake tells, and has
    `closed` forget the same tenant, because whose tenant closes is told like those who change."""

    def __init__(self, read: StandingOf, dsn: str, schema: str, closed: Remembered | None = None) -> None:
        self._read, self._dsn, self._channel, self._closed = read, dsn, channel_of(schema), closed
        self._kept: Kept[_Answer] = Kept()

    async def __call__(self, tenant_id: UUID, user_id: UUID) -> Standing | None:
        """What is known of a person."""
        known = self._kept.get(tenant_id, user_id)
        if known is None:
            mark = self._kept.mark
            known = _Answer(await self._read(tenant_id, user_id))
            self._kept.keep(tenant_id, {user_id: known}, mark)
        return known.standing

    async def run(self) -> None:
        """Hear of changed people, for ever."""
        await hear_changes(self._dsn, self._channel, self.forget)

    def forget(self, tenant_id: UUID | None) -> None:
        """Nothing that is known of a tenant's people (None: of anybody) counts any more."""
        self._kept.forget(tenant_id)
        if self._closed is not None:
            self._closed.forget(tenant_id)


def channel_of(schema: str) -> str:
    """Where it is told whose people have changed, or whose tenant has closed: NOTIFY with the tenant's id, in the
    transaction that writes it."""
    return f"{schema}_people"

"""What a service knows of the people who call it, kept for a few seconds."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from helpdesk.folds.user import Standing
from helpdesk.postgres.kept import Kept, hear_changes

StandingOf: TypeAlias = Callable[[UUID, UUID], Awaitable[Standing | None]]
"""(tenant, person) → what is known of them; what an application has as `state.standing_of`."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """`standing` is None for somebody of whom nothing is known: that is kept too, a known answer like another."""

    standing: Standing | None


class People:
    """`read`'s answers, as long as they count. `run` it beside the server: it hears what the intake tells."""

    def __init__(self, read: StandingOf, dsn: str, schema: str) -> None:
        self._read, self._dsn, self._channel = read, dsn, channel_of(schema)
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
        await hear_changes(self._dsn, self._channel, self._kept.forget)


def channel_of(schema: str) -> str:
    """Where it is told whose people have changed: NOTIFY with the tenant's id, in the transaction that changes them."""
    return f"{schema}_people"

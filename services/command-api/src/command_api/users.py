"""The shell of every command on an account: read, decide, append with its private rows, wait until it can be seen."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, cast
from uuid import UUID

from psycopg.errors import DeadlockDetected, SerializationFailure

from command_api import store_accounts
from command_api.accounts import Account, Shape
from command_api.domain.user import (
    ChangePassword,
    EditUser,
    SignOut,
    UserCommand,
    decide,
    demand_admin,
    is_active_admin,
)
from command_api.execute import TRIES, WITHIN_S, Cause, Commands, Contended, StaleVersion
from command_api.passwords import Passwords
from command_api.store import Person
from helpdesk.consistency import Position
from helpdesk.events.user import UserDeactivated, UserEvent, UserPasswordChanged, UserRenamed, UserSignedOut
from helpdesk.eventstore.idempotency import Keyed
from helpdesk.eventstore.store import DuplicateCommand, StreamAppend, WrongVersion
from helpdesk.folds.user import User, fold
from helpdesk.recorded import Stream

Edit = Callable[[datetime, int], EditUser]
"""(now, other active admins) → what is asked of the account."""
_A_MOMENT: Final = timedelta(milliseconds=1)
"""A token that was issued before the moment at which sessions end has ended; times of tokens are whole milliseconds."""
_ENDS_SESSIONS = (UserDeactivated, UserPasswordChanged, UserSignedOut)


class WrongPassword(Exception):
    """The present password is another one."""


@dataclass(frozen=True, slots=True)
class _Decided:
    """What happens to an account at `version`, and who it is before and after."""

    stream: Stream
    version: int
    before: User
    after: User
    events: Sequence[UserEvent]


class Users:
    """What the routes of accounts do."""

    def __init__(self, commands: Commands, passwords: Passwords) -> None:
        self._commands, self._passwords = commands, passwords

    async def edit(
        self,
        cause: Cause,
        user_id: UUID,
        edit: Edit,
        expected_version: int | None = None,
        *,
        shape: Shape | None = None,
    ) -> Account:
        """Change an account. `shape` makes the answer that is kept when the cause has a key.

        Raises Rejected, StaleVersion, Contended; with a key KeyAnswered, KeyReused, KeyInFlight.
        """
        others = await store_accounts.other_admins(self._commands.pool, cause.tenant_id, user_id)
        return await self._carry_out(cause, user_id, lambda at: edit(at, others), expected_version, shape=shape)

    async def sign_out(self, cause: Cause, issued_at: datetime) -> Account:
        """End every token of the one who acts, the one at hand too, which is of `issued_at`: by a clock, it may
        be, that is ahead of ours. Raises Contended."""
        return await self._carry_out(
            cause, cause.actor, lambda at: SignOut(by=cause.actor, at=max(at, issued_at + _A_MOMENT))
        )

    async def change_password(self, cause: Cause, issued_at: datetime, present: str, new: str) -> Account:
        """Another password for the one who acts; tokens end as with `sign_out`. Raises WrongPassword, Contended."""
        hash_ = await store_accounts.password_hash(self._commands.pool, cause.tenant_id, cause.actor)
        if not await self._passwords.matching(present, [hash_] if hash_ else [], 1):
            raise WrongPassword
        new_hash = await self._passwords.hash(new)
        return await self._carry_out(
            cause,
            cause.actor,
            lambda at: ChangePassword(by=cause.actor, at=max(at, issued_at + _A_MOMENT)),
            new_hash=new_hash,
        )

    async def _carry_out(
        self,
        cause: Cause,
        user_id: UUID,
        command: Callable[[datetime], UserCommand],
        expected_version: int | None = None,
        new_hash: str | None = None,
        shape: Shape | None = None,
    ) -> Account:
        """Without an expectation somebody else's change is no conflict: decide again."""
        stream = Stream(cause.tenant_id, "user", user_id)
        deadline = time.monotonic() + WITHIN_S
        for _ in range(TRIES if expected_version is None else 1):
            past = await self._past(stream)
            events = decide(past, command(self._commands.clock()))
            if expected_version not in (None, len(past)):
                raise StaleVersion(len(past))
            decided = _decided(stream, past, events)
            keyed = Keyed(cause.key, shape(_account(decided))) if cause.key and shape else None
            try:
                await self._append(cause, decided, new_hash, keyed)
            except WrongVersion:
                if expected_version is not None:
                    raise StaleVersion(len(await self._past(stream))) from None
            except DuplicateCommand:
                past = await self._past(stream)
                return await self._answer(cause, _decided(stream, past, []))
            except (SerializationFailure, DeadlockDetected):
                pass
            else:
                return await self._answer(cause, decided)
            if time.monotonic() > deadline:
                break
        raise Contended

    async def _append(self, cause: Cause, decided: _Decided, new_hash: str | None, keyed: Keyed | None) -> None:
        if not decided.events:
            if keyed:
                tenant_id = decided.stream.tenant_id
                await self._commands.group.append(cause.command_id, [], cause.metadata, keyed, tenant_id=tenant_id)
            return
        stream, after = decided.stream, decided.after
        append = StreamAppend(stream, decided.version, decided.events)
        async with self._commands.pool.connection() as connection, connection.transaction():
            await self._commands.events.append_in(connection, cause.command_id, [append], cause.metadata, keyed)
            version = decided.version + len(decided.events)
            await store_accounts.update_person(connection, stream.tenant_id, stream.id, after, version)
            if is_active_admin(decided.before) and not is_active_admin(after):
                demand_admin(await store_accounts.other_admins_in_turn(connection, stream.tenant_id, stream.id))
            if new_hash is not None:
                await store_accounts.replace_credential(connection, stream.tenant_id, stream.id, new_hash)
            if any(isinstance(event, _ENDS_SESSIONS) for event in decided.events):
                await store_accounts.end_sessions(connection, stream.tenant_id, stream.id)
        self._commands.directory.forget(stream.tenant_id)
        self._commands.poke()

    async def _answer(self, cause: Cause, decided: _Decided) -> Account:
        account = _account(decided)
        seen_by = self._commands.visible if _only_renames(decided.events) else self._commands.known_at_all_doors
        return replace(account, visible=await seen_by(account.positions) if cause.waits else None)

    async def _past(self, stream: Stream) -> list[UserEvent]:
        """The account's history. What this version does not know of it must not be decided upon."""
        past = await self._commands.events.read_stream(stream)
        unknown = [one.type for one in past if one.event is None]
        if unknown:
            raise RuntimeError(f"{stream} holds {unknown[0]}, which this version does not know")
        return cast("list[UserEvent]", [one.event for one in past])


def _decided(stream: Stream, past: Sequence[UserEvent], events: Sequence[UserEvent]) -> _Decided:
    before = fold(None, past)
    after = fold(before, events)
    if before is None or after is None:
        raise RuntimeError(f"{stream}: a command was decided on nothing")
    return _Decided(stream, len(past), before, after, events)


def _only_renames(events: Sequence[UserEvent]) -> bool:
    """Whether nobody's rights follow from these. Without events somebody asks again for what holds, and is answered as
    the first time."""
    return bool(events) and all(isinstance(event, UserRenamed) for event in events)


def _account(decided: _Decided) -> Account:
    stream, version = decided.stream, decided.version + len(decided.events)
    return Account(stream.tenant_id, _person(stream.id, decided.after), [Position(stream, version)], None, version)


def _person(id_: UUID, user: User) -> Person:
    standing = user.standing
    return Person(
        id_,
        user.email,
        user.name,
        standing.role,
        standing.enabled,
        user.created_at,
        user.updated_at,
        user.invited,
        standing.valid_from,
        standing.sessions_from,
    )

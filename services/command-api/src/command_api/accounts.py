"""Accounts: how they begin, and how one signs in. The events and the private rows of a command are one transaction."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID, uuid4

from psycopg.errors import UniqueViolation

from command_api import store, store_accounts
from command_api.domain.rejected import Rejected
from command_api.domain.tenant import CreateTenant
from command_api.domain.user import RegisterUser
from command_api.domain.user import decide as decide_user
from command_api.execute import Cause, Commands, new_command
from command_api.passwords import EXACTLY, Passwords
from command_api.settings import CommandSettings
from command_api.store_accounts import RefreshToken
from command_api.tenants import FirstAdmin, Tenants
from helpdesk.auth.tokens import Issuer
from helpdesk.consistency import Position
from helpdesk.eventstore.idempotency import Answer, Keyed
from helpdesk.eventstore.store import StreamAppend
from helpdesk.ids import new_id
from helpdesk.policy import ADMIN
from helpdesk.recorded import Stream

OPERATOR: Final = UUID(int=0)
"""The actor of what an operator's command does."""


class NoSuchTenant(Exception):
    """No tenant has this slug or id."""


class BadCredentials(Exception):
    """Unknown address or wrong password: nobody learns which."""


class TenantRequired(Exception):
    """The password opens accounts of several tenants: the login must name one."""


class BadRefreshToken(Exception):
    """Unknown, expired, ended or used before, or its user is disabled."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user, where their stream stands, and whether the views show it."""

    tenant_id: UUID
    person: store.Person
    positions: list[Position]
    visible: bool | None = True
    version: int | None = None


Shape: TypeAlias = Callable[[Account], Answer]
"""How a door answers a command on an account; asked before the append when the answer is to be kept with the events."""


@dataclass(frozen=True, slots=True)
class Session:
    """An account that is signed in."""

    account: Account
    access_token: str
    refresh_token: UUID
    expires_in_ms: int


class Accounts:
    """What the identity routes and the seeding do."""

    def __init__(self, commands: Commands, passwords: Passwords, issuer: Issuer, settings: CommandSettings) -> None:
        self._commands, self._passwords, self._issuer = commands, passwords, issuer
        self._refresh = timedelta(seconds=settings.refresh_token_seconds)
        self._rotates, self._founding = settings.refresh_rotation, settings.self_service_tenants

    async def create_tenant(self, *, name: str, slug: str, id_: UUID, at: datetime) -> None:
        """A new tenant, by the operator. Raises Rejected(slug_taken)."""
        command = CreateTenant(name=name, slug=slug, settings={"openRegistration": True}, by=OPERATOR, at=at)
        await Tenants(self._commands).create(new_command(id_, OPERATOR, waits=False), id_, command)

    async def register(
        self,
        *,
        email: str,
        password: str | None,
        name: str,
        role: str = "USER",
        slug: str | None = None,
        tenant_id: UUID | None = None,
        by: UUID | None = None,
        cause: Cause | None = None,
        shape: Shape | None = None,
    ) -> Account:
        """A new account in the tenant of this slug or id; without a password it is an invitation.

        `by` an admin or operator passes a closed registration. `shape` makes the answer that is kept when the cause has
        a key.

        Raises NoSuchTenant, Rejected (registration_closed, email_taken); with a key KeyAnswered, KeyReused,
        KeyInFlight.
        """
        tenant = await store.tenant(self._commands.pool, slug=slug, id_=tenant_id)
        if tenant is None:
            raise NoSuchTenant
        user_id, at = new_id(), self._commands.clock()
        command = RegisterUser(
            email=email,
            name=name,
            role=role,
            is_open=tenant.is_open or by is not None,
            by=by or user_id,
            at=at,
            invitation_id=uuid4() if password is None else None,
        )
        events = decide_user([], command)
        password_hash = await self._passwords.hash(password or secrets.token_urlsafe(32))
        stream = Stream(tenant.tenant_id, "user", user_id)
        cause = cause or new_command(tenant.tenant_id, by or user_id)
        invited = password is None
        person = store.Person(user_id, email, name, role, enabled=True, created_at=at, updated_at=at, invited=invited)
        account = Account(tenant.tenant_id, person, [Position(stream, 1)], None, version=1)
        try:
            async with self._commands.pool.connection() as connection, connection.transaction():
                await self._commands.events.append_in(
                    connection,
                    cause.command_id,
                    [StreamAppend(stream, 0, events)],
                    cause.metadata,
                    Keyed(cause.key, shape(account)) if cause.key and shape else None,
                )
                await store.insert_account(
                    connection,
                    tenant_id=tenant.tenant_id,
                    id_=user_id,
                    email=email,
                    name=name,
                    role=role,
                    password_hash=password_hash,
                    at=at,
                    invited=invited,
                )
        except UniqueViolation as error:
            if error.diag.constraint_name != "credential_address_key":
                raise
            raise Rejected("email_taken", "This address has an account already.") from error
        self._commands.poke()
        return replace(account, visible=await self._commands.visible(account.positions) if cause.waits else None)

    async def found_tenant(self, *, name: str, slug: str, email: str, password: str, admin: str) -> Account:
        """A new tenant with its first admin, by whoever asks, where the operator allows it. Raises Rejected."""
        if not self._founding:
            raise Rejected("self_service_off", "New tenants are made by the operator.")
        tenant_id, at = new_id(), self._commands.clock()
        first = await self.first_admin(email=email, password=password, name=admin)
        command = CreateTenant(name=name, slug=slug, settings={"openRegistration": False}, by=first.id, at=at)
        cause = new_command(tenant_id, first.id)
        written = await Tenants(self._commands).create(cause, tenant_id, command, first)
        person = store.Person(first.id, email, admin, ADMIN, enabled=True, created_at=at, updated_at=at)
        positions = [*written.positions, Position(Stream(tenant_id, "user", first.id), 1)]
        return Account(tenant_id, person, positions, written.visible)

    async def first_admin(self, *, email: str, password: str, name: str) -> FirstAdmin:
        """Who is to administer a new tenant, as `Tenants.create` takes them."""
        return FirstAdmin(new_id(), email, name, await self._passwords.hash(password))

    async def sign_in(self, account: Account) -> Session:
        """Tokens for an account that has proved itself."""
        return await self._sign_in(account, self._commands.clock())

    async def login(self, *, email: str, password: str, slug: str | None) -> Session:
        """Raises BadCredentials, TenantRequired. It takes the same time for an unknown address (contract §4)."""
        logins = await store.logins(self._commands.pool, email.strip())
        if slug is not None:
            logins = [one for one in logins if one.slug == slug]
        hashes = [one.password_hash for one in logins]
        opened = await self._passwords.matching(password, hashes, EXACTLY if slug is None else 1)
        if not opened:
            raise BadCredentials
        if len(opened) > 1:
            raise TenantRequired
        login = logins[opened[0]]
        now = self._commands.clock()  # before the look at the account: what ends it later ends this session too
        account = await self._account(login.tenant_id, login.user_id, BadCredentials)
        if self._passwords.is_outdated(login.password_hash):
            renewed = await self._passwords.hash(password)
            pool = self._commands.pool
            await store_accounts.rehash(pool, login.tenant_id, login.user_id, login.password_hash, renewed)
        return await self._sign_in(account, now)

    async def refresh(self, token: UUID) -> Session:
        """A new access token. The refresh token stays as it is until it expires; where they rotate it is a new one, and
        a second use of the old one ends all that followed from it. Raises BadRefreshToken."""
        now, former = self._commands.clock(), _hash(token)
        found = await store_accounts.refresh_token(self._commands.pool, former)
        if found is None or found.expires_at <= now:
            raise BadRefreshToken
        account = await self._account(found.tenant_id, found.user_id, BadRefreshToken)
        ended = account.person.sessions_from
        if ended is not None and found.created_at < ended:
            raise BadRefreshToken
        now = _since(ended, now)
        if not self._rotates and found.used_at is None:
            return self._session(account, token, now)
        following = uuid4()
        row = RefreshToken(found.tenant_id, found.user_id, now, now + self._refresh, found.family, None)
        if not await store_accounts.rotate(self._commands.pool, former, _hash(following), row):
            raise BadRefreshToken
        return self._session(account, following, now)

    async def _sign_in(self, account: Account, now: datetime) -> Session:
        token, now = uuid4(), _since(account.person.sessions_from, now)
        row = RefreshToken(account.tenant_id, account.person.id, now, now + self._refresh, uuid4(), None)
        await store_accounts.keep_refresh_token(self._commands.pool, _hash(token), row)
        return self._session(account, token, now)

    async def _account(self, tenant_id: UUID, user_id: UUID, otherwise: type[Exception]) -> Account:
        person = (await store.people(self._commands.pool, tenant_id, [user_id])).get(user_id)
        if person is None or not person.enabled:
            raise otherwise
        return Account(tenant_id, person, [])

    def _session(self, account: Account, refresh_token: UUID, now: datetime) -> Session:
        person = account.person
        token = self._issuer.issue(
            tenant_id=account.tenant_id, user_id=person.id, email=person.email, role=person.role, now=now
        )
        return Session(account, token, refresh_token, self._issuer.lifetime_s * 1000)


def _since(ended: datetime | None, now: datetime) -> datetime:
    """When a session begins: not before those that have `ended`, even if that was told by a clock that is ahead of
    ours."""
    return now if ended is None else max(now, ended)


def _hash(token: UUID) -> bytes:
    """Refresh tokens are 122 random bits, so a plain hash is enough."""
    return hashlib.sha256(token.bytes).digest()

"""Who calls is judged by what is known now, and no read waits for it: the question travels with the data (ADR 28)."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias
from uuid import UUID

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from helpdesk.auth.standing import Known, judged
from helpdesk.auth.tokens import Principal
from helpdesk.folds.user import Standing
from helpdesk.http import problem
from helpdesk.http.problem import Problem
from helpdesk.postgres.pool import UNAVAILABLE, Pool
from helpdesk.postgres.tenant import Entry, enters

REMEMBERED: Final = 10_000
CHALLENGE: Final = {"WWW-Authenticate": "Bearer"}
_READS: Final = frozenset({"GET", "HEAD"})
_ENTRY: Final = "entry"
_POOL: Final = "entry_pool"
_MISTAKEN: Final = "mistaken"
_AT_ONCE: Final = "judged_at_once"

KnownOf: TypeAlias = Callable[[UUID, UUID], Awaitable[Known]]
"""(tenant, person) → what is known of both by now."""
Judge: TypeAlias = Callable[[Scope, Principal], Awaitable[Principal]]
"""(request, what the token proves) → the caller with the rights of now; raises the contract's 401. An application has
it as `state.judge`."""


class Asking:
    """The judge of a service that knows people and tenants before it does anything."""

    def __init__(self, known_of: KnownOf) -> None:
        self._known_of = known_of

    async def __call__(self, _: Scope, signed: Principal) -> Principal:
        """The caller, as tenant and person are known now."""
        known = await self._known_of(signed.tenant_id, signed.user_id)
        if known.closed:
            raise Problem(401, "tenant_closed", "This tenant is closed.", headers=CHALLENGE)
        caller = judged(signed, known.standing)
        if caller is None:
            raise Problem(401, "ended_token", "This token has ended: log in again.", headers=CHALLENGE)
        return caller


class Entrance:
    """The judge of a service that has people in rows of its own `schema`.

    A read begins with a belief: the token's role, or what was found last time when it was another. `Entry` asks along
    with the data whether that holds. Where it does not, and before anything is changed, the rows themselves are read.
    """

    def __init__(self, pool: Pool, schema: str, known_of: KnownOf) -> None:
        self._pool, self._schema, self._known_of = pool, schema, known_of
        self._asking = Asking(self._found)
        self._last: OrderedDict[tuple[UUID, UUID], Standing] = OrderedDict()

    async def __call__(self, scope: Scope, signed: Principal) -> Principal:
        """The caller as they are believed to be, where they read; else as they are. `entry_of` has their entry."""
        caller = judged(signed, self._last.get((signed.tenant_id, signed.user_id)))
        if caller is not None and _AT_ONCE not in scope:
            entry = self._open(scope, signed, caller)
            if scope["method"] in _READS or await enters(self._pool, entry):
                return caller
        scope.pop(_ENTRY, None)  # a refusal from here on is the last word
        caller = await self._asking(scope, signed)
        self._open(scope, signed, caller).passed = True
        return caller

    def _open(self, scope: Scope, signed: Principal, caller: Principal) -> Entry:
        entry = Entry(self._schema, caller.tenant_id, caller.user_id, caller.issued_at, caller.role, signed.role)
        scope[_ENTRY], scope[_POOL] = entry, self._pool
        return entry

    async def _found(self, tenant_id: UUID, user_id: UUID) -> Known:
        """Read, and remembered as a belief: it is never trusted alone, so it may be as old as it likes, and newer than
        the rows of a store that was restored."""
        known = await self._known_of(tenant_id, user_id)
        if known.standing is None:
            self._last.pop((tenant_id, user_id), None)
        else:
            self._last[tenant_id, user_id] = known.standing
            self._last.move_to_end((tenant_id, user_id))
            while len(self._last) > REMEMBERED:
                self._last.popitem(last=False)
        return known


class Judged:
    """Around the routes: where an Entrance has believed somebody, no answer leaves before they were judged, errors
    included. A read that was made for somebody who turns out to be another, or nobody, is made once more, for who they
    are."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        wrong, unknown, before = False, False, dict(scope)

        async def checking(message: Message) -> None:
            nonlocal wrong, unknown
            if message["type"] == "http.response.start":
                try:
                    wrong = not await _is_right(scope)
                except UNAVAILABLE:
                    unknown = True
            if not wrong and not unknown:
                await send(message)

        await self._app(scope, receive, checking)
        if wrong:
            scope.clear()  # nothing that was noted on the way holds for who they are, such as the reason of a refusal
            scope.update(before, **{_AT_ONCE: True})
            return await self._app(scope, receive, send)
        if unknown:
            return await problem.answer(Request(scope), problem.unavailable())(scope, receive, send)
        return None


async def _is_right(scope: Scope) -> bool:
    """Whether an answer is for the one who asked; asked of the database where no read has done so."""
    if _MISTAKEN in scope:
        return False
    entry: Entry | None = scope.get(_ENTRY)
    return entry is None or entry.passed or await enters(scope[_POOL], entry)


def entry_of(request: Request) -> Entry:
    """The caller's way into their tenant; a route that has one has a caller, who was believed by an Entrance."""
    entry: Entry = request.scope[_ENTRY]
    return entry


def mark_mistaken(request: Request) -> None:
    """What this request was answered is for somebody else: `Judged` has it made anew."""
    request.scope[_MISTAKEN] = True

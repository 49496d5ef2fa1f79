"""What every read has in common: who asks, what they may see, and whether the views had reached what they wrote."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from fastapi import Depends, Header
from starlette.requests import Request
from starlette.responses import Response

from helpdesk.auth.http import Caller
from helpdesk.auth.tokens import Principal
from helpdesk.consistency import Applied, BadToken, positions_of
from helpdesk.http.etag import NO_VERSION, respond
from helpdesk.http.json import dumps
from helpdesk.http.judged import entry_of
from helpdesk.http.problem import Problem
from helpdesk.paging.cursor import Cursors
from helpdesk.paging.listing import Listing, paging_of
from helpdesk.paging.page import Paging
from helpdesk.paging.wire import PageQuery
from helpdesk.postgres.pool import Pool
from helpdesk.postgres.tenant import Statement, read_all
from helpdesk.storage.presign import Signer
from query_api.domain.tickets import Sight, sight_of

R = TypeVar("R")
CONSISTENCY_BOUND_S: Final = 2.0
"""How long a read waits for what its token names (design §7)."""


_CONSISTENCY: Final = {
    "Consistency": {
        "description": "`behind` when the views had not reached the request's Consistency-Token in time.",
        "schema": {"type": "string"},
    }
}
_ETAG: Final = {
    "ETag": {
        "description": "The stream's version (of a list 0), for If-Match, and a hash of the body.",
        "schema": {"type": "string"},
        "example": '"v17.2f1c8d0a9b3e4f56"',
    }
}


@dataclass(frozen=True, slots=True)
class Files:
    """What addresses of files are made from: our origin, and what signs those of the store."""

    origin: str
    signer: Signer


@dataclass(frozen=True, slots=True)
class Sources:
    """What reads are made from, wired once. `operator`: connections that see all tenants and nothing of what is theirs;
    `webhooks`: connections that count endpoints."""

    pool: Pool
    operator: Pool
    webhooks: Pool
    applied: Applied
    cursors: Cursors
    files: Files


@dataclass(frozen=True, slots=True)
class Reading:
    """One authenticated read. What is read first by `read` also judges the caller (ADR 28)."""

    request: Request
    sources: Sources
    caller: Principal
    sight: Sight
    behind: bool

    @property
    def tenant_id(self) -> UUID:
        """The caller's tenant."""
        return self.caller.tenant_id

    @property
    def user_id(self) -> UUID:
        """The caller."""
        return self.caller.user_id

    async def read(self, *statements: Statement[Any]) -> list[list[Any]]:
        """The rows of each statement, of the caller's tenant, in one round trip."""
        return await read_all(self.sources.pool, entry_of(self.request), *statements)

    def paging(self, query: PageQuery, listing: Listing[R]) -> Paging:
        """What a list is asked for when it answers the envelope. Raises a 400 for a cursor of another list."""
        return paging_of(query, self.sources.cursors, listing.name)

    def listed(self, listing: Listing[R], paging: Paging, found: Sequence[list[Any]]) -> Response:
        """The answer that the rows of a list's statements make."""
        listed = listing.answer(self.request, self.sources.cursors, paging, found)
        response = self.answer(listed.body)
        response.headers.update(listed.headers)
        return response

    def answer(self, body: object, *, version: int = NO_VERSION) -> Response:
        """`body` as JSON, with the entity tag of a stream's `version`, or 304 when the caller has it already."""
        return self._told(respond(self.request, dumps(body), version))

    def file(self, content: bytes, media_type: str, name: str) -> Response:
        """A file to be kept under `name` (plain ASCII)."""
        headers = {"Cache-Control": "private, no-store", "Content-Disposition": f'attachment; filename="{name}"'}
        return self._told(Response(content, media_type=media_type, headers=headers))

    def _told(self, response: Response) -> Response:
        if self.behind:
            response.headers["Consistency"] = "behind"
        return response


async def _reading(
    request: Request,
    caller: Caller,
    consistency_token: Annotated[
        str | None, Header(description="From an earlier write: wait (at most 2 s) until it can be read.")
    ] = None,
) -> Reading:
    sources: Sources = request.app.state.sources
    behind = False
    if consistency_token:
        try:
            positions = positions_of(consistency_token, caller.tenant_id)
        except BadToken as error:
            raise Problem(400, "malformed_consistency_token", f"Consistency-Token: {error}.") from error
        behind = not await sources.applied.wait(positions, CONSISTENCY_BOUND_S, ours=False)
    sight = sight_of(caller.role, caller.user_id)
    return Reading(request, sources, caller, sight, behind)


def documented(model: object, *, tagged: bool = True) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a read that succeeds; all but addresses that are signed anew each time are `tagged`."""
    headers = _CONSISTENCY | (_ETAG if tagged else {})
    success: dict[int | str, dict[str, Any]] = {200: {"model": model, "headers": headers}}
    return success | ({304: {"description": "The caller has it already (If-None-Match)"}} if tagged else {})


Read = Annotated[Reading, Depends(_reading)]
"""A route's parameter: an authenticated read."""

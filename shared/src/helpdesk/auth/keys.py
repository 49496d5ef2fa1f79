"""The FastAPI dependency of routes that take an idempotency key (behaviours §2)."""

from typing import Annotated

from fastapi import Header
from starlette.requests import Request

from helpdesk.auth.http import Caller
from helpdesk.http.keys import remember_key


async def keyed(
    request: Request,
    caller: Caller,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=255,
            pattern=r"^[\x20-\x7e]*$",
            description="Any text of the caller's own, for one request: sent again, it is answered as the first time.",
        ),
    ] = None,
) -> None:
    """After the caller is known and before anything is decided: what was answered is answered again."""
    if idempotency_key is not None:
        await remember_key(request, caller, idempotency_key)

"""What anyone may ask: where things are, whether the service answers, with which keys tokens are checked."""

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, Response

from helpdesk.clock import utc_now
from helpdesk.http.access import OPEN, PUBLIC, Rate, access
from helpdesk.http.app import API
from helpdesk.http.json import dumps
from query_api.wire import Health, Welcome

_WELCOME = Welcome(
    message="Acme Tickets",
    version="1.0.0",
    endpoints={
        "health": f"{API}/health",
        "auth": f"{API}/auth",
        "tickets": f"{API}/tickets",
        "webhooks": f"{API}/webhooks",
        "tenants": f"{API}/tenants",
        "notifications": f"{API}/notifications",
        "docs": "/api-docs",
    },
)

_CACHED = {"Cache-Control": "public, max-age=60"}


def public_routes(jwks_file: Path | None) -> APIRouter:
    """The routes that need no token. `jwks_file` holds public keys alone; it is read anew for each answer. None: a
    shared secret signs, and no key is public."""
    router = APIRouter()

    @router.get(f"{API}/", tags=["health"], summary="Where things are", responses={200: {"model": Welcome}},
                openapi_extra=access(PUBLIC, Rate.READS))  # fmt: skip
    async def welcome() -> Response:
        """The first address of each resource, and of these pages."""
        return _answer(_WELCOME)

    @router.get("/health", tags=["health"], summary="The service answers", responses={200: {"model": Health}},
                openapi_extra=OPEN)  # fmt: skip
    @router.get(f"{API}/health", tags=["health"], summary="The service answers", responses={200: {"model": Health}},
                openapi_extra=OPEN)  # fmt: skip
    async def health() -> Response:
        """For whoever watches from outside: never counted, never cached."""
        return _answer(Health(status="ok", timestamp=utc_now()))

    @router.get("/.well-known/jwks.json", tags=["auth"], summary="The public keys that tokens are checked by",
                openapi_extra=OPEN)  # fmt: skip
    async def jwks() -> Response:
        """A JSON Web Key Set (RFC 7517); a token's `kid` names its key."""
        if jwks_file is None:
            return Response(b'{"keys":[]}', media_type="application/json", headers=_CACHED)
        return FileResponse(jwks_file, media_type="application/json", headers=_CACHED)

    return router


def _answer(body: Welcome | Health) -> Response:
    return Response(dumps(body), media_type="application/json", headers={"Cache-Control": "no-store"})

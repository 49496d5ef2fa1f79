"""The merged OpenAPI document, pages to read it, and what it says about addresses without a route here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from helpdesk.http.access import OPEN
from helpdesk.http.problem import Problem, answer

_METHODS: Final = ("get", "post", "put", "patch", "delete")
_ASSETS: Final = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Acme Tickets API</title>
<link rel="stylesheet" href="/api-docs/swagger-ui.css">
<link rel="icon" href="/api-docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/api-docs/swagger-ui-bundle.js"></script>
<script src="/api-docs/start.js"></script>
</body>
</html>
"""
_START: Final = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: true,
  validatorUrl: null,
});
"""
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_KEPT: Final = {"Cache-Control": "public, max-age=3600"}


def merged() -> bytes:
    """The merged document of all APIs, as `make openapi` wrote it."""
    return files("query_api").joinpath("openapi.json").read_bytes()


def document_routes() -> APIRouter:
    """The document and its pages, all from this origin, with no script in the page itself."""
    router = APIRouter(tags=["documentation"])
    document = merged()

    @router.get("/openapi.json", summary="This document", openapi_extra=OPEN)
    async def openapi() -> Response:
        """OpenAPI 3.1 of everything behind this origin."""
        return Response(document, media_type="application/json", headers={"Cache-Control": "no-cache"})

    @router.get("/api-docs", summary="Pages to read it", response_class=HTMLResponse, openapi_extra=OPEN)
    async def pages() -> Response:
        """Swagger UI, with all that it loads from this origin."""
        return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})

    @router.get("/api-docs/start.js", include_in_schema=False, openapi_extra=OPEN)
    async def start() -> Response:
        return Response(_START, media_type="text/javascript", headers=_KEPT)

    @router.get("/api-docs/{asset}", include_in_schema=False, openapi_extra=OPEN)
    async def file(asset: str) -> Response:
        if asset not in _ASSETS:
            raise Problem(404, "not_found", "There is nothing here.")
        path = str(files("fastapi_swagger.resources").joinpath(asset))
        return FileResponse(path, media_type=_ASSETS[asset], headers=_KEPT)

    return router


@dataclass(frozen=True, slots=True)
class Address:
    """A path template of the merged document and the methods that it answers."""

    template: str
    pattern: re.Pattern[str]
    methods: frozenset[str]


def addresses(document: Mapping[str, Any]) -> list[Address]:
    """Every address that one of the APIs answers."""
    return [
        Address(path, _pattern(path), frozenset(method.upper() for method in _METHODS if method in operations))
        for path, operations in document["paths"].items()
    ]


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{[^}]+\}", template)
    return re.compile("[^/]+".join(re.escape(part) for part in parts))


def allowed(known: list[Address], path: str) -> list[str]:
    """The methods that `path` answers somewhere in the system; none when it is no address of ours."""
    matching = [address for address in known if address.pattern.fullmatch(path)]
    # `/tickets/stats` is no `/tickets/{id}`: the address that leaves the least open is meant.
    least = min((address.template.count("{") for address in matching), default=0)
    found = {method for address in matching if address.template.count("{") == least for method in address.methods}
    if "GET" in found:
        found.add("HEAD")
    return sorted(found | {"OPTIONS"}) if found else []


class Unknown:
    """The last door: every address or method without a route. 404, or what is allowed there: with 204 for who asks for
    nothing else (OPTIONS), with 405 for others."""

    def __init__(self) -> None:
        self._known = addresses(orjson.loads(merged()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by what the merged document knows of the path."""
        request = Request(scope)
        methods = allowed(self._known, scope["path"])
        if methods and request.method == "OPTIONS":
            return await Response(status_code=204, headers={"Allow": ", ".join(methods)})(scope, receive, send)
        problem = Problem(404, "not_found", "There is nothing at this address.")
        if methods and request.method not in methods:
            problem = Problem(
                405,
                "method_not_allowed",
                f"{request.method} is not allowed here.",
                headers={"Allow": ", ".join(methods)},
            )
        return await answer(request, problem)(scope, receive, send)

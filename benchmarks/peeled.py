"""A service without some of its layers: `python -m benchmarks.peeled SERVICE LAYER ANSWER`.

SERVICE is `query` (asked for one ticket) or `command` (told to create one). LAYER names the last layer of PEELED that
is missing; all before it are missing, too. ANSWER is the body that a route says when nobody makes one any more (JSON).
The service is the real one: layers are taken off here, and the product knows nothing of it.
"""

import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from importlib import import_module
from typing import Annotated, Any, Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from helpdesk.auth import http as doors
from helpdesk.auth.tokens import Principal, Verifier
from helpdesk.consistency import Position
from helpdesk.http.app import edge
from helpdesk.http.server import Job, run_process, serve
from helpdesk.observability.logs import configured
from helpdesk.postgres.tenant import Entry
from helpdesk.recorded import Stream

PEELED: Final = (
    "view",  # creates: the answer waits for nobody
    "store",
    "limits",
    "authentication",
    "edge",
    "rules",
    "serialising",
    "validation",
    "framework",  # what is left is an ASGI application of two lines
)
_MODULES: Final = {"query": "query_api", "command": "command_api"}
_PATHS: Final = {"query": ("GET", "/api/v1/tickets/{id}"), "command": ("POST", "/api/v1/tickets")}


def without(last: str, layer: str) -> bool:
    """Whether `layer` is missing, where `last` is the last one that is."""
    return PEELED.index(layer) <= PEELED.index(last)


class OneCaller:
    """Everybody is who came first: what checking tokens costs is missing."""

    def __init__(self) -> None:
        self._known: Principal | None = None
        self._entry: Entry | None = None

    def dependency(self) -> Callable[[Request], Any]:
        """In the place of what makes `helpdesk.auth.http.Caller`."""

        async def caller(request: Request) -> Principal:
            if self._known is None:
                verifier: Verifier = request.app.state.verifier
                self._known = one = verifier.verify(request.headers["authorization"].removeprefix("Bearer "))
                self._entry = Entry("views", one.tenant_id, one.user_id, one.issued_at, one.role, one.role, passed=True)
            request.scope["entry"] = self._entry
            return self._known

        return caller


class FirstRows:
    """The views' first answer, for ever: for one ticket of one tenant."""

    def __init__(self, read_all: Callable[..., Any]) -> None:
        self._ask, self._found = read_all, list[list[Any]]()

    async def __call__(self, *asked: Any) -> list[list[Any]]:
        """In the place of `helpdesk.postgres.tenant.read_all`."""
        if not self._found:
            self._found = await self._ask(*asked)
        entry: Any = asked[1]
        entry.passed = True  # the caller is judged along with the rows
        return self._found


def revived(value: Any, name: str = "") -> Any:
    """An answer's JSON as the shapes were before they became it: times are times and ids are ids."""
    if isinstance(value, dict):
        return {key: revived(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [revived(one) for one in value]
    if isinstance(value, str) and name.endswith("At"):
        return datetime.fromisoformat(value)
    return UUID(value) if isinstance(value, str) and name.lower().endswith("id") else value


def read_route(last: str, body: bytes) -> Callable[..., Any]:
    """`GET /tickets/{id}` without its work."""
    reading, tickets = import_module("query_api.reading"), import_module("query_api.routes.tickets")
    shape = revived(orjson.loads(body))

    async def shaped(reading: Any, id: Any) -> Response:  # noqa: A002 - the contract's name
        answer: Response = reading.answer(shape, version=1)
        return answer

    async def constant_body(reading: Any, id: Any) -> Response:  # noqa: A002 - the contract's name
        return Response(body, media_type="application/json")

    asked = constant_body if without(last, "serialising") else shaped
    asked.__annotations__ |= {"reading": reading.Read, "id": tickets.TicketId}
    return _bare(body, 200) if without(last, "validation") else asked


def create_route(last: str, body: bytes) -> Callable[..., Any]:
    """`POST /tickets` without its work."""
    shared, wire = import_module("command_api.routes.shared"), import_module("command_api.wire")
    shape = revived(orjson.loads(body))
    location = {"Location": f"/api/v1/tickets/{shape['id']}"}

    async def shaped(request: Request, caller: Any, shell: Any, body: Any) -> Response:
        stream = Stream(caller.tenant_id, "ticket", shape["id"])
        positions = [Position(stream, 1)]
        answer: Response = shared.answer(
            shape, status=201, positions=positions, visible=True, version=1, headers=location
        )
        return answer

    async def constant_body(request: Request, caller: Any, shell: Any, body: Any) -> Response:
        return Response(plain, 201, media_type="application/json")

    plain = body
    asked = constant_body if without(last, "serialising") else shaped
    asked.__annotations__ |= {"caller": doors.Caller, "shell": shared.Shell, "body": wire.CreateTicketBody}
    return _bare(body, 201) if without(last, "validation") else asked


def _bare(body: bytes, status: int) -> Callable[[], Any]:
    async def bare() -> Response:
        return Response(body, status, media_type="application/json")

    return bare


def put(router: APIRouter, method: str, path: str, endpoint: Callable[..., Any]) -> None:
    """Another endpoint in a route's place, so that the routes before it are still tried first."""
    for place, route in enumerate(router.routes):
        if isinstance(route, APIRoute) and route.path == path and method in (route.methods or ()):
            router.add_api_route(path.removeprefix(router.prefix), endpoint, methods=[method], response_model=None)
            router.routes[place] = router.routes.pop()
            return
    raise LookupError(f"there is no {method} {path}")


class Bare:
    """One answer to everything."""

    def __init__(self, body: bytes, status: int) -> None:
        self._start = {"type": "http.response.start", "status": status}
        self._start["headers"] = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        self._body = {"type": "http.response.body", "body": body}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await receive()  # the server begins
            await send({"type": "lifespan.startup.complete"})
            await receive()
            return await send({"type": "lifespan.shutdown.complete"})
        while (await receive()).get("more_body"):
            pass
        await send(self._start)
        return await send(self._body)


def prepared(service: str, last: str, body: bytes) -> None:
    """Take off what is bound while modules are imported; before any of the service is."""
    if without(last, "authentication"):
        vars(doors)["Caller"] = Annotated[Principal, Depends(OneCaller().dependency())]
    if without(last, "rules"):
        route = {"query": read_route, "command": create_route}[service]
        put(import_module(f"{_MODULES[service]}.routes.tickets").router, *_PATHS[service], route(last, body))
    if without(last, "validation") and service == "command":
        vars(import_module("command_api.app"))["keyed"] = _nothing


async def _nothing() -> None:
    """In the place of a dependency."""


def layered(app: FastAPI, last: str) -> ASGIApp:
    """The application with those outer layers that are left; what it runs beside them stays."""
    if without(last, "edge"):
        return app
    limiter = app.state.limiter
    if without(last, "limits"):
        app.state.limiter = None
    layers = edge(app)
    app.state.limiter = limiter
    return layers


async def query(last: str) -> None:
    """Serve reads."""
    module, reading = import_module("query_api.app"), import_module("query_api.reading")
    settings = configured("query-api", import_module("query_api.settings").QuerySettings)
    applied = module.progress(settings, module.listening(settings))
    if without(last, "store"):
        vars(reading)["read_all"] = FirstRows(reading.read_all)
    await serve(layered(module.build_app(settings, applied), last), settings.host, settings.query_api_port)


async def command(last: str) -> None:
    """Serve creates."""
    module = import_module("command_api.app")
    settings = configured("command-api", import_module("command_api.settings").CommandSettings)
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(module.service(settings))
        jobs: Sequence[Job] = [job for job in parts.jobs if job != parts.views.run]
        constant = import_module("benchmarks.constant")
        parts.commands._views = constant.Views()
        if without(last, "store"):
            jobs = []
            constant.put_in(parts.commands)
        await serve(layered(module.build_app(parts), last), settings.host, settings.command_api_port, jobs)


async def bare(service: str, body: bytes) -> None:
    """Serve one answer."""
    settings: Any = import_module(f"{_MODULES[service]}.settings")
    if service == "query":
        asked = configured("query-api", settings.QuerySettings)
        await serve(Bare(body, 200), asked.host, asked.query_api_port)
    else:
        told = configured("command-api", settings.CommandSettings)
        await serve(Bare(body, 201), told.host, told.command_api_port)


def main(service: str, last: str, answer: str) -> None:
    """The process."""
    body = answer.encode()
    if without(last, "framework"):
        return run_process(bare(service, body))
    prepared(service, last, body)
    return run_process({"query": partial(query, last), "command": partial(command, last)}[service]())


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A FastAPI application as each of our services wants it."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from helpdesk.http import problem
from helpdesk.http.audited import Audited
from helpdesk.http.declared import Routes
from helpdesk.http.described import describe
from helpdesk.http.judged import Judged, mark_mistaken
from helpdesk.http.keys import Keeping, Replays
from helpdesk.http.limits import Limited, Limiter
from helpdesk.http.middleware import Edge
from helpdesk.http.problem import Problem, ProblemBody, StaleBody
from helpdesk.http.repeated import Repeated
from helpdesk.http.timed import Timed
from helpdesk.postgres.pool import UNAVAILABLE
from helpdesk.postgres.tenant import Mistaken

API: Final = "/api/v1"
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


class Api(FastAPI):
    """Its document says what holds for every route. `appends`: its writes answer with a consistency token."""

    appends = False

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made once."""
        if not self.openapi_schema:
            describe(super().openapi(), appends=self.appends)
        return self.openapi_schema or {}


def build_api(title: str, lifespan: Lifespan | None = None, *, appends: bool = False) -> FastAPI:
    """An application whose every error has the contract's body. Serve it through `edge`."""
    app = Api(
        title=title,
        version="1.0.0",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
        telemetry={"metrics": False},  # `Timed` tells the same
    )
    app.appends = appends
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    for error in UNAVAILABLE:
        app.add_exception_handler(error, _unavailable)
    app.add_exception_handler(Mistaken, _mistaken)
    app.add_exception_handler(Exception, _internal)
    return app


def edge(app: FastAPI) -> ASGIApp:
    """The application behind its outermost layers: what a server is given. Of its state, if they are there, `limiter`
    counts, `audit` writes down what was denied and what failed, `replays` keeps answers under keys."""
    limiter: Limiter | None = getattr(app.state, "limiter", None)
    replays: Replays | None = getattr(app.state, "replays", None)
    routes = Routes(app)
    layered: ASGIApp = Timed(Judged(Repeated(app, routes, app.state)))
    if replays:
        layered = Keeping(layered, replays)
    layered = Audited(layered, app.state)
    if limiter:
        layered = Limited(layered, limiter, routes, app.state)
    return Edge(layered)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route: which errors it answers, with their body."""
    return {
        status: {
            "model": StaleBody if status == 412 else ProblemBody,
            "content": {problem.MEDIA_TYPE: {}},
            "description": problem.plain(status).message,
        }
        for status in statuses
    }


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - what the registration says
    return problem.answer(request, error)


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what the registration says
    return problem.answer(request, problem.of_validation(error))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what the registration says
    if isinstance(error.__cause__, UnicodeDecodeError | RecursionError):  # the body's: it is no UTF-8, or too deep
        return problem.answer(request, problem.malformed_json())
    plain = problem.plain(error.status_code)
    headers = dict(error.headers or {})
    if "GET" in headers.get("Allow", "").split(", "):
        headers["Allow"] += ", HEAD"  # the edge answers it
    return problem.answer(request, Problem(plain.status, plain.reason, plain.message, headers=headers))


async def _unavailable(request: Request, error: Exception) -> Response:
    return problem.answer(request, problem.unavailable())


async def _mistaken(request: Request, _: Exception) -> Response:
    """Nobody gets this answer."""
    mark_mistaken(request)
    return problem.answer(request, problem.unavailable())


async def _internal(request: Request, _: Exception) -> Response:
    return problem.answer(request, problem.internal())

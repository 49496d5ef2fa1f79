"""Every route declares who may call it, or stands on the list of those that anyone may."""

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from architecture import tree
from helpdesk.auth.http import authenticated
from localstack import credentials
from localstack.environment import environment
from localstack.ports import Ports

PUBLIC = {
    "POST /api/v1/auth/signup",
    "POST /api/v1/auth/register",
    "POST /api/v1/auth/tenants",
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/refresh",
    "GET /api/v1/",
    "GET /api/v1/health",
    "GET /health",
    "GET /health/live",
    "GET /health/ready",
    "GET /metrics",
    "GET /.well-known/jwks.json",
    "GET /openapi.json",
    "GET /api-docs",
    "GET /api-docs/start.js",
    "GET /api-docs/{asset}",
}


def test_a_route_without_authentication_is_on_the_public_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = credentials.load(tmp_path)
    values = environment(Ports(), "postgresql://nobody@localhost/nothing", secrets, tmp_path)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    assert {name for name, is_open in _routes() if is_open} == PUBLIC


def _routes() -> Iterator[tuple[str, bool]]:
    """`METHOD path` of each route of each API, and whether it asks nobody who they are."""
    tool = tree.tool("openapi")
    for module in tool.MODULES:
        api = tool.build(importlib.import_module(f"{module}.app").build_app)
        for found in iter_route_contexts(api.routes):
            if isinstance(found.original_route, APIRoute):
                for method in (found.methods or set()) - {"HEAD"}:
                    yield f"{method} {found.path}", not _asks(found.original_route.dependant)


def _asks(dependant: Dependant) -> bool:
    return dependant.call is authenticated or any(_asks(one) for one in dependant.dependencies)

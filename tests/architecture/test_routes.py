"""Every route declares who may call it and which rate its calls count against, and is asked across tenants."""

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from architecture import tree
from e2e.test_cross_tenant import SECURED
from e2e.test_tenancy_and_roles import ROWS
from helpdesk import policy
from helpdesk.auth.http import authenticated
from helpdesk.http.access import PUBLIC, SELF, Rate
from helpdesk.http.declared import query_of
from localstack import credentials
from localstack.environment import environment
from localstack.ports import Ports

ANYONE_MAY = {
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
PARAMETER = re.compile(r"\{[^}]+\}")


@dataclass(frozen=True)
class Declared:
    """A route by its name, what it declares, and whether it asks nobody who they are."""

    name: str
    extra: dict[str, Any]
    is_open: bool
    query: dict[str, bool]


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[Declared]:
    folder = tmp_path_factory.mktemp("made-up")
    values = environment(Ports(), "postgresql://nobody@localhost/nothing", credentials.load(folder), folder)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        return list(_routes())


def test_a_route_without_authentication_is_on_the_public_list(routes: list[Declared]) -> None:
    assert {one.name for one in routes if one.is_open} == ANYONE_MAY


def test_every_route_declares_who_may_call_it_and_its_rate(routes: list[Declared]) -> None:
    undeclared = {
        one.name
        for one in routes
        if one.extra.get("x-scope") not in policy.RIGHTS | {PUBLIC, SELF}
        or one.extra.get("x-rate-limit") not in set(Rate)
    }
    assert not undeclared


def test_what_is_searched_says_by_which_parameters(routes: list[Declared]) -> None:
    """`q` and `search` make a search of a read (behaviours §3); what counts apart anyway stays what it is."""
    for one in routes:
        searched = [name for name in ("q", "search") if name in one.query and one.extra["x-rate-limit"] == Rate.READS]
        assert one.extra.get("x-searched-by", []) == searched, one.name


def test_what_is_declared_public_asks_for_no_token_and_nothing_else_does_so(routes: list[Declared]) -> None:
    assert {one.name for one in routes if one.is_open != (one.extra.get("x-scope") == PUBLIC)} == set()


def test_only_who_needs_no_token_goes_uncounted(routes: list[Declared]) -> None:
    assert not {one.name for one in routes if one.extra["x-rate-limit"] == Rate.UNCOUNTED and not one.is_open}


def test_every_route_behind_a_token_is_asked_across_tenants(routes: list[Declared]) -> None:
    """By the probe that is made from the document, by a row of the table of callers, whose last is a stranger, or by a
    test with the mark `route`."""
    asked = {_bare(f"{row.method} /api/v1{row.path.partition('?')[0]}") for row in ROWS} | set(_marked())
    asked |= {_bare(str(one)) for one in SECURED}
    assert {one.name for one in routes if not one.is_open and _bare(one.name) not in asked} == set()


def _bare(name: str) -> str:
    return PARAMETER.sub("{}", name)


def _marked() -> Iterator[str]:
    for path in tree.named(".py"):
        if tree.short(path).startswith("tests/e2e/"):
            for call in tree.calls(path, "route"):
                if isinstance(name := tree.constant(call.args[0]), str) and "pytest.mark" in ast.unparse(call.func):
                    yield _bare(name)


def _routes() -> Iterator[Declared]:
    """Each route of each API, once per method."""
    tool = tree.tool("openapi")
    for module in tool.MODULES:
        api = tool.build(importlib.import_module(f"{module}.app").build_app)
        for found in iter_route_contexts(api.routes):
            route = found.original_route
            if isinstance(route, APIRoute):
                for method in (found.methods or set()) - {"HEAD"}:
                    is_open, query = not _asks(route.dependant), dict(query_of(route.dependant))
                    yield Declared(f"{method} {found.path}", route.openapi_extra or {}, is_open, query)


def _asks(dependant: Dependant) -> bool:
    return dependant.call is authenticated or any(_asks(one) for one in dependant.dependencies)

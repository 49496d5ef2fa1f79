"""What the routes declare, found by the call that is to reach them: for the layers that stand before the routing."""

from collections.abc import Iterator
from dataclasses import dataclass
from re import Pattern
from typing import Final
from urllib.parse import parse_qsl

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel
from starlette.routing import compile_path

from helpdesk.http.access import PUBLIC, Rate
from helpdesk.http.wire import SEVERAL


@dataclass(frozen=True, slots=True)
class Declared:
    """A route as it declares itself. `query`: its parameters in the address, and whether each takes several values."""

    rate: Rate
    is_public: bool
    searched_by: frozenset[str]
    query: dict[str, bool]

    def rate_of(self, query: bytes) -> Rate:
        """The class that a call with this query counts as (behaviours §3): of the route's own, or as a search."""
        if not query or not self.searched_by:
            return self.rate
        searches = any(name in self.searched_by and value.strip() for name, value in values_of(query))
        return Rate.SEARCH if searches else self.rate


_READ: Final = Declared(Rate.READS, is_public=True, searched_by=frozenset(), query={})
_WRITE: Final = Declared(Rate.WRITES, is_public=True, searched_by=frozenset(), query={})


class Routes:
    """The routes of an application by method and path. What has none counts as a read or a write."""

    def __init__(self, app: FastAPI) -> None:
        self._literal: dict[tuple[str, str], Declared] = {}
        self._patterns: list[tuple[str, Pattern[str], Declared]] = []
        for found in iter_route_contexts(app.routes):
            if not isinstance(found.original_route, APIRoute):
                continue
            declared, path = _declared(found.original_route), str(found.path)
            for method in found.methods or ():
                if "{" in path:
                    self._patterns.append((method, compile_path(path)[0], declared))
                else:
                    self._literal[method, path] = declared

    def of(self, method: str, path: str) -> Declared:
        """What the route of this call declares."""
        known = self._literal.get((method, path))
        if known is not None:
            return known
        for verb, pattern, declared in self._patterns:
            if verb == method and pattern.match(path):
                return declared
        return _READ if method == "GET" else _WRITE


def values_of(query: bytes) -> list[tuple[str, str]]:
    """The names and values in an address, in their order; those of one name apart."""
    return parse_qsl(query.decode("latin-1"), keep_blank_values=True)


def _declared(route: APIRoute) -> Declared:
    extra = route.openapi_extra or {}
    return Declared(
        Rate(extra.get("x-rate-limit", Rate.READS)),
        extra.get("x-scope") == PUBLIC,
        frozenset(extra.get("x-searched-by", ())),
        dict(query_of(route.dependant)),
    )


def query_of(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """Each parameter in the address by its name, and whether it takes several values."""
    for one in dependant.query_params:
        model = one.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            for name, field in model.model_fields.items():
                yield field.alias or name, SEVERAL in field.metadata
        else:
            yield one.alias, SEVERAL in one.field_info.metadata
    for needed in dependant.dependencies:
        yield from query_of(needed)

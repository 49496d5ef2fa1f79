"""A parameter that stands in an address more than once: all of its values count, or it is refused (contract §3)."""

from urllib.parse import urlencode

from starlette.datastructures import State
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from helpdesk.http.declared import Declared, Routes, values_of
from helpdesk.http.problem import Problem, answer, invalid, unavailable
from helpdesk.postgres.pool import UNAVAILABLE


class Repeated:
    """``?status=a&status=b`` is ``?status=a,b`` where the route takes several; where it takes one it is a 400, for
    nobody could say which of them counts. Who brings no good token hears that first, and from the route."""

    def __init__(self, app: ASGIApp, routes: Routes, state: State) -> None:
        """`state.judge` says whose token has ended."""
        self._app, self._routes, self._state = app, routes, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or b"&" not in scope["query_string"]:
            return await self._app(scope, receive, send)
        values: dict[str, list[str]] = {}
        for name, value in values_of(scope["query_string"]):
            values.setdefault(name, []).append(value)
        repeated = [name for name, found in values.items() if len(found) > 1]
        if not repeated:
            return await self._app(scope, receive, send)
        route = self._routes.of(str(scope["method"]), str(scope["path"]))
        wrong = next((name for name in repeated if route.query.get(name) is False), None)
        if wrong is not None and (route.is_public or scope.get("principal")):
            refusal = await self._ended(scope, route) or invalid(wrong, "must be given once", "repeated")
            return await answer(Request(scope), refusal)(scope, receive, send)
        joined = {name: _joined(found) if route.query.get(name) else found for name, found in values.items()}
        scope["query_string"] = urlencode(joined, doseq=True).encode()
        return await self._app(scope, receive, send)

    async def _ended(self, scope: Scope, route: Declared) -> Problem | None:
        """What the caller hears whose token has ended since it was signed."""
        if route.is_public:
            return None
        try:
            await self._state.judge(scope, scope["principal"])
        except Problem as refusal:
            return refusal
        except UNAVAILABLE:
            return unavailable()
        return None


def _joined(values: list[str]) -> list[str]:
    """As one value; what is blank says nothing."""
    return [",".join(value for value in values if value.strip())]

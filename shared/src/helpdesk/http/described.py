"""What the OpenAPI document says of every route alike, so that no route says it: errors that any call can meet, and
headers (contract §3, §12). A route's own words win."""

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from helpdesk.http.access import Rate
from helpdesk.http.problem import MEDIA_TYPE

_METHODS: Final = frozenset({"get", "put", "post", "patch", "delete"})
_WRITES: Final = frozenset({"put", "post", "patch", "delete"})


def _header(description: str, example: str | int, type_: str = "string") -> dict[str, Any]:
    return {"description": description, "schema": {"type": type_}, "example": example}


HEADERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "X-Request-Id": _header("The request's id, for the logs.", "018f3a5c-7b1e-4c3d-9e5f-0123456789ab"),
    "RateLimit-Policy": _header("The class of call, its quota and its window in seconds.", '"writes";q=120;w=60'),
    "RateLimit": _header("What remains of the quota, and for how many seconds.", '"writes";r=119;t=42'),
    "X-RateLimit-Limit": _header("The quota.", 120, "integer"),
    "X-RateLimit-Remaining": _header("What remains of it.", 119, "integer"),
    "X-RateLimit-Reset": _header("When the window ends, in seconds since 1970.", 1796012915, "integer"),
    "Retry-After": _header("Seconds until the call may be sent again.", 1, "integer"),
    "ETag": _header(
        "The stream's version, for If-Match, and a hash of the body, for If-None-Match.", '"v17.2f1c8d0a9b3e4f56"'
    ),
    "Consistency-Token": _header("Where the write stands; a read that sends it along sees the write.", "W1sidGlj…"),
    "Consistency": _header("`behind` when the views have not caught up yet.", "behind"),
    "Preference-Applied": _header("`respond-async` when the answer did not wait for the views.", "respond-async"),
    "Idempotency-Replayed": _header("`true` when the request was carried out before, under its key.", "true"),
    "WWW-Authenticate": _header("`Bearer`.", "Bearer"),
    "Location": _header("Where the new thing is.", "/api/v1/tickets/018f3a5c-7b1e-7c3d-9e5f-0123456789ab"),
}
_STANDING: Final = (
    *("RateLimit-Policy", "RateLimit"),
    *("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"),
)
_OF_THE_GATEWAY: Final = frozenset({"414", "431"})
"""It counts nobody."""
_POSITIONS: Final = ("Consistency-Token", "Consistency")
_ASKED: Final = {
    name: {"name": name, "in": "header", "required": False, "description": words, "schema": {"type": "string"}}
    for name, words in {
        "Prefer": "`respond-async`: the answer does not wait until the views show the change.",
        "If-None-Match": "The ETag of what the caller has already: 304 when it still is that.",
    }.items()
}
_PROBLEM: Final = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}}
_OF_STATUS: Final[Mapping[str, tuple[str, ...]]] = {
    "304": ("ETag",),
    "401": ("WWW-Authenticate",),
    "409": ("Retry-After",),
    "412": ("ETag",),
    "429": ("Retry-After",),
    "503": ("Retry-After",),
}


def header(name: str) -> dict[str, Any]:
    """A reference to one of `HEADERS`, for a route's `responses=`: ``{201: {"headers": header("Location")}}``."""
    return {name: {"$ref": f"#/components/headers/{name}"}}


TAGGED: Final[Mapping[int | str, dict[str, Any]]] = {
    200: {"headers": header("ETag")},
    304: {"description": "The caller has it already (If-None-Match)"},
}
"""The `responses=` of a read that knows entity tags."""


def describe(document: dict[str, Any], *, appends: bool) -> dict[str, Any]:
    """`document`, with what holds for every one of its operations. `appends`: its writes say where they stand."""
    for operation, is_write in _operations(document):
        _describe(operation, is_write=is_write, appends=appends)
    document.setdefault("components", {})["headers"] = {name: dict(one) for name, one in HEADERS.items()}
    return document


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], bool]]:
    for operations in document["paths"].values():
        for method, operation in operations.items():
            if method in _METHODS:
                yield operation, method in _WRITES


def _describe(operation: dict[str, Any], *, is_write: bool, appends: bool) -> None:
    responses = operation["responses"]
    is_counted = operation.get("x-rate-limit", Rate.UNCOUNTED) != Rate.UNCOUNTED
    for status in _errors(operation, is_counted=is_counted):
        problem = {"description": HTTPStatus(status).phrase, "content": _PROBLEM}
        responses.setdefault(str(status), problem)
    if searched_by := operation.get("x-searched-by"):
        words = f"With text in {' or '.join(f'`{name}`' for name in searched_by)} the call counts as a search."
        operation["description"] = "\n\n".join(filter(None, (operation.get("description"), words)))
    takes_keys = _takes_keys(operation)
    asked = [*(["Prefer"] if takes_keys and appends else []), *(["If-None-Match"] if "304" in responses else [])]
    if asked:
        operation["parameters"] = [*operation.get("parameters", []), *[_ASKED[name] for name in asked]]
    for status, response in responses.items():
        names = [*_of_every(operation, status)]
        if status.startswith("2") and is_write and appends:
            names += _POSITIONS
        if status.startswith("2") and takes_keys:
            names += ["Idempotency-Replayed", *(["Preference-Applied"] if appends else [])]
            names += ["ETag"] if "content" in response else []
        _name(response, names)


def name_headers(operation: dict[str, Any]) -> None:
    """Say of every response, also of those that were described since, which headers it has whatever the call."""
    for status, response in operation["responses"].items():
        _name(response, _of_every(operation, status))


def _of_every(operation: Mapping[str, Any], status: str) -> tuple[str, ...]:
    is_counted = operation.get("x-rate-limit", Rate.UNCOUNTED) != Rate.UNCOUNTED and status not in _OF_THE_GATEWAY
    return "X-Request-Id", *(_STANDING if is_counted else ()), *_OF_STATUS.get(status, ())


def _name(response: dict[str, Any], names: Sequence[str]) -> None:
    headers = {name: one for wanted in names for name, one in header(wanted).items()}
    response["headers"] = headers | response.get("headers", {})


def _errors(operation: Mapping[str, Any], *, is_counted: bool) -> Iterator[int]:
    yield from (414, 431)  # the gateway's own, for addresses and headers too long
    if is_counted:
        yield from (400, 429, 503)
    if operation.get("security"):
        yield 401
    if "requestBody" in operation:
        yield 413


def _takes_keys(operation: Mapping[str, Any]) -> bool:
    return any(one.get("name") == "Idempotency-Key" for one in operation.get("parameters", ()))

"""The one error body, for every status ≥ 400 on every path (contract §3)."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from helpdesk.clock import utc_now
from helpdesk.http.json import dumps
from helpdesk.http.wire import instant

MEDIA_TYPE: Final = "application/problem+json"
_CODES: Final[Mapping[int, str]] = {
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    409: "CONFLICT",
    429: "RATE_LIMITED",
}
_REASONS: Final[Mapping[int, str]] = {
    400: "bad_request",
    401: "unauthorized",
    403: "not_allowed",
    404: "not_found",
    405: "method_not_allowed",
    412: "stale_version",
    413: "payload_too_large",
    415: "unsupported_media_type",
    503: "unavailable",
}


class FieldProblem(BaseModel):
    """One field that breaks a rule."""

    field: str
    message: str
    code: str


class ProblemBody(BaseModel):
    """The error body, for OpenAPI."""

    code: str = Field(description="one of the contract's eight words")
    reason: str = Field(description="the precise machine code, snake case")
    message: str
    error: str = Field(description="the same as message")
    timestamp: str
    path: str
    requestId: str  # noqa: N815 - the contract's name
    type: str
    title: str
    status: int
    detail: str
    instance: str
    details: list[FieldProblem] | None = None
    errors: list[FieldProblem] | None = None


class MissedEvent(BaseModel):
    """One thing that happened since the caller's version."""

    version: int
    id: UUID
    type: str = Field(description="as in the activities of a ticket")
    changes: dict[str, Any]
    at: str
    actorId: UUID  # noqa: N815 - the contract's name


class StaleBody(ProblemBody):
    """The error body of a 412, for OpenAPI."""

    currentVersion: int | None = Field(None, description="where the thing is now")  # noqa: N815 - the contract's name
    missed: list[MissedEvent] | None = Field(
        None, description="of a ticket: the latest 50 of what happened since, as far as the caller may see it"
    )


class Problem(Exception):
    """Ends a request with an error answer. `reason` is the documented machine code, `extra` further body fields."""

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        fields: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message
        self.fields, self.headers, self.extra = fields, headers or {}, extra or {}


def invalid(field: str, message: str, code: str) -> Problem:
    """A 400 for one field."""
    return Problem(
        400, "validation_failed", f"{field}: {message}", fields=[FieldProblem(field=field, message=message, code=code)]
    )


def unavailable() -> Problem:
    """A 503 that says when to come again, and nothing of why."""
    return Problem(503, "unavailable", "The service cannot answer now; try again.", headers={"Retry-After": "1"})


def internal() -> Problem:
    """A 500, which reveals nothing."""
    return Problem(500, "internal_error", "Something went wrong on our side.")


def plain(status: int) -> Problem:
    """The problem of a bare status that the framework raises."""
    phrase = HTTPStatus(status).phrase
    return Problem(status, _REASONS.get(status, phrase.lower().replace(" ", "_").replace("-", "_")), phrase)


def malformed_json() -> Problem:
    """The 400 of a body that cannot be read at all."""
    return Problem(400, "malformed_json", "The body is not valid JSON.")


def of_validation(error: RequestValidationError) -> Problem:
    """A 400 from what pydantic found wrong; values are never repeated, only where and why."""
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        return malformed_json()
    fields = [
        FieldProblem(
            field=".".join(str(part) for part in one["loc"][1:]) or str(one["loc"][0]),
            message=_sentence(one["msg"]),
            code=one["type"],
        )
        for one in found
    ]
    first = fields[0]
    return Problem(400, "validation_failed", f"{first.field}: {first.message}", fields=fields)


def _sentence(message: str) -> str:
    return message[:1].lower() + message[1:]


def answer(request: Request, problem: Problem) -> Response:
    """The answer that a problem makes. Its reason stays with the request, for whoever tells of the outcome."""
    request.scope["reason"] = problem.reason
    fields = [one.model_dump() for one in problem.fields]
    body: dict[str, Any] = {
        **problem.extra,
        "code": "VALIDATION_ERROR" if fields else code_of(problem.status),
        "reason": problem.reason,
        "message": problem.message,
        "error": problem.message,
        "timestamp": instant(utc_now()),
        "path": original_path(request),
        "requestId": request.scope.get("request_id", ""),
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.message,
        "instance": quote(original_path(request), safe="/:@!$&'()*+,;=~-._"),
    }
    if fields:
        body |= {"details": fields, "errors": fields}
    return Response(dumps(body), problem.status, headers=dict(problem.headers), media_type=MEDIA_TYPE)


def original_path(request: Request) -> str:
    """The path as the client sent it, before an alias was resolved."""
    return str(request.scope.get("original_path", request.scope["path"]))


def code_of(status: int) -> str:
    """The contract's word for a status without details."""
    if status >= 500:
        return "INTERNAL_ERROR"
    return _CODES.get(status, "BAD_REQUEST")

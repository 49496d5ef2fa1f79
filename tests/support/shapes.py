"""What strict, typed clients check of every answer: JSON Schemas whose enumerations are closed (contract §2–§10).

Further fields are allowed everywhere, because adding is free; a missing one, an unknown word or a time in another form
is not. `answered` holds every answer to its schema and to what is promised of all answers.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

import httpx
from jsonschema import Draft202012Validator

Schema: TypeAlias = Mapping[str, Any]

UUID_PATTERN: Final = "^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$"
UUID_7_PATTERN: Final = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
TEXT: Final[Schema] = {"type": "string"}
FLAG: Final[Schema] = {"type": "boolean"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
ANY_ID: Final[Schema] = {"type": "string", "pattern": UUID_PATTERN}
"""Only a request's: it is whatever UUID the client sent."""
ID: Final[Schema] = {"type": "string", "pattern": UUID_7_PATTERN}
"""Of whatever we made, and wherever it is referred to."""
RANDOM_ID: Final[Schema] = {"type": "string", "pattern": UUID_7_PATTERN.replace("-7", "-4")}
DEMO_COMPANY_ID: Final = "550e8400-e29b-41d4-a716-446655440000"
TENANT_ID: Final[Schema] = {"anyOf": [ID, {"const": DEMO_COMPANY_ID}]}
"""The contract gives the demo tenant's id (§4)."""
NOBODY_ID: Final = "00000000-0000-0000-0000-000000000000"
"""Whoever acts as the operator: nobody's account."""
INSTANT: Final[Schema] = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}


def one_of(*words: str | None) -> Schema:
    """A closed enumeration."""
    return {"enum": list(words)}


def or_null(schema: Schema) -> Schema:
    """The same, or null; never absent."""
    return {"anyOf": [schema, {"type": "null"}]}


def array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def has(base: Schema | None = None, /, **fields: Schema) -> Schema:
    """An object with at least these fields (and those of `base`)."""
    properties = {**(base["properties"] if base else {}), **fields}
    return {"type": "object", "required": list(properties), "properties": properties}


PERSON: Final = has(id=ID, email=TEXT, firstName=TEXT, lastName=TEXT)

SCOPE: Final = one_of(
    "tickets:read:own",
    "tickets:write:own",
    "tickets:read:any",
    "tickets:read:assigned",
    "tickets:write:assigned",
    "tickets:write:any",
    "tickets:delete:any",
    "users:read:any",
    "users:write:any",
)
USER: Final = has(
    PERSON,
    name=TEXT,
    role=one_of("ADMIN", "AGENT", "USER"),
    roles={**array(one_of("ROLE_ADMIN", "ROLE_AGENT", "ROLE_USER")), "minItems": 1},
    scopes=array(SCOPE),
    tenantId=TENANT_ID,
    enabled=FLAG,
    isActive=FLAG,
    createdAt=INSTANT,
    updatedAt=INSTANT,
)
AUTH: Final = has(
    accessToken=TEXT,
    refreshToken=RANDOM_ID,
    tokenType={"const": "Bearer"},
    expiresIn={"type": "integer", "minimum": 1},
    token=TEXT,
    user=USER,
)

TICKET: Final = has(
    id=ID,
    number={"type": "integer", "minimum": 1},
    title=TEXT,
    description=TEXT,
    status=one_of("open", "in_progress", "resolved", "closed"),
    priority=one_of("low", "medium", "high", "critical"),
    waitingOn=one_of("requester", "third_party", None),
    resolution=one_of("solved", "cancelled", "duplicate", "merged", None),
    tags=array(TEXT),
    createdAt=INSTANT,
    updatedAt=INSTANT,
    tenantId=TENANT_ID,
    createdById=ID,
    assignedToId=or_null(ID),
    metadata=or_null({"type": "object"}),
    createdBy=PERSON,
)
CREATED_TICKET: Final = has(TICKET, tenant=has(id=TENANT_ID, name=TEXT))
TENANT: Final = has(
    id=TENANT_ID, name=TEXT, slug=TEXT, settings={"type": "object"}, createdAt=INSTANT, updatedAt=INSTANT
)
LISTED_TENANT: Final = has(TENANT, _count=has(users=COUNT, tickets=COUNT))
TENANT_DETAIL: Final = has(TENANT, _count=has(users=COUNT, tickets=COUNT, webhooks=COUNT))
COMMENT: Final = has(
    id=ID,
    ticketId=ID,
    content={"type": "string", "minLength": 1},
    isInternal=FLAG,
    createdAt=INSTANT,
    updatedAt=INSTANT,
    authorId=ID,
    userId=ID,
    authorName=TEXT,
    author=PERSON,
)
LISTED_TICKET: Final = has(TICKET, comments=array(has(id=ID, content=TEXT, createdAt=INSTANT)))
ACTIVITY: Final = has(
    id=ID,
    ticketId=ID,
    type=one_of(
        *("CREATED", "UPDATED", "COMMENTED", "STATUS_CHANGED", "PRIORITY_CHANGED", "ASSIGNED"),
        *("COMMENT_EDITED", "COMMENT_DELETED", "ATTACHMENT_ADDED", "ATTACHMENT_REMOVED"),  # the newer ones
    ),
    changes={"type": "object"},
    createdAt=INSTANT,
    actor=PERSON,
)
UPLOAD: Final = has(uploadUrl=TEXT, key=TEXT, fileUrl=TEXT)
ATTACHMENT: Final = has(
    id=ID, filename=TEXT, fileUrl=TEXT, fileSize=COUNT, mimeType=TEXT, ticketId=ID, createdAt=INSTANT
)
TICKET_DETAIL: Final = has(
    TICKET, comments=array(COMMENT), attachments=array(ATTACHMENT), activities={**array(ACTIVITY), "minItems": 1}
)
STATS: Final = has(
    total=COUNT,
    byStatus=has(open=COUNT, in_progress=COUNT, resolved=COUNT, closed=COUNT),
    byPriority=has(low=COUNT, medium=COUNT, high=COUNT, critical=COUNT),
)

WEBHOOK: Final = has(
    id=ID,
    tenantId=TENANT_ID,
    url=TEXT,
    events={**array(TEXT), "minItems": 1},
    isActive=FLAG,
    createdAt=INSTANT,
    updatedAt=INSTANT,
)
NOTIFICATION: Final = has(
    id=ID,
    type=one_of("TICKET_CREATED", "TICKET_UPDATED", "TICKET_ASSIGNED", "COMMENT_ADDED", "STATUS_CHANGED"),
    userId=ID,
    title=TEXT,
    message=TEXT,
    data=has(ticketId=ID),
    isRead=FLAG,
    createdAt=INSTANT,
)


def page_of(items: Schema) -> Schema:
    """The envelope of page mode (contract §5)."""
    meta = has(
        page={"type": "integer", "minimum": 1},
        limit={"type": "integer", "minimum": 1, "maximum": 100},
        total=COUNT,
        totalPages=COUNT,
        hasNextPage=FLAG,
        hasPreviousPage=FLAG,
    )
    return has(data=array(items), meta=meta)


def slice_of(items: Schema) -> Schema:
    """The envelope of cursor mode (contract §5)."""
    meta = has(nextCursor=or_null(TEXT), previousCursor=or_null(TEXT), hasNextPage=FLAG, hasPreviousPage=FLAG)
    return has(data=array(items), meta=meta)


CODES: Final[Mapping[str, frozenset[int]]] = {
    "VALIDATION_ERROR": frozenset({400}),
    "BAD_REQUEST": frozenset({400, 405, 406, 408, 412, 413, 414, 415, 422, 428, 431}),
    "UNAUTHORIZED": frozenset({401}),
    "FORBIDDEN": frozenset({403}),
    "NOT_FOUND": frozenset({404}),
    "CONFLICT": frozenset({409}),
    "RATE_LIMITED": frozenset({429}),
    "INTERNAL_ERROR": frozenset(range(500, 600)),
}
_FIELD: Final = has(field=TEXT, message=TEXT, code=TEXT)
ERROR: Final = {
    **has(
        code=one_of(*CODES),
        reason={"type": "string", "pattern": "^[a-z][a-z0-9]*(_[a-z0-9]+)*$"},
        message={"type": "string", "minLength": 1},
        error=TEXT,
        timestamp=INSTANT,
        path={"type": "string", "pattern": "^/"},
        requestId=ANY_ID,
        type=TEXT,
        title={"type": "string", "minLength": 1},
        status={"type": "integer"},
        detail=TEXT,
        instance=TEXT,
    ),
    "if": has(code={"const": "VALIDATION_ERROR"}),
    "then": has(details={**array(_FIELD), "minItems": 1}, errors={**array(_FIELD), "minItems": 1}),
}

SECURITY: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY|SAMEORIGIN",
    "Content-Security-Policy": ".+",
    "Strict-Transport-Security": r"max-age=\d+.*",
    "Referrer-Policy": ".+",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
_ANYBODYS: Final = frozenset({"metadata", "settings", "requestId"})
"""What clients fill."""
SECRETS: Final = re.compile(r"argon2|password_?hash|traceback|psycopg|asyncpg|site-packages|\.py\b", re.IGNORECASE)


def answered(response: httpx.Response, status: int, schema: Schema | None = None) -> Any:
    """The JSON of an answer with this status and shape; None when it has no body."""
    assert response.status_code == status, f"{response.request.method} {response.url}: {response.text[:600]}"
    _every_answer(response)
    if status >= 400:
        return _error(response)
    if status in (204, 304) or response.request.method == "HEAD":
        assert response.content == b""
        return None
    if not response.headers["content-type"].startswith("application/json"):
        return None
    value = _strict_json(response.text)
    if schema is not None:
        fits(value, schema)
    assert not [*of_another_version(value)], response.text
    return value


def refused(response: httpx.Response, status: int, reason: str | None = None, field: str | None = None) -> Any:
    """The error body of an answer with this status, with this reason, about this field."""
    body = answered(response, status)
    if reason is not None:
        assert body["reason"] == reason, body
    if field is not None:
        assert field in {one["field"] for one in body["details"]}, body
    return body


def of_another_version(value: Any, place: str = "$") -> Iterator[str]:
    """Where an answer shows an id (`id`, `…Id`) that is no UUID of version 7 (contract §2), whichever route gave it."""
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield from of_another_version(one, f"{place}[{number}]")
    elif isinstance(value, dict):
        for name, one in value.items():
            if name in _ANYBODYS:
                continue
            if isinstance(one, str) and (name == "id" or name.endswith("Id")):
                if re.fullmatch(UUID_PATTERN, one) and not re.fullmatch(UUID_7_PATTERN, one) and one != DEMO_COMPANY_ID:
                    yield f"{place}.{name}: {one} is not of version 7"
            else:
                yield from of_another_version(one, f"{place}.{name}")


def fits(value: Any, schema: Schema) -> None:
    """Fails with every reason why `value` is not of this shape."""
    found = [f"{error.json_path}: {error.message[:300]}" for error in Draft202012Validator(schema).iter_errors(value)]
    assert not found, "\n".join(found)


def _every_answer(response: httpx.Response) -> None:
    headers = response.headers
    assert re.fullmatch(UUID_PATTERN, headers["X-Request-Id"]), headers["X-Request-Id"]
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in headers
    for name, pattern in SECURITY.items():
        assert re.fullmatch(pattern, headers.get(name, "")), f"{name}: {headers.get(name)}"
    for name in ("Server", "X-Powered-By", "Via"):
        assert name not in headers, f"{name}: {headers[name]}"
    repeated = {name for name, _ in headers.multi_items() if len(headers.get_list(name)) > 1} - {"vary", "link"}
    assert not repeated, repeated


def _error(response: httpx.Response) -> Any:
    assert response.headers["content-type"] == "application/problem+json"
    if response.request.method == "HEAD":
        assert response.content == b""
        return None
    body = _strict_json(response.text)
    fits(body, ERROR)
    assert body["status"] == response.status_code
    assert response.status_code in CODES[body["code"]], body
    assert body["message"] == body["error"] == body["detail"]
    assert body.get("errors") == body.get("details")
    assert ("details" in body) == (body["code"] == "VALIDATION_ERROR"), body
    assert body["requestId"] == response.headers["X-Request-Id"]
    assert body["path"] == response.request.url.path
    assert not SECRETS.search(response.text), response.text
    return body


def _strict_json(text: str) -> Any:
    """JSON without what only Python accepts, and no time but in the contract's form."""
    assert "+00:00" not in text
    return json.loads(text, parse_constant=_no_constant)


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")

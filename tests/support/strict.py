"""Every answer is judged: by the OpenAPI document (status, content type, shape, no field that it does not name) and by
the closed schemas of strict, typed clients. `judged` is a client's event hook: no test has to ask for it.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from jsonschema import Draft202012Validator

from support import shapes
from support.document import Json, Operation, document, operation_at
from support.shapes import Schema, array, has, or_null, page_of, slice_of

PROBLEM: Final = "application/problem+json"
OF_THE_GATEWAY: Final = frozenset({404, 405, 413, 414, 431, 502, 504})
"""What any address may answer, because the gateway says it or the request has met no operation."""
STREAM: Final = "text/event-stream"
ECHOES: Final = "POST /api/v1/tickets/bulk-update"
"""Its `results` repeat the ids that the caller named, unknown ones too."""
METHODS_WITHOUT_BODY: Final = ("HEAD", "OPTIONS")


def either(*schemas: Schema) -> Schema:
    """One of these shapes."""
    return {"anyOf": list(schemas)}


def listed(items: Schema) -> Schema:
    """A list in its three shapes (contract §5)."""
    return either(array(items), page_of(items), slice_of(items))


def enveloped(items: Schema) -> Schema:
    """A list that is never bare."""
    return either(page_of(items), slice_of(items))


NOTIFICATION: Final = has(
    shapes.NOTIFICATION,
    type={"type": "string", "pattern": "^[A-Z]+(_[A-Z]+)*$"},
    data={"type": "object"},
)
"""One of any type, newer ones included."""
OPERATOR: Final = has(shapes.PERSON, id={"const": shapes.NOBODY_ID})
"""Who acts when an operator does: nobody's account."""
ACTIVITY: Final = has(
    shapes.ACTIVITY,
    type={"type": "string", "pattern": "^[A-Z]+(_[A-Z]+)*$"},
    actor=either(shapes.PERSON, OPERATOR),
)
COMMENT: Final = has(shapes.COMMENT, content=shapes.TEXT)
"""Also one whose text was redacted."""
DETAIL: Final = has(shapes.TICKET_DETAIL, activities={**array(ACTIVITY), "minItems": 1}, comments=array(COMMENT))
ATTACHMENT: Final = has(
    id=shapes.ID,
    filename=shapes.TEXT,
    fileUrl=shapes.TEXT,
    fileSize=shapes.COUNT,
    mimeType=shapes.TEXT,
    ticketId=shapes.ID,
    createdAt=shapes.INSTANT,
)
TENANT: Final = has(
    id=shapes.TENANT_ID,
    name=shapes.TEXT,
    slug={"type": "string", "pattern": "^[a-z0-9-]+$"},
    settings=or_null({"type": "object"}),
    createdAt=shapes.INSTANT,
    updatedAt=shapes.INSTANT,
)
ANY_USER: Final = has(shapes.USER)
ROUTES: Final[Mapping[str, Schema]] = {
    "POST /api/v1/auth/signup": shapes.AUTH,
    "POST /api/v1/auth/register": ANY_USER,
    "POST /api/v1/auth/login": shapes.AUTH,
    "POST /api/v1/auth/refresh": shapes.AUTH,
    "GET /api/v1/auth/me": ANY_USER,
    "PUT /api/v1/auth/me": ANY_USER,
    "POST /api/v1/tickets": shapes.CREATED_TICKET,
    "GET /api/v1/tickets": listed(shapes.LISTED_TICKET),
    "GET /api/v1/tickets/stats": shapes.STATS,
    "GET /api/v1/tickets/{id}": DETAIL,
    "PUT /api/v1/tickets/{id}": shapes.TICKET,
    "PATCH /api/v1/tickets/{id}": shapes.TICKET,
    "GET /api/v1/tickets/{ticketId}/comments": listed(COMMENT),
    "POST /api/v1/tickets/{ticketId}/comments": shapes.COMMENT,
    "PUT /api/v1/tickets/{ticketId}/comments/{id}": COMMENT,
    "PATCH /api/v1/tickets/{ticketId}/comments/{id}": COMMENT,
    "POST /api/v1/comments": shapes.COMMENT,
    "GET /api/v1/comments": enveloped(COMMENT),
    "PUT /api/v1/comments/{id}": COMMENT,
    "PATCH /api/v1/comments/{id}": COMMENT,
    "GET /api/v1/tickets/{ticketId}/attachments": listed(ATTACHMENT),
    "POST /api/v1/tickets/{ticketId}/attachments": ATTACHMENT,
    "POST /api/v1/tickets/{ticketId}/attachments/upload-url": has(
        uploadUrl=shapes.TEXT, key=shapes.TEXT, fileUrl=shapes.TEXT
    ),
    "POST /api/v1/webhooks": shapes.WEBHOOK,
    "GET /api/v1/webhooks": listed(shapes.WEBHOOK),
    "PUT /api/v1/webhooks/{id}": shapes.WEBHOOK,
    "PATCH /api/v1/webhooks/{id}": shapes.WEBHOOK,
    "GET /api/v1/notifications": listed(NOTIFICATION),
    "PUT /api/v1/notifications/{id}/read": NOTIFICATION,
    "PUT /api/v1/notifications/read-all": has(count=shapes.COUNT),
    "GET /api/v1/tenants": listed(has(TENANT, _count=has(users=shapes.COUNT, tickets=shapes.COUNT))),
    "GET /api/v1/tenants/{id}": has(
        TENANT, _count=has(users=shapes.COUNT, tickets=shapes.COUNT, webhooks=shapes.COUNT)
    ),
    "POST /api/v1/tenants": TENANT,
    "PUT /api/v1/tenants/{id}": TENANT,
    "GET /api/v1/users/{id}": ANY_USER,
    "POST /api/v1/users": ANY_USER,
    "PUT /api/v1/users/{id}": ANY_USER,
    "PATCH /api/v1/users/{id}": ANY_USER,
}
"""The contract's shapes by route; a route that is not here is judged by the document alone."""


async def judged(response: httpx.Response) -> None:
    """The event hook: fails with the request, the answer and each place where it breaks a promise."""
    if not response.headers.get("content-type", "").startswith(STREAM):
        await response.aread()
        judge(response)


def judge(response: httpx.Response) -> None:
    """The same for an answer that has been read."""
    if response.request.method == "OPTIONS" or not 200 <= response.status_code < 600:
        return
    path = urlsplit(str(response.request.url)).path
    broken = found(
        response.request.method,
        path,
        response.status_code,
        response.headers.get("content-type", ""),
        response.content,
    )
    assert not broken, f"{response.request.method} {response.request.url} → {response.status_code}:\n" + "\n".join(
        [*broken, response.text[:1000]]
    )


def found(method: str, path: str, status: int, content_type: str, content: bytes) -> list[str]:
    """What is wrong with an answer, each with its place; nothing for one that keeps every promise."""
    operation = operation_at(method, path)
    said = operation.documented(status) if operation is not None else None
    media = content_type.partition(";")[0].strip().lower()
    broken = []
    if operation is not None and said is None and status not in OF_THE_GATEWAY:
        broken.append(f"the document does not name {status} for {operation}")
    if status >= 400:
        return broken + _of_a_problem(method, path, media, content)
    if method in METHODS_WITHOUT_BODY or status in (204, 304):
        return broken if not content else [*broken, f"a body with {method} or {status}"]
    if operation is None or said is None:
        return broken
    contents = said.get("content", {})
    if contents and media not in contents:
        broken.append(f"content type {media}; the document names {', '.join(contents)}")
    if media == "application/json" and not broken:
        broken += _of_json(operation, status, content)
    return broken


def _of_a_problem(method: str, path: str, media: str, content: bytes) -> list[str]:
    if path.startswith("/attachments/"):
        return []  # the file store's own
    if media != PROBLEM:
        return [f"an error as {media}"]
    if method == "HEAD":
        return [] if not content else ["a body with HEAD"]
    return _misfits(json.loads(content), _validator("problem", 0))


def _of_json(operation: Operation, status: int, content: bytes) -> list[str]:
    value = json.loads(content)
    name = str(operation).replace("{webhook_id}", "{id}")
    broken = _misfits(value, _validator(str(operation), status))
    if str(operation) != ECHOES:
        broken += shapes.of_another_version(value)
    return broken + (_misfits(value, _validator(name, 0)) if name in ROUTES else [])


def _misfits(value: Json, validator: Draft202012Validator) -> list[str]:
    return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]


@cache
def _validator(name: str, status: int) -> Draft202012Validator:
    """The document's for an operation and status; with 0 the strict clients' own."""
    if status == 0:
        return Draft202012Validator(shapes.ERROR if name == "problem" else ROUTES[name])
    method, _, path = name.partition(" ")
    said = Operation(method, path).documented(status) or {}
    schema = said.get("content", {}).get("application/json", {}).get("schema", {})
    components = {"schemas": {key: closed(one) for key, one in document()["components"]["schemas"].items()}}
    return Draft202012Validator(
        {**closed(schema), "components": components}, format_checker=Draft202012Validator.FORMAT_CHECKER
    )


def closed(schema: Any) -> Any:
    """The same schema, in which an object has no field beside those that are named."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: one if key in ("examples", "enum", "default") else closed(one) for key, one in schema.items()}
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
        inner["additionalProperties"] = False
    return inner

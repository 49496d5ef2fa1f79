"""Entity tags: `"v17.<hash of the body>"`; the part before the dot is the stream's version (contract §12)."""

import hashlib
import re
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from helpdesk.http.problem import Problem

NO_VERSION: Final = 0
"""A list is no stream: its tag says this, and the hash of its body."""
_VERSION = re.compile(r'(?:W/)?"v(\d{1,9})(?:\.[^"]*)?"')


def etag(version: int, body: bytes) -> str:
    """The tag of a representation of a stream at `version`."""
    return f'"v{version}.{hashlib.sha256(body).hexdigest()[:16]}"'


def respond(request: Request, body: bytes, version: int, status: int = 200) -> Response:
    """`body` with its tag, or 304 when `If-None-Match` names it already (reads only)."""
    tag = etag(version, body)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if request.method in ("GET", "HEAD") and _matches(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, status, headers=headers, media_type="application/json")


def expected_version(if_match: str | None) -> int | None:
    """The stream version that `If-Match` demands; None without the header or for `*`. Else a 400."""
    if if_match is None or if_match.strip() == "*":
        return None
    found = _VERSION.fullmatch(if_match.strip())
    if found is None:
        raise Problem(400, "malformed_etag", 'If-Match must be one entity tag of this service, such as "v17".')
    return int(found[1])


def _matches(if_none_match: str | None, tag: str) -> bool:
    if if_none_match is None:
        return False
    wanted = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return "*" in wanted or tag in wanted

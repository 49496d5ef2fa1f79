"""The caller's own account (contract §4)."""

from datetime import timedelta
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from helpdesk.auth.http import unknown_user
from helpdesk.clock import utc_now
from helpdesk.http.access import SELF, Rate, access
from helpdesk.http.app import API, problems
from helpdesk.http.problem import unavailable
from helpdesk.http.shapes import UserShape
from query_api.reading import Read, documented
from query_api.views import people

SIGN_UP_SEEN_WITHIN: Final = timedelta(minutes=1)
"""An account that is missing for a younger token is a sign-up that the views have not seen, not a stranger."""
router = APIRouter(prefix=f"{API}/auth", tags=["auth"])


@router.get(
    "/me",
    summary="Who am I",
    responses={
        **documented(UserShape),
        **problems(400, 401, 503),
    },
    openapi_extra=access(SELF, Rate.READS),
)
async def read_me(reading: Read) -> Response:
    """The account that the token belongs to."""
    (found,) = await reading.read(people.one(reading.tenant_id, reading.user_id))
    if not found and utc_now() - reading.caller.issued_at < SIGN_UP_SEEN_WITHIN:
        raise unavailable()
    if not found or not found[0].enabled:
        raise unknown_user()
    return reading.answer(people.account(found[0]), version=found[0].version)

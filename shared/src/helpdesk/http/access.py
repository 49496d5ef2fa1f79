"""What a route declares of itself: who may call it, and which rate its calls count against (behaviours §3)."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

PUBLIC: Final = "public"
"""The scope of a route that asks nobody who they are."""
SELF: Final = "self"
"""The scope of a route for whoever is signed in, about nothing but themselves."""


class Rate(StrEnum):
    """The classes of calls that are counted apart."""

    UNCOUNTED = "uncounted"
    AUTHENTICATION = "authentication"
    READS = "reads"
    WRITES = "writes"
    SEARCH = "search"
    EXPORTS = "exports"


def access(scope: str, rate: Rate, *, searched_by: Sequence[str] = ()) -> dict[str, Any]:
    """`openapi_extra=` of a route. `scope` is PUBLIC, SELF, or a right of `helpdesk.policy` (``tickets:write``).

    `searched_by` names parameters that make a search of a call: with text in one of them it counts as SEARCH.
    """
    extra = {"x-scope": scope, "x-rate-limit": rate.value}
    return extra | ({"x-searched-by": list(searched_by)} if searched_by else {})


OPEN: Final = access(PUBLIC, Rate.UNCOUNTED)
"""What monitors, browsers and other services fetch again and again: it asks nobody and counts nothing."""

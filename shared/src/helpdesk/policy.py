"""Who may do what: role → scopes → own or any (contract §4 and §13). The one place that says so."""

from enum import Enum
from typing import Final

ADMIN: Final = "ADMIN"
AGENT: Final = "AGENT"
USER: Final = "USER"

_USER = ("tickets:read:own", "tickets:write:own")
_AGENT = (
    *_USER,
    "tickets:read:any",
    "tickets:read:assigned",
    "tickets:write:assigned",
    "tickets:write:any",
)
_ADMIN = ("tickets:read:any", "tickets:write:any", "tickets:delete:any", "users:read:any", "users:write:any")

SCOPES: Final[dict[str, tuple[str, ...]]] = {USER: _USER, AGENT: _AGENT, ADMIN: _ADMIN}
"""The scopes that a token of each role carries and that clients read, in the contract's order."""

_STAFF_RIGHTS = frozenset({"webhooks:read", "webhooks:write"})
_RIGHTS: Final[dict[str, frozenset[str]]] = {
    USER: frozenset(),
    AGENT: _STAFF_RIGHTS | {"users:read"},
    ADMIN: _STAFF_RIGHTS
    | {
        "tenants:read",
        "tenants:write",
        "audit:read",
        "exports:read",
        "keys:read",
        "keys:write",
        "templates:read",
        "templates:write",
        "comments:redact",
    },
}
"""What each role may do beyond its scopes (contract §13): the scopes themselves are words that clients know."""

STAFF: Final = frozenset({AGENT, ADMIN})
"""Those who see internal notes and work on the tickets of others."""


class Reach(Enum):
    """How far a right goes: not at all, to what one made oneself, to everything of the tenant."""

    NONE = 0
    OWN = 1
    ANY = 2


def reach(role: str, right: str) -> Reach:
    """How far `role` has `right` (such as ``tickets:read``)."""
    scopes = SCOPES.get(role, ())
    if f"{right}:any" in scopes:
        return Reach.ANY
    return Reach.OWN if f"{right}:own" in scopes else Reach.NONE


def may(role: str, right: str) -> bool:
    """Whether `role` has `right` (such as ``users:write``) at all. How far it goes, its rule asks with `reach`."""
    return reach(role, right) is not Reach.NONE or right in _RIGHTS.get(role, frozenset())


def is_staff(role: str) -> bool:
    """Whether the role belongs to the tenant's own people (agents and admins)."""
    return role in STAFF


def may_manage_webhooks(role: str) -> bool:
    """Contract §9: admins and agents."""
    return may(role, "webhooks:write")

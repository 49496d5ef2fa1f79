"""The codec: stored names ↔ event classes, and upcasting. The only place that knows stored JSON.

A name in `WIRE` is chosen once and lives for ever. To change an event's shape: change its class, put it under the next
version here, and add an upcaster from the version before. `tests/contract/golden` holds a file of every version ever
stored; each decodes into the newest class, for ever.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from pydantic import TypeAdapter, ValidationError

from helpdesk.events import Event, operations, tenant, ticket, user, webhook

WIRE: Final[Mapping[tuple[str, int], type[Event]]] = {
    ("ticket.created", 1): ticket.TicketCreated,
    ("ticket.retitled", 1): ticket.TicketRetitled,
    ("ticket.description_rewritten", 1): ticket.TicketDescriptionRewritten,
    ("ticket.prioritized", 1): ticket.TicketPrioritized,
    ("ticket.metadata_replaced", 1): ticket.TicketMetadataReplaced,
    ("ticket.tagged", 1): ticket.TicketTagged,
    ("ticket.untagged", 1): ticket.TicketUntagged,
    ("ticket.assigned", 1): ticket.TicketAssigned,
    ("ticket.unassigned", 1): ticket.TicketUnassigned,
    ("ticket.started", 1): ticket.TicketStarted,
    ("ticket.returned", 1): ticket.TicketReturned,
    ("ticket.resolved", 1): ticket.TicketResolved,
    ("ticket.closed", 1): ticket.TicketClosed,
    ("ticket.reopened", 1): ticket.TicketReopened,
    ("ticket.wait_started", 1): ticket.TicketWaitStarted,
    ("ticket.wait_ended", 1): ticket.TicketWaitEnded,
    ("ticket.deleted", 1): ticket.TicketDeleted,
    ("comment.added", 1): ticket.CommentAdded,
    ("comment.edited", 1): ticket.CommentEdited,
    ("comment.deleted", 1): ticket.CommentDeleted,
    ("attachment.added", 1): ticket.AttachmentAdded,
    ("attachment.removed", 1): ticket.AttachmentRemoved,
    ("ticket.redacted", 1): ticket.TicketRedacted,
    ("user.registered", 1): user.UserRegistered,
    ("user.invited", 1): user.UserInvited,
    ("user.renamed", 1): user.UserRenamed,
    ("user.role_changed", 1): user.UserRoleChanged,
    ("user.deactivated", 1): user.UserDeactivated,
    ("user.reactivated", 1): user.UserReactivated,
    ("user.password_changed", 1): user.UserPasswordChanged,
    ("user.signed_out", 1): user.UserSignedOut,
    ("user.redacted", 1): user.UserRedacted,
    ("tenant.created", 1): tenant.TenantCreated,
    ("tenant.renamed", 1): tenant.TenantRenamed,
    ("tenant.slug_changed", 1): tenant.TenantSlugChanged,
    ("tenant.settings_replaced", 1): tenant.TenantSettingsReplaced,
    ("tenant.closed", 1): tenant.TenantClosed,
    ("tenant.purged", 1): operations.TenantPurged,
    ("webhook.endpoint_created", 1): webhook.WebhookEndpointCreated,
    ("webhook.endpoint_changed", 1): webhook.WebhookEndpointChanged,
    ("webhook.endpoint_deleted", 1): webhook.WebhookEndpointDeleted,
    ("system.probed", 1): operations.SystemProbed,
}

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
UPCASTERS: Final[Mapping[tuple[str, int], Upcaster]] = {}
"""(type, version) → a function to the shape of version + 1: pure, leaving what it is given as it is."""

_NAMES: Final = {cls: name for name, cls in WIRE.items()}
_VALIDATED: Final[Mapping[tuple[str, int], Callable[[dict[str, Any]], Event]]] = {
    name: TypeAdapter(cls).validator.validate_python for name, cls in WIRE.items()
}
_TYPES: Final = frozenset(type_ for type_, _ in WIRE)


class Undecodable(Exception):
    """Stored data that this version must know and cannot read: poison, never skipped."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """An event as it is stored: `data` is its JSON, byte for byte what readers will see."""

    type: str
    schema_version: int
    data: bytes


def encode(event: Event) -> Encoded:
    """The stored form of `event`. Raises KeyError for a class without a stored name."""
    type_, version = _NAMES[type(event)]
    return Encoded(type_, version, orjson.dumps(event, option=orjson.OPT_UTC_Z))


def type_of(event: Event) -> str:
    """The stored (dotted) name of an event's class."""
    return _NAMES[type(event)][0]


def decode(
    type_: str,
    schema_version: int,
    data: dict[str, Any],
    upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS,
) -> Event | None:
    """The event that `data` tells of, lifted to the newest shape; None for an unknown type.

    Raises Undecodable for an unknown version of a known type and for data that does not fit.
    """
    if type_ not in _TYPES:
        return None
    version = schema_version
    while (type_, version) in upcasters:
        data = upcasters[type_, version](data)
        version += 1
    if (type_, version) not in WIRE:
        raise Undecodable(f"{type_} has no version {schema_version} here")
    try:
        return _VALIDATED[type_, version](data)
    except ValidationError as error:
        # Only where it fails, never what stands there: events hold what people wrote.
        places = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors(include_input=False))
        raise Undecodable(f"{type_} version {schema_version} does not fit: {places}") from None

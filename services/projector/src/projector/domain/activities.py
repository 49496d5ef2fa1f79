"""Read model `activities`: what happened to a ticket, as its readers see it (contract §6). One row an event."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never
from uuid import UUID

from helpdesk.events.ticket import (
    CommentAdded,
    CommentDeleted,
    CommentEdited,
    TicketAssigned,
    TicketClosed,
    TicketCreated,
    TicketDeleted,
    TicketDescriptionRewritten,
    TicketEvent,
    TicketMetadataReplaced,
    TicketPrioritized,
    TicketReopened,
    TicketResolved,
    TicketRetitled,
    TicketReturned,
    TicketStarted,
    TicketTagged,
    TicketUnassigned,
    TicketUntagged,
    TicketWaitEnded,
    TicketWaitStarted,
)


@dataclass(frozen=True, slots=True)
class ActivityRow:
    """`changes` is {field: {from, to}} in the API's names; `is_internal` ones are not for requesters."""

    version: int
    id: UUID
    type: str
    changes: Mapping[str, Any]
    is_internal: bool
    actor_id: UUID
    created_at: datetime


def of(event: TicketEvent, version: int, event_id: UUID) -> ActivityRow:
    """The activity that an event makes."""
    type_, changes = _described(event)
    internal = isinstance(event, CommentAdded | CommentEdited | CommentDeleted) and event.is_internal
    return ActivityRow(version, event_id, type_, changes, internal, event.by, event.at)


def _described(event: TicketEvent) -> tuple[str, dict[str, Any]]:
    match event:
        case TicketCreated():
            return "CREATED", {}
        case TicketRetitled():
            return "UPDATED", _change("title", event.previous, event.title)
        case TicketDescriptionRewritten():
            return "UPDATED", _change("description", event.previous, event.description)
        case TicketMetadataReplaced():
            return "UPDATED", _change("metadata", event.previous, event.metadata)
        case TicketTagged():
            return "UPDATED", {"tags": {"added": list(event.tags)}}
        case TicketUntagged():
            return "UPDATED", {"tags": {"removed": list(event.tags)}}
        case TicketPrioritized():
            return "PRIORITY_CHANGED", _change("priority", event.previous, event.priority)
        case TicketAssigned():
            return "ASSIGNED", _change("assignedToId", event.previous, event.assignee_id)
        case TicketUnassigned():
            return "ASSIGNED", _change("assignedToId", event.previous, None)
        case TicketStarted():
            return "STATUS_CHANGED", _change("status", event.previous, "in_progress")
        case TicketReturned():
            return "STATUS_CHANGED", _change("status", event.previous, "open")
        case TicketReopened():
            return "STATUS_CHANGED", _change("status", event.previous, event.status)
        case TicketResolved():
            return _ended(event.previous, "resolved", event.resolution)
        case TicketClosed():
            return _ended(event.previous, "closed", event.resolution)
        case TicketWaitStarted():
            return "UPDATED", _change("waitingOn", event.previous, event.waiting_on)
        case TicketWaitEnded():
            return "UPDATED", _change("waitingOn", event.previous, None)
        case TicketDeleted():
            return "DELETED", {}
        case CommentAdded() | CommentEdited() | CommentDeleted():
            return _commented(event)
        case _:
            assert_never(event)


def _ended(previous: str, status: str, resolution: str) -> tuple[str, dict[str, Any]]:
    if previous == status:
        return "UPDATED", {"resolution": {"to": resolution}}
    return "STATUS_CHANGED", _change("status", previous, status) | {"resolution": {"to": resolution}}


def _commented(event: CommentAdded | CommentEdited | CommentDeleted) -> tuple[str, dict[str, Any]]:
    comment = {"commentId": str(event.comment_id)}
    match event:
        case CommentAdded():
            return "COMMENTED", comment
        case CommentEdited():
            return "COMMENT_EDITED", comment
        case CommentDeleted():
            return "COMMENT_DELETED", comment
        case _:
            assert_never(event)


def _change(field: str, before: Any, after: Any) -> dict[str, Any]:
    return {field: {"from": _plain(before), "to": _plain(after)}}


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value

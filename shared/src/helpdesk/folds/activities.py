"""What happened to a ticket, as its readers see it (contract §6): one activity an event. A read model holds them, and
who is told of what they missed reads the same (behaviours §1)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple, assert_never
from uuid import UUID

from helpdesk.events import ticket as happened


class ActivityRow(NamedTuple):
    """`changes` is {field: {from, to}} in the API's names; `is_internal` ones are not for requesters."""

    version: int
    id: UUID
    type: str
    changes: Mapping[str, Any]
    is_internal: bool
    actor_id: UUID
    created_at: datetime


def of(event: happened.TicketEvent, version: int, event_id: UUID) -> ActivityRow:
    """The activity that an event makes."""
    type_, changes = _described(event)
    internal = isinstance(event, _OF_COMMENTS) and event.is_internal
    return ActivityRow(version, event_id, type_, changes, internal, event.by, event.at)


_OF_COMMENTS: Final = (happened.CommentAdded, happened.CommentEdited, happened.CommentDeleted)


def _described(event: happened.TicketEvent) -> tuple[str, dict[str, Any]]:
    match event:  # what is frequent first: each case that does not fit costs
        case happened.TicketCreated():
            return "CREATED", {}
        case happened.CommentAdded() | happened.CommentEdited() | happened.CommentDeleted():
            return _commented(event)
        case happened.TicketAssigned():
            return "ASSIGNED", _change("assignedToId", event.previous, event.assignee_id)
        case happened.TicketResolved():
            return _ended(event.previous, "resolved", event.resolution)
        case happened.TicketRetitled():
            return "UPDATED", _change("title", event.previous, event.title)
        case happened.TicketDescriptionRewritten():
            return "UPDATED", _change("description", event.previous, event.description)
        case happened.TicketMetadataReplaced():
            return "UPDATED", _change("metadata", event.previous, event.metadata)
        case happened.TicketTagged():
            return "UPDATED", {"tags": {"added": list(event.tags)}}
        case happened.TicketUntagged():
            return "UPDATED", {"tags": {"removed": list(event.tags)}}
        case happened.TicketPrioritized():
            return "PRIORITY_CHANGED", _change("priority", event.previous, event.priority)
        case happened.TicketUnassigned():
            return "ASSIGNED", _change("assignedToId", event.previous, None)
        case happened.TicketStarted():
            return "STATUS_CHANGED", _change("status", event.previous, "in_progress")
        case happened.TicketReturned():
            return "STATUS_CHANGED", _change("status", event.previous, "open")
        case happened.TicketReopened():
            return "STATUS_CHANGED", _change("status", event.previous, event.status)
        case happened.TicketClosed():
            return _ended(event.previous, "closed", event.resolution)
        case happened.TicketWaitStarted():
            return "UPDATED", _change("waitingOn", event.previous, event.waiting_on)
        case happened.TicketWaitEnded():
            return "UPDATED", _change("waitingOn", event.previous, None)
        case happened.TicketDeleted():
            return "DELETED", {}
        case happened.AttachmentAdded():
            return "ATTACHMENT_ADDED", {"attachmentId": str(event.attachment_id), "filename": event.filename}
        case happened.AttachmentRemoved():
            return "ATTACHMENT_REMOVED", {"attachmentId": str(event.attachment_id)}
        case happened.TicketRedacted():
            return "REDACTED", {"redacted": {"activityId": str(event.event_id), "fields": list(event.fields)}}
        case _:
            assert_never(event)


def _ended(previous: str, status: str, resolution: str) -> tuple[str, dict[str, Any]]:
    if previous == status:
        return "UPDATED", {"resolution": {"to": resolution}}
    return "STATUS_CHANGED", _change("status", previous, status) | {"resolution": {"to": resolution}}


def _commented(
    event: happened.CommentAdded | happened.CommentEdited | happened.CommentDeleted,
) -> tuple[str, dict[str, Any]]:
    comment = {"commentId": str(event.comment_id)}
    match event:
        case happened.CommentAdded():
            return "COMMENTED", comment
        case happened.CommentEdited():
            return "COMMENT_EDITED", comment
        case happened.CommentDeleted():
            return "COMMENT_DELETED", comment
        case _:
            assert_never(event)


def _change(field: str, before: Any, after: Any) -> dict[str, Any]:
    return {field: {"from": _plain(before), "to": _plain(after)}}


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value

"""What is told of a command: one message for each public type that it touches (contract §9, behaviours §7)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid5

from helpdesk.events.ticket import AttachmentAdded, AttachmentRemoved, CommentAdded, CommentDeleted, CommentEdited
from helpdesk.folds.ticket import Ticket
from helpdesk.recorded import RecordedEvent
from webhook_dispatcher.domain import body
from webhook_dispatcher.domain.catalogue import classic_of
from webhook_dispatcher.domain.commands import Command

UPDATED: Final = "ticket.updated"
LARGEST_WITH_SNAPSHOT: Final = 64_000
"""Bytes; above it the ticket's snapshot gives way to its address."""


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to tell: `body` are the bytes that every endpoint is sent, on every attempt."""

    type: str
    body: bytes


def messages_of(command: Command) -> list[Message]:
    """Everything that `command` gives to tell, in the order in which it is told."""
    return [Message(type_, _body(command, type_, data)) for type_, data in _told(command)]


def retold(command: Command) -> list[Message]:
    """What `command` gives to tell, and what it may have told before a redaction took the difference away."""
    messages = messages_of(command)
    if command.before is None or any(message.type == UPDATED for message in messages):
        return messages
    empty: Mapping[str, object] = {}
    return [
        *messages,
        Message(UPDATED, _body(command, UPDATED, _subject(command) | {"changes": empty, "previous": empty})),
    ]


def delivery_id(endpoint_id: UUID, command: Command, type_: str) -> UUID:
    """The `webhook-id`: the same on every attempt, and whenever the same history is read again (ADR 27)."""
    if command.first.has_former_id:
        return uuid5(endpoint_id, f"{command.first.event_id}/{type_}")
    return command.first.effect_id(endpoint_id, type_)


def fields_of(ticket: Ticket) -> dict[str, object]:
    """What a command can change of a ticket, by the names of the HTTP contract."""
    return {
        "title": ticket.title,
        "description": ticket.description,
        "status": ticket.status,
        "priority": ticket.priority,
        "assignedToId": ticket.assignee_id,
        "metadata": ticket.metadata,
        "tags": ticket.tags,
        "waitingOn": ticket.waiting_on,
        "resolution": ticket.resolution,
    }


def _told(command: Command) -> list[tuple[str, dict[str, object]]]:
    before, after = command.before, command.after
    subject = _subject(command)
    told: list[tuple[str, dict[str, object]]] = []
    if before is None:
        told.append(("ticket.created", subject | {"createdBy": after.created_by, **fields_of(after)}))
    else:
        old, new = fields_of(before), fields_of(after)
        changes = {name: value for name, value in new.items() if value != old[name]}
        if changes:
            previous = {name: old[name] for name in changes}
            told.append((UPDATED, subject | {"changes": changes, "previous": previous}))
        if after.status == "closed" and before.status != "closed":
            told.append(("ticket.closed", subject | {"status": "closed", "resolution": after.resolution}))
        if after.deleted and not before.deleted:
            told.append(("ticket.deleted", subject))
    for one in command.events:
        told += _of_part(one, subject)
    return told


def _subject(command: Command) -> dict[str, object]:
    return {"ticketId": command.ticket_id, "title": command.after.title}


def _of_part(one: RecordedEvent, subject: Mapping[str, object]) -> list[tuple[str, dict[str, object]]]:
    """What is told of a comment or a file."""
    match one.event:
        case CommentAdded() as added:
            data = {**subject, "commentId": added.comment_id, "authorId": added.by, "content": added.content}
            return [("comment.internal_added" if added.is_internal else "comment.added", data)]
        case CommentEdited() as edited:
            data = {
                **subject,
                "commentId": edited.comment_id,
                "authorId": edited.by,
                "changes": {"content": edited.content},
                "previous": {"content": edited.previous},
            }
            return [("comment.internal_edited" if edited.is_internal else "comment.edited", data)]
        case CommentDeleted() as deleted:
            data = {**subject, "commentId": deleted.comment_id}
            return [("comment.internal_deleted" if deleted.is_internal else "comment.deleted", data)]
        case AttachmentAdded() as attached:
            data = {
                **subject,
                "attachmentId": attached.attachment_id,
                "addedBy": attached.by,
                "filename": attached.filename,
                "fileSize": attached.file_size,
                "mimeType": attached.mime_type,
                "sha256": attached.sha256,
            }
            return [("attachment.added", data)]
        case AttachmentRemoved() as removed:
            return [("attachment.removed", {**subject, "attachmentId": removed.attachment_id})]
        case _:
            return []


def _body(command: Command, type_: str, data: Mapping[str, object]) -> bytes:
    told: dict[str, object] = {
        "event": classic_of(type_),
        "type": type_,
        "timestamp": command.after.updated_at,
        "tenantId": command.tenant_id,
        "eventId": command.first.event_id,
        "sequence": command.sequence,
        "actor": {"id": command.first.metadata.actor},
        "correlationId": command.first.metadata.correlation_id,
        "causationId": command.first.metadata.causation_id,
        "data": data,
    }
    whole = body.dumps(told | {"ticket": _snapshot(command)})
    if len(whole) <= LARGEST_WITH_SNAPSHOT:
        return whole
    return body.dumps(told | {"ticket": {"id": command.ticket_id, "href": f"/api/v1/tickets/{command.ticket_id}"}})


def _snapshot(command: Command) -> dict[str, object]:
    ticket = command.after
    return {
        "id": command.ticket_id,
        "number": ticket.number,
        **fields_of(ticket),
        "createdById": ticket.created_by,
        "createdAt": ticket.created_at,
        "updatedAt": ticket.updated_at,
    }

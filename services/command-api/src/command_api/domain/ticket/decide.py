"""What may be done to a ticket: contract §6 to §8, behaviours §1.

Everything that a rule asks arrives as data; no clock, no look-up in here.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, assert_never
from uuid import UUID

from command_api.domain.rejected import Rejected
from command_api.domain.ticket.commands import (
    UNSET,
    Actor,
    AddAttachment,
    AddComment,
    BeginUpload,
    CreateTicket,
    DeleteComment,
    DeleteTicket,
    EditComment,
    EditTicket,
    RemoveAttachment,
    TicketCommand,
)
from command_api.domain.ticket.state import Comment, Ticket
from helpdesk.events.ticket import (
    AttachmentAdded,
    AttachmentRemoved,
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
from helpdesk.folds.ticket import unique
from helpdesk.policy import Reach, is_staff, reach

UNSOLVED: Final = ("open", "in_progress")
TRANSITIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "open": ("in_progress", "resolved", "closed"),
    "in_progress": ("open", "resolved", "closed"),
    "resolved": ("open", "in_progress", "closed"),
    "closed": ("open", "in_progress"),
}
STAFF_ONLY_FROM: Final = "closed"
REOPEN_WINDOW: Final = timedelta(days=28)
TICK: Final = timedelta(milliseconds=1)


def decide(ticket: Ticket | None, command: TicketCommand) -> list[TicketEvent]:
    """What happens when `command` meets `ticket`; `[]` when nothing changes, `Rejected` when it may not be."""
    if isinstance(command, CreateTicket):
        return _create(ticket, command)
    if ticket is None or ticket.deleted:
        raise Rejected("ticket_not_found", "There is no such ticket.")
    # Two changes within one millisecond still happen one after the other: clients compare `updatedAt`.
    command = replace(command, at=max(command.at, ticket.updated_at + TICK))
    match command:
        case EditTicket():
            return _edit(ticket, command)
        case DeleteTicket():
            return _delete(command)
        case AddComment():
            return _add_comment(ticket, command)
        case EditComment():
            return _edit_comment(ticket, command)
        case DeleteComment():
            return _delete_comment(ticket, command)
        case BeginUpload():
            _demand_write(ticket, command.by)
            return []
        case AddAttachment():
            return _add_attachment(ticket, command)
        case RemoveAttachment():
            return _remove_attachment(ticket, command)
        case _:
            assert_never(command)


def _create(ticket: Ticket | None, command: CreateTicket) -> list[TicketEvent]:
    if ticket is not None:
        raise Rejected("ticket_exists", "There is a ticket of this id already.")
    by, at = command.by.id, command.at
    events: list[TicketEvent] = [
        TicketCreated(
            number=command.number,
            title=command.title,
            description=command.description,
            priority=command.priority,
            metadata=command.metadata,
            tags=unique(command.tags),
            by=by,
            at=at,
        )
    ]
    if command.assignee_id is not None:
        events.append(TicketAssigned(assignee_id=command.assignee_id, previous=None, by=by, at=at))
    return events


def _edit(ticket: Ticket, command: EditTicket) -> list[TicketEvent]:
    _demand_write(ticket, command.by)
    by, at = command.by.id, command.at
    events: list[TicketEvent] = []
    if command.title is not UNSET and command.title != ticket.title:
        events.append(TicketRetitled(title=command.title, previous=ticket.title, by=by, at=at))
    if command.description is not UNSET and command.description != ticket.description:
        events.append(
            TicketDescriptionRewritten(description=command.description, previous=ticket.description, by=by, at=at)
        )
    if command.priority is not UNSET and command.priority != ticket.priority:
        events.append(TicketPrioritized(priority=command.priority, previous=ticket.priority, by=by, at=at))
    if command.metadata is not UNSET and not _same_json(command.metadata, ticket.metadata):
        events.append(TicketMetadataReplaced(metadata=command.metadata, previous=ticket.metadata, by=by, at=at))
    if command.tags is not UNSET:
        events += _retag(ticket, command.tags, by, at)
    if command.assignee_id is not UNSET:
        events += _assign(ticket, command.assignee_id, by, at)
    return events + _move(ticket, command)


def _same_json(one: object, other: object) -> bool:
    """Whether two JSON values are the same; in Python alone `True == 1`."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same_json(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same_json, one, other))
    return isinstance(one, bool) is isinstance(other, bool) and one == other


def _retag(ticket: Ticket, wanted: tuple[str, ...], by: UUID, at: datetime) -> list[TicketEvent]:
    added = tuple(tag for tag in unique(wanted) if tag not in ticket.tags)
    removed = tuple(tag for tag in ticket.tags if tag not in wanted)
    events: list[TicketEvent] = []
    if removed:
        events.append(TicketUntagged(tags=removed, by=by, at=at))
    if added:
        events.append(TicketTagged(tags=added, by=by, at=at))
    return events


def _assign(ticket: Ticket, assignee_id: UUID | None, by: UUID, at: datetime) -> list[TicketEvent]:
    if assignee_id == ticket.assignee_id:
        return []
    if assignee_id is not None:
        return [TicketAssigned(assignee_id=assignee_id, previous=ticket.assignee_id, by=by, at=at)]
    return [TicketUnassigned(previous=ticket.assignee_id, by=by, at=at)] if ticket.assignee_id else []


def _move(ticket: Ticket, command: EditTicket) -> list[TicketEvent]:
    """Status, the way it ended, and waiting: they belong together, because an ended ticket waits for nobody."""
    by, at = command.by.id, command.at
    target = ticket.status if command.status is UNSET else command.status
    events: list[TicketEvent] = []
    if target != ticket.status:
        _demand_transition(ticket, target, command.by)
        events.append(_moved(ticket, target, command))
    elif command.resolution not in (UNSET, None, ticket.resolution):
        events.append(_ended(ticket, target, command))
    waiting = ticket.waiting_on if target == ticket.status else None
    if command.waiting_on is not UNSET:
        waiting = command.waiting_on
    if waiting is not None and target not in UNSOLVED:
        raise Rejected("not_unsolved", f"A ticket that is {target} waits for nobody.")
    if waiting != ticket.waiting_on:
        if waiting is not None:
            events.append(TicketWaitStarted(waiting_on=waiting, previous=ticket.waiting_on, by=by, at=at))
        elif ticket.waiting_on is not None:
            events.append(TicketWaitEnded(previous=ticket.waiting_on, by=by, at=at))
    return events


def _moved(ticket: Ticket, target: str, command: EditTicket) -> TicketEvent:
    by, at = command.by.id, command.at
    if target not in UNSOLVED:
        return _ended(ticket, target, command)
    if command.resolution not in (UNSET, None):
        raise Rejected("resolution_without_end", f"A ticket that is {target} has no resolution.")
    if ticket.status not in UNSOLVED:
        return TicketReopened(status=target, previous=ticket.status, by=by, at=at)
    if target == "in_progress":
        return TicketStarted(previous=ticket.status, by=by, at=at)
    return TicketReturned(previous=ticket.status, by=by, at=at)


def _ended(ticket: Ticket, target: str, command: EditTicket) -> TicketEvent:
    if target in UNSOLVED:
        raise Rejected("resolution_without_end", f"A ticket that is {target} has no resolution.")
    given = None if command.resolution is UNSET else command.resolution
    resolution = given or ticket.resolution or "solved"
    if target == "resolved":
        return TicketResolved(resolution=resolution, previous=ticket.status, by=command.by.id, at=command.at)
    return TicketClosed(resolution=resolution, previous=ticket.status, by=command.by.id, at=command.at)


def allowed_targets(status: str, role: str) -> tuple[str, ...]:
    """Where a ticket of this status may go by the hand of this role."""
    if status == STAFF_ONLY_FROM and not is_staff(role):
        return ()
    return TRANSITIONS[status]


def _demand_transition(ticket: Ticket, target: str, by: Actor) -> None:
    allowed = allowed_targets(ticket.status, by.role)
    if target not in allowed:
        names = ", ".join(allowed) or "nothing"
        raise Rejected(
            "illegal_transition",
            f"A ticket that is {ticket.status} cannot become {target}; allowed: {names}.",
            allowed=list(allowed),
        )


def _delete(command: DeleteTicket) -> list[TicketEvent]:
    if reach(command.by.role, "tickets:delete") is not Reach.ANY:
        raise Rejected("not_allowed", "Only admins delete tickets.")
    return [TicketDeleted(by=command.by.id, at=command.at)]


def _add_comment(ticket: Ticket, command: AddComment) -> list[TicketEvent]:
    _demand_write(ticket, command.by)
    if command.is_internal and not is_staff(command.by.role):
        raise Rejected("internal_not_allowed", "Internal notes are for agents and admins.")
    by, at = command.by.id, command.at
    events: list[TicketEvent] = [
        CommentAdded(
            comment_id=command.comment_id, content=command.content, is_internal=command.is_internal, by=by, at=at
        )
    ]
    if by == ticket.created_by and not command.is_internal:
        events += _requester_spoke(ticket, by, at)
    return events


def _requester_spoke(ticket: Ticket, by: UUID, at: datetime) -> list[TicketEvent]:
    """Behaviours §1: the requester's word wakes a ticket that waits for it, is resolved, or was closed of late."""
    recently_closed = ticket.closed_at is not None and at - ticket.closed_at <= REOPEN_WINDOW
    if ticket.status == "resolved" or (ticket.status == "closed" and recently_closed):
        return [TicketReopened(status="open", previous=ticket.status, by=by, at=at)]
    if ticket.waiting_on == "requester":
        return [TicketWaitEnded(previous=ticket.waiting_on, by=by, at=at)]
    return []


def _edit_comment(ticket: Ticket, command: EditComment) -> list[TicketEvent]:
    comment = _own_comment(ticket, command.comment_id, command.by)
    if command.content is None or command.content == comment.content:
        return []
    return [
        CommentEdited(
            comment_id=comment.id,
            content=command.content,
            previous=comment.content,
            is_internal=comment.is_internal,
            by=command.by.id,
            at=command.at,
        )
    ]


def _delete_comment(ticket: Ticket, command: DeleteComment) -> list[TicketEvent]:
    comment = _own_comment(ticket, command.comment_id, command.by)
    return [CommentDeleted(comment_id=comment.id, is_internal=comment.is_internal, by=command.by.id, at=command.at)]


def _own_comment(ticket: Ticket, comment_id: UUID, by: Actor) -> Comment:
    """Contract §7: another's comment is answered like an unknown one, and so is one that its author may see no more."""
    comment = ticket.comments.get(comment_id)
    hidden = comment is not None and comment.is_internal and not is_staff(by.role)
    if comment is None or comment.author_id != by.id or hidden or not _may_write(ticket, by):
        raise Rejected("comment_not_found", "There is no such comment of yours.")
    return comment


def _add_attachment(ticket: Ticket, command: AddAttachment) -> list[TicketEvent]:
    _demand_write(ticket, command.by)
    if command.attachment_id in ticket.removed_attachments:
        raise Rejected("attachment_not_found", "This file was removed from the ticket.")
    if command.attachment_id in ticket.attachments:
        return []
    return [
        AttachmentAdded(
            attachment_id=command.attachment_id,
            object_id=command.object_id,
            filename=command.filename,
            file_size=command.file_size,
            mime_type=command.mime_type,
            sha256=command.sha256,
            by=command.by.id,
            at=command.at,
        )
    ]


def _remove_attachment(ticket: Ticket, command: RemoveAttachment) -> list[TicketEvent]:
    _demand_write(ticket, command.by)
    if command.attachment_id not in ticket.attachments:
        raise Rejected("attachment_not_found", "The ticket has no such file.")
    return [AttachmentRemoved(attachment_id=command.attachment_id, by=command.by.id, at=command.at)]


def _demand_write(ticket: Ticket, by: Actor) -> None:
    if not _may_write(ticket, by):
        raise Rejected("not_allowed", "This ticket is not yours.")


def _may_write(ticket: Ticket, by: Actor) -> bool:
    allowed = reach(by.role, "tickets:write")
    return allowed is Reach.ANY or (allowed is Reach.OWN and ticket.created_by == by.id)

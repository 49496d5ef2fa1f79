"""Sentences about tickets: `given(created(), resolved()).when(comment(by=REQUESTER)) == [...]`.

Builders supply what a sentence does not mention. Everything happens at NOON; a command is heard at LATER.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from command_api.domain.rejected import Rejected
from command_api.domain.ticket.commands import (
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
from command_api.domain.ticket.decide import decide
from command_api.domain.ticket.state import Ticket, fold
from helpdesk.events.ticket import (
    AttachmentAdded,
    AttachmentRemoved,
    CommentAdded,
    CommentDeleted,
    TicketAssigned,
    TicketClosed,
    TicketCreated,
    TicketDeleted,
    TicketEvent,
    TicketReopened,
    TicketResolved,
    TicketStarted,
    TicketWaitStarted,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
REQUESTER = Actor(UUID(int=1), "USER")
STRANGER = Actor(UUID(int=2), "USER")
AGENT = Actor(UUID(int=3), "AGENT")
ADMIN = Actor(UUID(int=4), "ADMIN")
COMMENT = UUID(int=100)
FILE = UUID(int=101)
OBJECT = UUID(int=102)
DIGEST = "0" * 64


# --- what happened --------------------------------------------------------------------------------------------------


def created(
    by: Actor = REQUESTER,
    at: datetime = NOON,
    *,
    title: str = "The printer burns",
    description: str = "Smoke.",
    priority: str = "medium",
    metadata: Mapping[str, Any] | None = None,
    tags: tuple[str, ...] = (),
    number: int = 7,
) -> TicketCreated:
    return TicketCreated(
        number=number,
        title=title,
        description=description,
        priority=priority,
        metadata=metadata,
        tags=tags,
        by=by.id,
        at=at,
    )


def started(by: Actor = AGENT, at: datetime = NOON, previous: str = "open") -> TicketStarted:
    return TicketStarted(previous=previous, by=by.id, at=at)


def resolved(
    by: Actor = AGENT, at: datetime = NOON, previous: str = "open", resolution: str = "solved"
) -> TicketResolved:
    return TicketResolved(resolution=resolution, previous=previous, by=by.id, at=at)


def closed(by: Actor = AGENT, at: datetime = NOON, previous: str = "open", resolution: str = "solved") -> TicketClosed:
    return TicketClosed(resolution=resolution, previous=previous, by=by.id, at=at)


def reopened(by: Actor, previous: str, status: str = "open", at: datetime = LATER) -> TicketReopened:
    return TicketReopened(status=status, previous=previous, by=by.id, at=at)


def waiting(on: str = "requester", at: datetime = NOON) -> TicketWaitStarted:
    return TicketWaitStarted(waiting_on=on, previous=None, by=AGENT.id, at=at)


def assigned(to: Actor = AGENT, at: datetime = NOON, previous: UUID | None = None) -> TicketAssigned:
    return TicketAssigned(assignee_id=to.id, previous=previous, by=AGENT.id, at=at)


def deleted(at: datetime = NOON) -> TicketDeleted:
    return TicketDeleted(by=ADMIN.id, at=at)


def commented(
    by: Actor = REQUESTER, at: datetime = NOON, *, content: str = "Help!", internal: bool = False, id_: UUID = COMMENT
) -> CommentAdded:
    return CommentAdded(comment_id=id_, content=content, is_internal=internal, by=by.id, at=at)


def comment_deleted(by: Actor = REQUESTER, at: datetime = NOON, *, internal: bool = False) -> CommentDeleted:
    return CommentDeleted(comment_id=COMMENT, is_internal=internal, by=by.id, at=at)


def attached(by: Actor = REQUESTER, at: datetime = NOON) -> AttachmentAdded:
    return AttachmentAdded(FILE, OBJECT, "scan.png", 5, "image/png", DIGEST, by=by.id, at=at)


def attachment_removed(by: Actor = REQUESTER, at: datetime = NOON) -> AttachmentRemoved:
    return AttachmentRemoved(attachment_id=FILE, by=by.id, at=at)


# --- what is asked --------------------------------------------------------------------------------------------------


def create(by: Actor = REQUESTER, *, tags: tuple[str, ...] = (), assignee: Actor | None = None) -> CreateTicket:
    return CreateTicket(
        number=7,
        title="The printer burns",
        description="Smoke.",
        priority="medium",
        metadata=None,
        tags=tags,
        assignee_id=assignee.id if assignee else None,
        by=by,
        at=LATER,
    )


def edit(by: Actor = AGENT, at: datetime = LATER, **fields: Any) -> EditTicket:
    return EditTicket(by=by, at=at, **fields)


def comment(
    by: Actor = REQUESTER, at: datetime = LATER, *, content: str = "Help!", internal: bool = False
) -> AddComment:
    return AddComment(comment_id=COMMENT, content=content, is_internal=internal, by=by, at=at)


def edit_comment(by: Actor = REQUESTER, content: str | None = "Quick!", id_: UUID = COMMENT) -> EditComment:
    return EditComment(comment_id=id_, content=content, by=by, at=LATER)


def delete_comment(by: Actor = REQUESTER, id_: UUID = COMMENT) -> DeleteComment:
    return DeleteComment(comment_id=id_, by=by, at=LATER)


def begin_upload(by: Actor = REQUESTER) -> BeginUpload:
    return BeginUpload(by=by, at=LATER)


def attach(by: Actor = REQUESTER) -> AddAttachment:
    return AddAttachment(FILE, OBJECT, "scan.png", 5, "image/png", DIGEST, by=by, at=LATER)


def remove_attachment(by: Actor = REQUESTER, id_: UUID = FILE) -> RemoveAttachment:
    return RemoveAttachment(attachment_id=id_, by=by, at=LATER)


def delete(by: Actor = ADMIN) -> DeleteTicket:
    return DeleteTicket(by=by, at=LATER)


# --- the sentence ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Given:
    ticket: Ticket | None

    def when(self, command: TicketCommand) -> list[TicketEvent]:
        return decide(self.ticket, command)

    def refuses(self, command: TicketCommand) -> str:
        """The reason for which the command is refused."""
        return self.refusal(command).code

    def refusal(self, command: TicketCommand) -> Rejected:
        with pytest.raises(Rejected) as refused:
            decide(self.ticket, command)
        return refused.value


def given(*history: TicketEvent) -> Given:
    return Given(fold(history))

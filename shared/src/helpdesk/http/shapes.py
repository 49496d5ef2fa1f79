"""The entities that more than one API answers, as clients see them (contract §4, §6, §7)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from helpdesk import policy
from helpdesk.http.wire import Answer, Instant
from helpdesk.people import first_name, last_name


class PersonShape(Answer):
    """Somebody, as far as a ticket or a comment shows them."""

    id: UUID
    email: str
    first_name: str
    last_name: str


class UserShape(PersonShape):
    """An account. Never with a hash."""

    name: str
    role: str = Field(description="ADMIN, AGENT or USER", json_schema_extra={"enum": ["ADMIN", "AGENT", "USER"]})
    roles: list[str] = Field(description="the role once more, as ROLE_…")
    scopes: list[str]
    tenant_id: UUID
    enabled: bool
    is_active: bool = Field(description="the same as enabled")
    state: str = Field(description="active, invited (it has no password yet) or deactivated")
    created_at: Instant
    updated_at: Instant


class TenantShape(Answer):
    """A tenant, as a created ticket names it."""

    id: UUID
    name: str


class TicketShape(Answer):
    """A ticket."""

    id: UUID
    number: int = Field(description="short, unique in the tenant, increasing")
    title: str
    description: str
    status: str = Field(
        description="one of four words, for ever",
        json_schema_extra={"enum": ["open", "in_progress", "resolved", "closed"]},
    )
    priority: str = Field(
        description="how urgent it is",
        json_schema_extra={"enum": ["low", "medium", "high", "critical"]},
    )
    waiting_on: str | None = Field(description="requester, third_party or null")
    resolution: str | None = Field(description="how it ended: solved, cancelled, duplicate …")
    tags: list[str]
    created_at: Instant
    updated_at: Instant
    tenant_id: UUID
    created_by_id: UUID
    assigned_to_id: UUID | None
    metadata: Mapping[str, Any] | None
    created_by: PersonShape


class CreatedTicketShape(TicketShape):
    """The answer of a create."""

    tenant: TenantShape


class CommentShape(Answer):
    """A comment. `authorId` and `userId` are the same, for clients of two generations."""

    id: UUID
    ticket_id: UUID
    content: str
    is_internal: bool
    created_at: Instant
    updated_at: Instant
    author_id: UUID
    user_id: UUID
    author_name: str
    author: PersonShape


class AttachmentShape(Answer):
    """A file of a ticket."""

    id: UUID
    filename: str
    file_url: str
    file_size: int = Field(description="bytes")
    mime_type: str
    ticket_id: UUID
    created_at: Instant


class ActivityShape(Answer):
    """One thing that happened to a ticket."""

    id: UUID
    ticket_id: UUID
    type: str = Field(
        description="CREATED, UPDATED, COMMENTED, STATUS_CHANGED, PRIORITY_CHANGED, ASSIGNED and newer ones"
    )
    changes: Mapping[str, Any]
    created_at: Instant
    actor: PersonShape


class TicketDetailShape(TicketShape):
    """A ticket with all that belongs to it, each list newest first."""

    comments: list[CommentShape]
    attachments: list[AttachmentShape]
    activities: list[ActivityShape]


def person(id_: UUID, email: str, name: str) -> PersonShape:
    """A person by their one name."""
    return PersonShape(id=id_, email=email, first_name=first_name(name), last_name=last_name(name))


def user(
    *,
    id_: UUID,
    tenant_id: UUID,
    email: str,
    name: str,
    role: str,
    enabled: bool,
    invited: bool,
    created_at: datetime,
    updated_at: datetime,
) -> UserShape:
    """An account with what follows from its role."""
    return UserShape(
        id=id_,
        email=email,
        first_name=first_name(name),
        last_name=last_name(name),
        name=name,
        role=role,
        roles=[f"ROLE_{role}"],
        scopes=list(policy.SCOPES[role]),
        tenant_id=tenant_id,
        enabled=enabled,
        is_active=enabled,
        state="deactivated" if not enabled else "invited" if invited else "active",
        created_at=created_at,
        updated_at=updated_at,
    )


def comment(
    *,
    id_: UUID,
    ticket_id: UUID,
    content: str,
    is_internal: bool,
    created_at: datetime,
    updated_at: datetime,
    author: PersonShape,
) -> CommentShape:
    """A comment with its author's name in every form that clients read."""
    return CommentShape(
        id=id_,
        ticket_id=ticket_id,
        content=content,
        is_internal=is_internal,
        created_at=created_at,
        updated_at=updated_at,
        author_id=author.id,
        user_id=author.id,
        author_name=f"{author.first_name} {author.last_name}".strip(),
        author=author,
    )

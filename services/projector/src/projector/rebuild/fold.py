"""Every view as the fold of whole streams: the same pure functions as the projector's, to rows as COPY takes them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, get_args
from uuid import UUID

import orjson

from helpdesk import wire
from helpdesk.events.tenant import TenantEvent
from helpdesk.events.ticket import TicketEvent
from helpdesk.events.user import UserEvent
from helpdesk.folds import activities
from helpdesk.recorded import Stream
from projector.domain import attachments, comments, people, tenants, tickets
from projector.domain.text import json_text

Row: TypeAlias = tuple[Any, ...]
_KNOWN: Final[Mapping[str, tuple[Any, ...]]] = {
    "ticket": get_args(TicketEvent),
    "user": get_args(UserEvent),
    "tenant": get_args(TenantEvent),
}


class Broken(Exception):
    """A stream whose history cannot be folded: it ends before what the live views have applied, is another one, or
    cannot be read. Nothing is switched over it."""


@dataclass(frozen=True, slots=True)
class Guard:
    """How far the live views have applied a stream; `event_id` of the last event is None where it was not kept."""

    version: int
    event_id: UUID | None


@dataclass(frozen=True, slots=True)
class Stored:
    """One event as the store gives it; `data` is its JSON."""

    version: int
    event_id: UUID
    type: str
    schema_version: int
    data: str


@dataclass(frozen=True, slots=True)
class History:
    """A stream from its beginning to where its guard stands; only events that views know are in it.

    None: no view has rows of it, only the guard knows it (another kind of stream, or a purged tenant's).
    """

    stream: Stream
    guard: Guard
    events: Sequence[tuple[int, UUID, Any]] | None

    @property
    def version(self) -> int:
        """That of the last event."""
        return self.guard.version

    @property
    def happened(self) -> list[Any]:
        """The events alone."""
        return [event for _, _, event in self.events or ()]


def history(stream: Stream, guard: Guard, stored: Iterable[Stored]) -> History:
    """The history of `stream` to exactly its guard. Raises Broken when the store has not got that."""
    known = _KNOWN[stream.type]
    events = []
    reached = 0
    last: UUID | None = None
    for one in stored:
        if one.version > guard.version:
            break
        reached, last = reached + 1, one.event_id
        if one.version != reached:
            raise Broken(f"{stream}: version {one.version} stands where {reached} must")
        try:
            event = wire.decode(one.type, one.schema_version, orjson.loads(one.data))
        except wire.Undecodable as error:
            raise Broken(f"{stream} version {one.version}: {error}") from error
        if isinstance(event, known):
            events.append((one.version, one.event_id, event))
    if reached != guard.version:
        raise Broken(f"{stream} ends at version {reached} in the store, the live views have applied {guard.version}")
    if guard.event_id not in (None, last):
        raise Broken(f"{stream} has another event at version {reached} than the live views have applied")
    return History(stream, guard, events)


@dataclass(frozen=True, slots=True)
class View:
    """A table whose rows are each the fold of one stream. `key` is the column with the stream's id."""

    name: str
    stream_type: str
    key: str
    columns: tuple[str, ...]
    rows: Callable[[History], Iterator[Row]]


def _tickets(history: History) -> Iterator[Row]:
    stream = history.stream
    row = tickets.after(None, history.happened, history.version, stream)
    yield (
        stream.tenant_id, stream.id, row.number, row.title, row.description, row.status, row.priority, row.waiting_on,
        row.resolution, list(row.tags), _json(row.metadata), row.created_by, row.assignee_id, row.created_at,
        row.updated_at, row.closed_at, row.deleted, row.version,
    )  # fmt: skip


def _comments(history: History) -> Iterator[Row]:
    tenant_id, ticket_id = history.stream.tenant_id, history.stream.id
    for row in comments.after({}, history.happened).values():
        yield (
            tenant_id, ticket_id, row.id, row.content, row.is_internal, row.author_id, row.created_at, row.updated_at,
            row.deleted,
        )  # fmt: skip


def _attachments(history: History) -> Iterator[Row]:
    tenant_id, ticket_id = history.stream.tenant_id, history.stream.id
    for row in attachments.after({}, history.happened).values():
        yield (
            tenant_id, ticket_id, row.id, row.object_id, row.filename, row.file_size, row.mime_type, row.sha256,
            row.added_by_id, row.created_at, row.deleted,
        )  # fmt: skip


def _activities(history: History) -> Iterator[Row]:
    tenant_id, ticket_id = history.stream.tenant_id, history.stream.id
    for version, event_id, event in history.events or ():
        row = activities.of(event, version, event_id)
        yield (
            tenant_id, ticket_id, version, row.id, row.type, _json(row.changes), row.is_internal, row.actor_id,
            row.created_at,
        )  # fmt: skip


def _people(history: History) -> Iterator[Row]:
    stream = history.stream
    row = people.after(None, history.happened, history.version, stream)
    yield (
        stream.tenant_id, stream.id, row.email, row.name, row.role, row.enabled, row.invited, row.created_at,
        row.updated_at, row.valid_from, row.sessions_from, row.version,
    )  # fmt: skip


def _tenants(history: History) -> Iterator[Row]:
    row = tenants.after(None, history.happened, history.version, history.stream)
    yield (
        history.stream.tenant_id, row.name, row.slug, row.settings, row.created_at, row.updated_at, row.version
    )  # fmt: skip


def _json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else json_text(value)


VIEWS: Final = (
    View(
        "tickets", "ticket", "id",
        ("tenant_id", "id", "number", "title", "description", "status", "priority", "waiting_on", "resolution", "tags",
         "metadata", "created_by_id", "assignee_id", "created_at", "updated_at", "closed_at", "deleted", "version"),
        _tickets,
    ),
    View(
        "comments", "ticket", "ticket_id",
        ("tenant_id", "ticket_id", "id", "content", "is_internal", "author_id", "created_at", "updated_at", "deleted"),
        _comments,
    ),
    View(
        "attachments", "ticket", "ticket_id",
        ("tenant_id", "ticket_id", "id", "object_id", "filename", "file_size", "mime_type", "sha256", "added_by_id",
         "created_at", "deleted"),
        _attachments,
    ),
    View(
        "activities", "ticket", "ticket_id",
        ("tenant_id", "ticket_id", "version", "id", "type", "changes", "is_internal", "actor_id", "created_at"),
        _activities,
    ),
    View(
        "people", "user", "id",
        ("tenant_id", "id", "email", "name", "role", "enabled", "invited", "created_at", "updated_at", "valid_from",
         "sessions_from", "version"),
        _people,
    ),
    View(
        "tenants", "tenant", "tenant_id",
        ("tenant_id", "name", "slug", "settings", "created_at", "updated_at", "version"),
        _tenants,
    ),
)  # fmt: skip
"""Every read model. A new one is a line here; a test compares the lines with the tables."""

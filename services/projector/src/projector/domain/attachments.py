"""Read model `attachments`: one row a file; a removed one leaves its marker without its name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from helpdesk.events.ticket import AttachmentAdded, AttachmentRemoved, TicketEvent


@dataclass(frozen=True, slots=True)
class AttachmentRow:
    """A file as it stands; `object_id` is the last part of its key in the file store."""

    id: UUID
    object_id: UUID
    filename: str
    file_size: int
    mime_type: str
    sha256: str
    added_by_id: UUID
    created_at: datetime
    deleted: bool = False


def touched(events: Iterable[TicketEvent]) -> set[UUID]:
    """The files that stood before these events and are changed by them."""
    return {one.attachment_id for one in events if isinstance(one, AttachmentRemoved)}


def after(rows: Mapping[UUID, AttachmentRow], events: Iterable[TicketEvent]) -> dict[UUID, AttachmentRow]:
    """The rows that `events` make or change, given those of `touched` that stood before."""
    changed: dict[UUID, AttachmentRow] = {}
    for event in events:
        match event:
            case AttachmentAdded():
                row = AttachmentRow(
                    id=event.attachment_id,
                    object_id=event.object_id,
                    filename=event.filename,
                    file_size=event.file_size,
                    mime_type=event.mime_type,
                    sha256=event.sha256,
                    added_by_id=event.by,
                    created_at=event.at,
                )
            case AttachmentRemoved():
                known = changed.get(event.attachment_id) or rows[event.attachment_id]
                row = replace(known, filename="", deleted=True)
            case _:
                continue
        changed[row.id] = row
    return changed

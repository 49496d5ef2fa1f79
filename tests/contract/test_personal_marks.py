"""Every field that can hold text is marked personal, so that it can be redacted, or known to hold our words."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args, get_type_hints

import pytest

from helpdesk import wire
from helpdesk.events import Event
from helpdesk.events.personal import personal_fields
from helpdesk.events.ticket import AttachmentAdded, CommentAdded, CommentEdited, TicketCreated

VOCABULARY: dict[str, set[str]] = {
    "ticket.created": {"priority"},
    "ticket.prioritized": {"priority", "previous"},
    "ticket.started": {"previous"},
    "ticket.returned": {"previous"},
    "ticket.resolved": {"resolution", "previous"},
    "ticket.closed": {"resolution", "previous"},
    "ticket.reopened": {"status", "previous"},
    "ticket.wait_started": {"waiting_on", "previous"},
    "ticket.wait_ended": {"previous"},
    "attachment.added": {"sha256"},
    "ticket.redacted": {"fields", "reason"},
    "user.registered": {"role"},
    "user.invited": {"role"},
    "user.role_changed": {"role", "previous"},
    "user.redacted": {"fields", "reason"},
    "tenant.created": {"settings"},
    "tenant.closed": {"reason"},
    "tenant.purged": {"reason"},
    "webhook.endpoint_created": {"events"},
    "webhook.endpoint_changed": {"events"},
}
"""The fields whose values are words that the code chose: any other that a client sends is refused."""


def holds_text(hint: Any) -> bool:
    return hint is str or hint is Any or hint is Mapping or any(holds_text(part) for part in get_args(hint))


@pytest.mark.parametrize("name", sorted(wire.WIRE))
def test_text_is_personal_or_a_word_of_ours(name: tuple[str, int]) -> None:
    cls = wire.WIRE[name]
    hints = get_type_hints(cls)
    texts = {one.name for one in fields(cls) if holds_text(hints[one.name])}
    marked = {one.name for one in fields(cls) if one.metadata.get("personal")}
    words = VOCABULARY.get(name[0], set())
    assert marked.isdisjoint(words)
    assert texts == marked | words, "mark a new field PERSONAL, or list it above when its words are the code's"


def test_marks_are_read_from_events() -> None:
    def example(cls: type[Event]) -> tuple[str, ...]:
        return personal_fields(object.__new__(cls))

    assert example(TicketCreated) == ("title", "description", "metadata", "tags")
    assert example(CommentAdded) == ("content",)
    assert example(CommentEdited) == ("content", "previous")
    assert example(AttachmentAdded) == ("filename", "mime_type")

"""The golden files: one for every stored name and version, as its data stands in stores out there."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from helpdesk.events import Event, operations, tenant, ticket, user, webhook

FOLDER: Final = Path(__file__).parents[1] / "contract" / "golden"

AT: Final = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
BY: Final = UUID("0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b")
OTHER: Final = UUID("0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c")
COMMENT: Final = UUID("0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5d")
METADATA: Final = {"channel": "mail", "deep": {"list": [1, 2.5, True, None, "ü"]}}

EXPECTED: Final[dict[tuple[str, int], Event]] = {
    ("ticket.created", 1): ticket.TicketCreated(
        number=1042,
        title='The "printer" burns 🔥',
        description="Smoke.\nEverywhere.",
        priority="high",
        metadata=METADATA,
        tags=("vip", "hardware"),
        by=BY,
        at=AT,
    ),
    ("ticket.retitled", 1): ticket.TicketRetitled(title="The fax burns", previous="The printer burns", by=BY, at=AT),
    ("ticket.description_rewritten", 1): ticket.TicketDescriptionRewritten(
        description="", previous="Smoke.", by=BY, at=AT
    ),
    ("ticket.prioritized", 1): ticket.TicketPrioritized(priority="critical", previous="medium", by=BY, at=AT),
    ("ticket.metadata_replaced", 1): ticket.TicketMetadataReplaced(metadata=None, previous=METADATA, by=BY, at=AT),
    ("ticket.tagged", 1): ticket.TicketTagged(tags=("vip", "login"), by=BY, at=AT),
    ("ticket.untagged", 1): ticket.TicketUntagged(tags=("vip",), by=BY, at=AT),
    ("ticket.assigned", 1): ticket.TicketAssigned(assignee_id=OTHER, previous=None, by=BY, at=AT),
    ("ticket.unassigned", 1): ticket.TicketUnassigned(previous=OTHER, by=BY, at=AT),
    ("ticket.started", 1): ticket.TicketStarted(previous="open", by=BY, at=AT),
    ("ticket.returned", 1): ticket.TicketReturned(previous="in_progress", by=BY, at=AT),
    ("ticket.resolved", 1): ticket.TicketResolved(resolution="solved", previous="in_progress", by=BY, at=AT),
    ("ticket.closed", 1): ticket.TicketClosed(resolution="cancelled", previous="open", by=BY, at=AT),
    ("ticket.reopened", 1): ticket.TicketReopened(status="in_progress", previous="closed", by=BY, at=AT),
    ("ticket.wait_started", 1): ticket.TicketWaitStarted(waiting_on="requester", previous=None, by=BY, at=AT),
    ("ticket.wait_ended", 1): ticket.TicketWaitEnded(previous="third_party", by=BY, at=AT),
    ("ticket.deleted", 1): ticket.TicketDeleted(by=BY, at=AT),
    ("comment.added", 1): ticket.CommentAdded(comment_id=COMMENT, content="Help!", is_internal=False, by=BY, at=AT),
    ("comment.edited", 1): ticket.CommentEdited(
        comment_id=COMMENT, content="Quick!", previous="Help!", is_internal=True, by=BY, at=AT
    ),
    ("comment.deleted", 1): ticket.CommentDeleted(comment_id=COMMENT, is_internal=False, by=BY, at=AT),
    ("attachment.added", 1): ticket.AttachmentAdded(
        attachment_id=COMMENT,
        object_id=OTHER,
        filename="Rechnung für “Ada”.pdf",
        file_size=26_214_400,
        mime_type="application/pdf",
        sha256="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        by=BY,
        at=AT,
    ),
    ("attachment.removed", 1): ticket.AttachmentRemoved(attachment_id=COMMENT, by=BY, at=AT),
    ("ticket.redacted", 1): ticket.TicketRedacted(
        event_id=OTHER, fields=("title", "previous"), reason="erasure_request", by=BY, at=AT
    ),
    ("user.registered", 1): user.UserRegistered(
        email="ada@example.com", name="Ada Lovelace", role="AGENT", by=BY, at=AT
    ),
    ("user.invited", 1): user.UserInvited(
        invitation_id=OTHER, email="ada@example.com", name="Ada Lovelace", role="AGENT", by=BY, at=AT
    ),
    ("user.renamed", 1): user.UserRenamed(name="Ada King", previous="Ada Lovelace", by=BY, at=AT),
    ("user.role_changed", 1): user.UserRoleChanged(role="ADMIN", previous="AGENT", by=BY, at=AT),
    ("user.deactivated", 1): user.UserDeactivated(by=BY, at=AT),
    ("user.reactivated", 1): user.UserReactivated(by=BY, at=AT),
    ("user.password_changed", 1): user.UserPasswordChanged(by=BY, at=AT),
    ("user.signed_out", 1): user.UserSignedOut(by=BY, at=AT),
    ("user.redacted", 1): user.UserRedacted(
        event_id=OTHER, fields=("email", "name"), reason="erasure_request", by=BY, at=AT
    ),
    ("tenant.created", 1): tenant.TenantCreated(
        name="Acme", slug="acme", settings={"openRegistration": True}, by=BY, at=AT
    ),
    ("tenant.closed", 1): tenant.TenantClosed(reason="contract_ended", by=BY, at=AT),
    ("tenant.purged", 1): operations.TenantPurged(tenant_id=OTHER, reason="contract_ended", by=BY, at=AT),
    ("webhook.endpoint_created", 1): webhook.WebhookEndpointCreated(
        url="https://example.com/hook", events=("ticket.*", "TICKET_CREATED"), by=BY, at=AT
    ),
    ("webhook.endpoint_changed", 1): webhook.WebhookEndpointChanged(
        url="https://example.com/hook",
        events=("comment.added",),
        is_active=False,
        secret_replaced=True,
        by=BY,
        at=AT,
    ),
    ("webhook.endpoint_deleted", 1): webhook.WebhookEndpointDeleted(by=BY, at=AT),
    ("system.probed", 1): operations.SystemProbed(at=AT),
}
"""What each golden file tells of. A file whose event has since got a newer version expects the upcast event."""


def file_of(type_: str, schema_version: int) -> Path:
    """`ticket.created.v1.json` and the like."""
    return FOLDER / f"{type_}.v{schema_version}.json"


def lacking(
    names: Mapping[tuple[str, int], object], upcasters: Mapping[tuple[str, int], object], files: Collection[str]
) -> list[str]:
    """What these tables of stored names and upcasters do not do for the corpus: files that are missing, versions that
    nobody lifts, types that were stored and have no name any more.
    """
    newest = {type_: max(version for name, version in names if name == type_) for type_, _ in names}
    wanted = [(type_, version) for type_, last in sorted(newest.items()) for version in range(1, last + 1)]
    return [
        *(file_of(*name).name for name in wanted if file_of(*name).name not in files),
        *(f"{t} has no upcaster from version {v}" for t, v in wanted if v < newest[t] and (t, v) not in upcasters),
        *(f"{type_} was stored, and has no name any more" for type_ in sorted(_types(files) - newest.keys())),
    ]


def _types(files: Collection[str]) -> set[str]:
    return {name.rpartition(".v")[0] for name in files}

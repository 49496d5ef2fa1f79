"""The shapes of the webhook API (contract §9)."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StrictBool
from pydantic_core import PydanticCustomError

from helpdesk.http.wire import Answer, Body, Instant, Partial, text
from helpdesk.paging.wire import Envelope, PageQuery, SortOrder
from webhook_dispatcher.domain.catalogue import classic_of, filter_of
from webhook_dispatcher.domain.signature import BadSecret, key_of
from webhook_dispatcher.store.endpoints import Endpoint
from webhook_dispatcher.store.lists import Delivery


def _filter(name: str) -> str:
    canonical = filter_of(name)
    if canonical is None:
        raise PydanticCustomError("unknown_event", "is no event of ours")
    return canonical


def _once(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _secret(secret: str) -> str:
    try:
        key_of(secret)
    except BadSecret as error:
        raise PydanticCustomError("malformed_secret", "must be base64 after whsec_") from error
    return secret


Url = Annotated[str, text(1, 2048), Field(examples=["https://hooks.example.org/tickets"])]
Filters = Annotated[
    list[Annotated[str, AfterValidator(_filter)]],
    Field(min_length=1, max_length=50, examples=[["TICKET_CREATED", "comment.*"]]),
    AfterValidator(_once),
]
Secret = Annotated[str, text(1, 512), AfterValidator(_secret), Field(examples=["a long random text"])]


class CreateWebhook(Body):
    """A new endpoint. Without a secret one is made, and shown in this one answer."""

    url: Url
    events: Filters
    secret: Secret | None = None


class EditWebhook(Partial):
    """Any of the fields; none of them can be null."""

    url: Url = ""
    events: Filters = Field(default_factory=list)
    secret: Secret = ""
    is_active: StrictBool = False


class WebhookQuery(PageQuery):
    """What the list of endpoints is asked for."""

    sort_by: Literal["createdAt", "updatedAt"] | None = Field(None, description="Default createdAt.")


class DeliveryQuery(PageQuery):
    """What the log of an endpoint is asked for."""

    sort_order: SortOrder = Field(None, description="Default desc: newest first.")
    sort_by: Literal["createdAt"] | None = Field(None, description="There is no other order.")


class WebhookShape(Answer):
    """An endpoint, without its secret."""

    id: UUID
    tenant_id: UUID
    url: str
    events: list[str]
    is_active: bool
    created_at: Instant
    updated_at: Instant


class NewWebhookShape(WebhookShape):
    """The answer of a create; `secret` when it was made here, never again afterwards."""

    secret: str | None = Field(default=None, exclude_if=lambda secret: secret is None)


class DeletedWebhookShape(Answer):
    """The answer of a delete."""

    id: UUID
    deleted: bool = True
    message: str = "Webhook deleted"


class AttemptShape(Answer):
    """One attempt: `error` is dns, connect, tls, timeout, http or blocked; `response` how the answer began."""

    attempt: int
    at: Instant
    status: int | None
    error: str | None
    latency_ms: int
    response: str


class DeliveryShape(Answer):
    """One message to one endpoint: `state` is pending, sending, delivered or failed; `dueAt` when it is tried next."""

    id: UUID
    webhook_id: UUID
    event: str
    type: str
    event_id: UUID
    ticket_id: UUID
    state: str
    attempts: list[AttemptShape]
    due_at: Instant | None
    created_at: Instant


class WebhookPage(Envelope[WebhookShape]):
    """A page of endpoints."""


class DeliveryPage(Envelope[DeliveryShape]):
    """A page of deliveries."""


def webhook(endpoint: Endpoint) -> WebhookShape:
    """An endpoint as it is answered."""
    return WebhookShape(**_fields(endpoint))


def new_webhook(endpoint: Endpoint, secret: str | None) -> NewWebhookShape:
    """A new endpoint, with the secret that was made for it."""
    return NewWebhookShape(**_fields(endpoint), secret=secret)


def delivery(webhook_id: UUID, row: Delivery) -> DeliveryShape:
    """A delivery with its attempts."""
    return DeliveryShape(
        id=row.id,
        webhook_id=webhook_id,
        event=classic_of(row.type),
        type=row.type,
        event_id=row.event_id,
        ticket_id=row.ticket_id,
        state=row.state,
        attempts=[AttemptShape.model_validate(one) for one in row.attempts],
        due_at=row.due_at,
        created_at=row.created_at,
    )


def _fields(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "tenant_id": endpoint.tenant_id,
        "url": endpoint.url,
        "events": endpoint.events,
        "is_active": endpoint.is_active,
        "created_at": endpoint.created_at,
        "updated_at": endpoint.updated_at,
    }

"""What can happen to a webhook endpoint. Its secret never enters an event."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from helpdesk.events.personal import PERSONAL


@dataclass(frozen=True, slots=True)
class WebhookEndpointCreated:
    url: str = field(metadata=PERSONAL)
    events: tuple[str, ...]
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class WebhookEndpointChanged:
    """The endpoint as it stands after the change; `secret_replaced` tells that the secret changed, not to what."""

    url: str = field(metadata=PERSONAL)
    events: tuple[str, ...]
    is_active: bool
    secret_replaced: bool
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class WebhookEndpointDeleted:
    by: UUID
    at: datetime


WebhookEvent: TypeAlias = WebhookEndpointCreated | WebhookEndpointChanged | WebhookEndpointDeleted

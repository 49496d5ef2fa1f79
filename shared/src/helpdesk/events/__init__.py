"""What happened, under names that live for ever: one module per aggregate, frozen dataclasses and a union each."""

from typing import TypeAlias

from helpdesk.events.operations import OperationsEvent
from helpdesk.events.tenant import TenantEvent
from helpdesk.events.ticket import TicketEvent
from helpdesk.events.user import UserEvent
from helpdesk.events.webhook import WebhookEvent

Event: TypeAlias = TicketEvent | UserEvent | TenantEvent | WebhookEvent | OperationsEvent

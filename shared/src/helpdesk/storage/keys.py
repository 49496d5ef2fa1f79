"""Where files lie: keys under the tenant's prefix, made of ids alone, so nothing that a client sends is in them.

Uploads go to a place of their own. What was found to be what it says is copied to another, which nobody outside can
write: an address for uploads stays valid for a while, and must not replace what has been looked at.
"""

from uuid import UUID


def tenant_prefix(tenant_id: UUID) -> str:
    """What all keys of a tenant begin with."""
    return f"{tenant_id}/"


def incoming_key(tenant_id: UUID, attachment_id: UUID) -> str:
    """Where a client puts the bytes."""
    return f"{tenant_id}/incoming/{attachment_id}"


def file_prefix(tenant_id: UUID, attachment_id: UUID) -> str:
    """What the keys of one attachment begin with: each try to complete it has an object of its own."""
    return f"{tenant_id}/files/{attachment_id}/"


def file_key(tenant_id: UUID, attachment_id: UUID, object_id: UUID) -> str:
    """Where an attachment is read from."""
    return f"{file_prefix(tenant_id, attachment_id)}{object_id}"


def file_url(origin: str, ticket_id: UUID, attachment_id: UUID) -> str:
    """The lasting address of an attachment, of our origin (contract §8)."""
    return f"{origin.rstrip('/')}/api/v1/tickets/{ticket_id}/attachments/{attachment_id}/file"

"""Signatures: Standard Webhooks 1.0, and beside it the older API's MAC of the body alone (contract §9)."""

import base64
import binascii
import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Final
from uuid import UUID

PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = 32


class BadSecret(ValueError):
    """A secret that promises base64 by its prefix and is none."""


def new_secret() -> str:
    """A secret as it is shown once: `whsec_` and the base64 of 32 random bytes."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """The key of the Standard Webhooks signature: what follows `whsec_` decoded, else the text's UTF-8 bytes.

    Raises BadSecret.
    """
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadSecret("after whsec_ there must be base64") from error
    if not key:
        raise BadSecret("after whsec_ there must be base64")
    return key


def signature_headers(secret: str, message_id: UUID | str, at: datetime, body: bytes) -> dict[str, str]:
    """The four headers of one attempt at `at`.

    The older header's key is the secret exactly as it was shown, prefix and all: its receivers know no prefix and put
    the text that they were given into their HMAC function.
    """
    timestamp = str(int(at.timestamp()))
    signed = b".".join((str(message_id).encode(), timestamp.encode(), body))
    standard = base64.b64encode(hmac.digest(key_of(secret), signed, hashlib.sha256)).decode()
    return {
        "webhook-id": str(message_id),
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{standard}",
        "X-Webhook-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
    }

"""Endpoint secrets at rest: AES-256-GCM, bound to the tenant and the endpoint that they belong to."""

import secrets
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_FORMAT: Final = b"\x01"
_NONCE_BYTES: Final = 12


class Unreadable(Exception):
    """A sealed secret that this key does not open: the key is another one, or the row was moved or changed."""


class Vault:
    """Seals and opens secrets with one key of 32 bytes. Sealed: format byte, nonce, ciphertext with its tag."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, secret: str, tenant_id: UUID, endpoint_id: UUID) -> bytes:
        """What is stored for `secret`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, secret.encode(), tenant_id.bytes + endpoint_id.bytes)

    def open(self, sealed: bytes, tenant_id: UUID, endpoint_id: UUID) -> str:
        """The secret behind `sealed`. Raises Unreadable."""
        nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        if sealed[:1] != _FORMAT:
            raise Unreadable("the sealed secret has an unknown format")
        try:
            return self._cipher.decrypt(nonce, ciphertext, tenant_id.bytes + endpoint_id.bytes).decode()
        except (InvalidTag, ValueError) as error:
            raise Unreadable("WEBHOOK_SECRETS_KEY does not open this secret") from error

"""Endpoint secrets at rest: AES-256-GCM, bound to the tenant and the endpoint that they belong to."""

import secrets
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from helpdesk.eventstore.idempotency import Key

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


class SealedAnswers:
    """Bodies of answers that are kept under idempotency keys, bound to the tenant and the person who asked: the first
    answer of an endpoint shows its secret."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def seal(self, tenant_id: UUID, key: Key, body: bytes) -> bytes:
        """What is stored for `body`."""
        return self._vault.seal(body.decode(), tenant_id, UUID(key.principal))

    def open(self, tenant_id: UUID, key: Key, sealed: bytes) -> bytes:
        """The body again. Raises Unreadable."""
        return self._vault.open(sealed, tenant_id, UUID(key.principal)).encode()

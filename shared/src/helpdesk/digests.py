"""Tamper evidence that survives redaction: a salted commitment to each personal field, beside the event.

digest = SHA-256(salt ‖ name of the field ‖ "=" ‖ canonical value), the value as JSON in UTF-8 with sorted keys and no
spaces. The salt is 16 random bytes for each event. While it stands, anyone can check the text; redaction destroys it
and leaves the digests: nobody can guess the destroyed text from them, and whoever kept a copy of text and salt can
still prove that this is what stood there. A field that holds nothing has no digest, for it has nothing to hide.

A command that is sent again draws another salt. That is harmless: the first append wins, the second writes nothing.
"""

from collections.abc import Mapping
from hashlib import sha256
from os import urandom
from typing import Any, Final

import orjson

from helpdesk.events import Event
from helpdesk.events.personal import personal_fields

SALT: Final = "salt"
DIGESTS: Final = "digests"
_SALT_BYTES: Final = 16


def commitments(event: Event) -> dict[str, Any]:
    """What an event's metadata gets: `{"salt": hex, "digests": {field: hex}}`; `{}` when nothing personal is in it."""
    texts = [(name, value) for name in personal_fields(event) if (value := getattr(event, name))]
    if not texts:
        return {}
    salt = urandom(_SALT_BYTES)
    return {SALT: salt.hex(), DIGESTS: {name: digest(salt, name, value) for name, value in texts}}


def digest(salt: bytes, field: str, value: object) -> str:
    """The commitment to one field's value (text, a JSON object, a sequence of texts), in hexadecimal."""
    return sha256(salt + field.encode() + b"=" + orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()


def proves(metadata: Mapping[str, Any], salt: bytes, field: str, value: object) -> bool:
    """Whether stored `metadata` (of a redacted event too) commits to `value`, given the salt that once stood there."""
    return bool(metadata.get(DIGESTS, {}).get(field) == digest(salt, field, value))


def broken(event: Event, metadata: Mapping[str, Any]) -> list[str]:
    """The personal fields whose stored text is not what was committed to when it was appended: somebody changed it.

    Says nothing (`[]`) of events that have no salt: redacted, or stored before there were digests.
    """
    if SALT not in metadata:
        return []
    salt = bytes.fromhex(metadata[SALT])
    texts = {name: getattr(event, name) for name in personal_fields(event)}
    return [
        name
        for name, value in texts.items()
        if (bool(value) or name in metadata[DIGESTS]) and not proves(metadata, salt, name, value)
    ]

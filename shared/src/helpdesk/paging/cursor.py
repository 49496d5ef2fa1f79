"""Cursors: opaque to clients, signed, versioned, bound to the list that they were made for (behaviours §4).

A cursor is base64url of a MAC and JSON: [format, sort, descending, backward, inclusive, key, id, list]. `list` is a
digest of the filters and of what the caller may see, so a cursor continues exactly the list that it came from.
"""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import orjson

from helpdesk.paging.order import Key, Order, Sort, plain, restored

_FORMAT: Final = 1
_MAC_BYTES: Final = 16


class BadCursor(ValueError):
    """A cursor that this service did not make, or made for another list."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in an ordered list: the rows after it, or before it when `backward`.

    `inclusive`: the row that stands exactly there belongs to the page too.
    """

    order: Order
    key: Key
    id: UUID
    backward: bool = False
    inclusive: bool = False


class Cursors:
    """Makes and reads cursors with one secret, the same on every replica."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def encode(self, place: Place, of_list: str) -> str:
        """The cursor of a place in the list that `of_list` names."""
        payload = orjson.dumps(
            [
                _FORMAT,
                place.order.by.value,
                place.order.descending,
                place.backward,
                place.inclusive,
                plain(place.key),
                place.id,
                of_list,
            ]
        )
        return base64.urlsafe_b64encode(self._mac(payload) + payload).rstrip(b"=").decode()

    def decode(self, cursor: str, of_list: str) -> Place:
        """The place that `cursor` names. Raises BadCursor when it is forged, or belongs to another list."""
        try:
            raw = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error) as error:
            raise BadCursor("the cursor is none of this service") from error
        mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(payload)):
            raise BadCursor("the cursor is none of this service")
        format_, by, descending, backward, inclusive, key, id_, made_for = orjson.loads(payload)
        if format_ != _FORMAT:
            raise BadCursor("the cursor is of a former version of this service")
        if made_for != of_list:
            raise BadCursor("the cursor belongs to a list with other filters")
        sort = Sort(by)
        return Place(Order(sort, descending), restored(sort, key), UUID(id_), backward, inclusive)

    def _mac(self, payload: bytes) -> bytes:
        return hmac.digest(self._secret, payload, "sha256")[:_MAC_BYTES]


def list_name(*parts: object) -> str:
    """A digest that names a list: its kind, its filters and what the caller may see of it."""
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()[:20]

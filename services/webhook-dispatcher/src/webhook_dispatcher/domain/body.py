"""Bytes that survive `JSON.stringify(JSON.parse(body))` unchanged.

Receivers of the older API recompute the signature over that (contract §9). So: no spaces, nothing escaped that
JavaScript would not escape, numbers as a JavaScript number prints itself, and keys in the order in which a JavaScript
object lists them: those that look like array indices first, by value, whatever order a ticket's metadata had.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

import orjson

_LARGEST_INDEX: Final = 2**32 - 2
_EXACT: Final = 2**53
_DECIMAL_UP_TO: Final = 21
_DECIMAL_DOWN_TO: Final = -6


def dumps(value: object) -> bytes:
    """The body of `value`: None, booleans, numbers, strings, ids, times, sequences, mappings with string keys."""
    return _text(value).encode()


def _text(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return _string(value)
        case int() | float():
            return _number(value)
        case UUID():
            return f'"{value}"'
        case datetime():
            return f'"{_instant(value)}"'
        case Mapping():
            return _object(value)
        case Sequence():
            return f"[{','.join(map(_text, value))}]"
        case _:
            raise TypeError(f"{type(value).__name__} has no place in a body")


def _object(value: Mapping[str, object]) -> str:
    members = {_whole(key): member for key, member in value.items()}
    indices = sorted((key for key in members if _is_index(key)), key=int)
    keys = [*indices, *(key for key in members if not _is_index(key))]
    return f"{{{','.join(f'{_string(key)}:{_text(members[key])}' for key in keys)}}}"


def _is_index(key: str) -> bool:
    """What ECMAScript calls an array index: canonical decimal, 0 … 2³²-2."""
    if not (key.isascii() and key.isdigit()) or len(key) > 10:
        return False
    return str(int(key)) == key and int(key) <= _LARGEST_INDEX


def _string(text: str) -> str:
    return orjson.dumps(_whole(text)).decode()


def _whole(text: str) -> str:
    """`text` without lone surrogates: UTF-8 cannot carry them, and JavaScript would escape them."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _number(value: float) -> str:
    """ECMAScript's Number::toString of the nearest double; JSON.stringify prints what is not finite as null."""
    if isinstance(value, int) and abs(value) <= _EXACT:
        return str(value)
    try:
        double = float(value)
    except OverflowError:
        return "null"
    if not math.isfinite(double):
        return "null"
    if double == 0:
        return "0"
    sign = "-" if double < 0 else ""
    return sign + _digits(Decimal(repr(abs(double))))


def _digits(value: Decimal) -> str:
    """The shortest digits that make the double (as Python's repr finds them), set as ECMAScript sets them."""
    _, tuple_, exponent = value.normalize().as_tuple()
    if not isinstance(exponent, int):
        raise TypeError("a finite number was expected")
    digits = "".join(map(str, tuple_))
    point = len(digits) + exponent
    if len(digits) <= point <= _DECIMAL_UP_TO:
        return digits + "0" * exponent
    if 0 < point <= _DECIMAL_UP_TO:
        return f"{digits[:point]}.{digits[point:]}"
    if _DECIMAL_DOWN_TO < point <= 0:
        return f"0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}e{point - 1:+d}"


def _instant(value: datetime) -> str:
    """As contract §2 writes times; `helpdesk.http` says the same, but no domain imports a web framework."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"

"""The body is what JavaScript makes of it: JSON.stringify(JSON.parse(body)) === body.

The model below is written from ECMA-262 (Number::toString, SerializeJSONProperty, OrdinaryOwnPropertyKeys), by other
means than the code: digits by trying precisions, strings by the standard library.
"""

import json
import math
import re
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook_dispatcher.domain.body import dumps


def js_parse(text: str) -> object:
    """JSON.parse: every number a double, the last of equal keys wins at the place of the first."""

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        index = {key for key in found if re.fullmatch("0|[1-9][0-9]*", key) and int(key) < 2**32 - 1}
        return {key: found[key] for key in (*sorted(index, key=int), *(key for key in found if key not in index))}

    return json.loads(text, parse_int=float, object_pairs_hook=members)


def js_stringify(value: object) -> str:
    """JSON.stringify of what js_parse gave."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{js_string(key)}:{js_stringify(member)}" for key, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(js_stringify, value)) + "]"
    if isinstance(value, float):
        return js_number(value)
    return js_string(value) if isinstance(value, str) else json.dumps(value)


def js_string(text: str) -> str:
    return re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


def js_number(value: float) -> str:
    if not math.isfinite(value):
        return "null"
    if value < 0:
        return "-" + js_number(-value)
    if value == 0:
        return "0"
    mantissa, exponent = next(form for digits in range(17) for form in nearby(value, digits) if made(form) == value)
    digits, n = mantissa.replace(".", ""), int(exponent) + 1
    k = len(digits)
    if k <= n <= 21:
        return digits + "0" * (n - k)
    if 0 < n <= 21:
        return digits[:n] + "." + digits[n:]
    if -6 < n <= 0:
        return "0." + "0" * -n + digits
    sign = "+" if n > 0 else "-"
    return digits[0] + ("." + digits[1:] if k > 1 else "") + "e" + sign + str(abs(n - 1))


def nearby(value: float, digits: int) -> list[tuple[str, str]]:
    """The nearest number of so many digits after the first, then its neighbours: below a power of two, doubles lie
    closer than above it, so the nearest decimal may miss where the one after it does not."""
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    whole = int(mantissa.replace(".", ""))
    return [
        (mantissa, exponent),
        *((str(one), exponent) for one in (whole + 1, whole - 1) if len(str(one)) == digits + 1),
    ]


def made(form: tuple[str, str]) -> float:
    mantissa, exponent = form
    whole = mantissa.replace(".", "")
    return float(f"{whole}e{int(exponent) - len(whole) + 1}")


keys = st.text(st.characters()) | st.integers(-5, 2**33).map(str) | st.sampled_from(["00", "01", "1.0", "__proto__"])
numbers = st.integers() | st.floats() | st.integers().map(lambda n: n * 10**15) | st.floats(1e-9, 1e-4)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6),
    max_leaves=20,
)


@given(values)
def test_javascript_reads_and_writes_a_body_without_changing_it(value: object) -> None:
    body = dumps(value).decode()
    assert js_stringify(js_parse(body)) == body


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_stays_the_number_it_was(value: float) -> None:
    assert float(dumps(value)) == value


@pytest.mark.parametrize(
    ("value", "body"),
    [
        (1.0, "1"),
        (-0.0, "0"),
        (1e21, "1e+21"),
        (123456789012345680000, "123456789012345680000"),
        (2**53 + 1, "9007199254740992"),
        (-(2**63), "-9223372036854776000"),
        (1e-6, "0.000001"),
        (1.5e-7, "1.5e-7"),
        (10**400, "null"),
        (5e-324, "5e-324"),
        ('Größe \u2028 \x7f\x1f\b"\\ 🖨', '"Größe \u2028 \x7f\\u001f\\b\\"\\\\ 🖨"'),
        ("\ud800", '"\ufffd"'),
        ("\ud83d\ude00", '"😀"'),
        ({"b": 1, "10": 2, "9": 3, "01": 4, "4294967295": 5}, '{"9":3,"10":2,"b":1,"01":4,"4294967295":5}'),
        (("a", [], {}, None, True), '["a",[],{},null,true]'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (datetime(2026, 1, 2, 3, 4, 5, 678999, UTC), '"2026-01-02T03:04:05.678Z"'),
    ],
)
def test_values_are_written_as_javascript_writes_them(value: object, body: str) -> None:
    assert dumps(value).decode() == body

"""The token that names what a caller wrote (header Consistency-Token)."""

import base64
from contextlib import suppress
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk.consistency import MAX_TOKEN_STREAMS, BadToken, Position, positions_of, token_of
from helpdesk.recorded import Stream

TENANT, OTHER = UUID(int=1), UUID(int=2)
_POSITIONS = st.lists(
    st.builds(
        Position,
        st.builds(Stream, st.just(TENANT), st.sampled_from(["ticket", "user"]), st.uuids()),
        st.integers(0, 2**31 - 1),
    ),
    max_size=MAX_TOKEN_STREAMS,
)


def made(value: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")


@given(_POSITIONS)
def test_a_token_names_what_it_was_made_of(positions: list[Position]) -> None:
    assert positions_of(token_of(positions), TENANT) == positions


def test_a_token_reaches_the_bearers_own_tenant_alone() -> None:
    token = token_of([Position(Stream(TENANT, "ticket", UUID(int=3)), 4)])
    assert positions_of(token, OTHER) == [Position(Stream(OTHER, "ticket", UUID(int=3)), 4)]


def test_a_tenants_own_stream_is_in_that_tenant_whoever_bears_the_token() -> None:
    position = Position(Stream(OTHER, "tenant", OTHER), 4)
    assert positions_of(token_of([position]), TENANT) == [position]


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "ä",
        "{}",
        made(None),
        made(7),
        made({"a": 1}),
        made("ticket"),
        made([1]),
        made([["ticket", str(TENANT)]]),
        made([["ticket", "nobody", 1]]),
        made([["ticket", 7, 1]]),
        made([["ticket", str(TENANT), "many"]]),
        made([["ticket", str(TENANT), None]]),
        made([["ticket", str(TENANT), -1]]),
        made([["ticket", str(TENANT), 2**31]]),
        made([["ticket", str(TENANT), 1]] * (MAX_TOKEN_STREAMS + 1)),
        made([["tic\x00ket", str(TENANT), 1]]),
    ],
)
def test_what_is_none_of_ours_is_refused(token: str) -> None:
    with pytest.raises(BadToken):
        positions_of(token, TENANT)


@given(st.text(max_size=80))
def test_any_text_is_a_token_or_refused(text: str) -> None:
    with suppress(BadToken):
        positions_of(text, TENANT)

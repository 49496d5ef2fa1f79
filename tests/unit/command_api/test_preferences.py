"""A client may waive read-your-writes (RFC 7240)."""

import pytest

from command_api.routes.shared import prefers_async


@pytest.mark.parametrize(
    "prefer", ["respond-async", "Respond-Async", "return=minimal, respond-async", "respond-async; wait=10"]
)
def test_respond_async_is_understood(prefer: str) -> None:
    assert prefers_async(prefer)


@pytest.mark.parametrize("prefer", [None, "", "return=minimal", "respond-asynchronously", "no-respond-async"])
def test_anything_else_waits(prefer: str | None) -> None:
    assert not prefers_async(prefer)

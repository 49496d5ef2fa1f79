"""How calls are counted, and whose they are (behaviours §3)."""

from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from helpdesk.clock import utc_now
from helpdesk.http.access import OPEN, PUBLIC, Rate, access
from helpdesk.http.app import build_api, edge
from helpdesk.http.limits import Limiter, address_of, network_of, standing
from helpdesk.settings import RateSettings

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def scope(client: str, forwarded: str | None = None) -> dict[str, Any]:
    headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode())]
    return {"type": "http", "client": (client, 1), "headers": headers}


@pytest.mark.parametrize(
    ("client", "forwarded", "is_from"),
    [
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),  # no proxy of ours: not believed
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.7", "198.51.100.7"),  # what the caller wrote in front counts for nothing
        ("10.0.0.1", "198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("fd00::1", "2001:db8::7", "2001:db8::7"),
    ],
)
def test_an_address_is_believed_from_our_proxies_alone(client: str, forwarded: str | None, is_from: str) -> None:
    assert address_of(scope(client, forwarded), PROXIES) == is_from


def test_without_proxies_nobody_is_believed() -> None:
    assert address_of(scope("10.0.0.1", "198.51.100.7"), ()) == "10.0.0.1"


def test_somebody_with_ipv6_is_one_caller_whatever_address_of_theirs_they_use() -> None:
    assert network_of("2001:db8:1:2::3") == network_of("2001:db8:1:2:ffff::9") == "2001:db8:1:2::"
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1")


def test_what_remains_shrinks_by_what_was_called_in_this_window_and_the_last() -> None:
    found = standing("reads", 10, 60, (4, 30.0, 3, 90.0), fits=True)
    assert (found.remaining, found.reset_s, found.is_over) == (5, 30, False)


async def test_who_comes_again_when_told_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever they did before, and not much later than needed."""
    now = 1_000_000.0
    monkeypatch.setattr("helpdesk.http.counting.time.time", lambda: now)
    limiter = Limiter(RateSettings.model_validate({"rate_limit_writes": "7 per minute"}))
    for calls in (7, 1, 7, 9, 3, 30, 7):
        for _ in range(calls):
            found = await limiter.count(Rate.WRITES, "somebody")
        assert found is not None
        if found.is_over:
            now += found.retry_after_s
            again = await limiter.count(Rate.WRITES, "somebody")
            assert again is not None
            assert not again.is_over
        now += 13


def app(**settings: str) -> FastAPI:
    api = build_api("test")
    api.state.limiter = Limiter(RateSettings.model_validate(settings))

    @api.post("/thing", openapi_extra=access(PUBLIC, Rate.WRITES))
    async def thing() -> None: ...

    @api.get("/things/{id}", openapi_extra=access(PUBLIC, Rate.SEARCH))
    async def things(id: str) -> None: ...  # noqa: A002 - as in a path

    @api.get("/health", openapi_extra=OPEN)
    async def health() -> None: ...

    return api


def asking(api: FastAPI, address: str = "192.0.2.1") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(edge(api), client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://test")


async def test_each_class_has_its_own_limit_and_every_answer_tells_of_it() -> None:
    api = app(rate_limit_writes="2 per minute", rate_limit_search="1 per hour")
    async with asking(api) as client:
        answers = [await client.post("/thing") for _ in range(3)]
        assert [one.status_code for one in answers] == [200, 200, 429]
        assert [one.headers["X-RateLimit-Remaining"] for one in answers] == ["1", "0", "0"]
        assert {one.headers["RateLimit-Policy"] for one in answers} == {'"writes";q=2;w=60'}
        assert answers[0].headers["RateLimit"].startswith('"writes";r=1;t=')
        assert 0 < int(answers[0].headers["X-RateLimit-Reset"]) - utc_now().timestamp() <= 61
        assert answers[2].json()["code"] == "RATE_LIMITED"
        assert 1 <= int(answers[2].headers["Retry-After"]) <= 121
        assert (await client.get("/things/1")).headers["X-RateLimit-Limit"] == "1"
        assert (await client.get("/things/2")).status_code == 429
        unknown = await client.get("/unknown")
        assert (unknown.status_code, unknown.headers["X-RateLimit-Limit"]) == (404, "600")
        assert (await client.head("/things/1")).status_code == 429


async def test_a_call_with_text_in_what_it_is_searched_by_counts_as_a_search() -> None:
    api = app()

    @api.get("/list", openapi_extra=access(PUBLIC, Rate.READS, searched_by=("q", "search")))
    async def listed() -> None: ...

    async with asking(api) as client:
        for query, policy in (
            ("q=x", "search"),
            ("page=1&search=x", "search"),
            ("q=%20&search=%E2%80%83", "reads"),
            ("q", "reads"),
            ("Q=x", "reads"),
            ("q=&q=x", "search"),
        ):
            found = (await client.get(f"/list?{query}")).headers["RateLimit-Policy"]
            assert found.startswith(f'"{policy}"'), query
        assert (await client.get("/things/1?q=x")).headers["RateLimit-Policy"].startswith('"search"')


async def test_health_and_preflights_are_not_counted() -> None:
    api = app(rate_limit_reads="1 per hour", rate_limit_writes="1 per hour")
    async with asking(api) as client:
        for _ in range(3):
            assert "RateLimit" not in (await client.get("/health")).headers
            assert "RateLimit" not in (await client.options("/thing")).headers
        assert (await client.post("/thing")).status_code == 200


async def test_one_address_takes_nothing_from_another() -> None:
    api = app(rate_limit_writes="1 per hour")
    async with asking(api) as one, asking(api, "192.0.2.2") as other:
        assert [(await one.post("/thing")).status_code for _ in range(2)] == [200, 429]
        assert (await other.post("/thing")).status_code == 200


@pytest.mark.parametrize("url", ["memory://", "async+nonsense://x", "async+redis://localhost", "x"])
def test_a_store_that_cannot_be_asked_ends_the_start(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        Limiter(RateSettings.model_validate({"rate_limit_storage_url": url}))
    assert "RATE_LIMIT_STORAGE_URL" in capsys.readouterr().err


def test_a_limit_is_written_in_words() -> None:
    assert RateSettings.model_validate({"rate_limit_reads": "5/second"}).rate_limit_reads == "5/second"
    with pytest.raises(ValueError, match="per minute"):
        RateSettings.model_validate({"rate_limit_reads": "many"})

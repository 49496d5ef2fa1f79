"""What a parameter comes to that stands in an address more than once (contract §3)."""

from typing import Annotated

import httpx
from fastapi import FastAPI, Query

from helpdesk.http.access import PUBLIC, Rate, access
from helpdesk.http.app import build_api, edge
from helpdesk.http.wire import SEVERAL, Body


class Asked(Body):
    some_words: Annotated[str | None, SEVERAL] = None
    page: int = 1


def app() -> FastAPI:
    api = build_api("test")

    @api.get("/things", openapi_extra=access(PUBLIC, Rate.READS))
    async def things(query: Annotated[Asked, Query()], plain: str = "") -> list[str | int | None]:
        return [query.some_words, query.page, plain]

    return api


async def answer(query: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(edge(app())), base_url="http://test") as client:
        return await client.get(f"/things?{query}")


async def test_several_values_are_one_with_commas_between_however_the_name_is_written() -> None:
    for query, found in (
        ("someWords=a&someWords=b", "a,b"),
        ("someWords=a&page=1&some%57ords=b%2Cc", "a,b,c"),
        ("someWords=&someWords=%20&someWords=b", "b"),
        ("someWords=%C3%A4&someWords=%26", "ä,&"),
        ("someWords=a", "a"),
    ):
        assert (await answer(query)).json() == [found, 1, ""], query


async def test_a_second_value_is_refused_where_one_is_taken() -> None:
    for query, field in (("page=1&page=1", "page"), ("plain=a&x=1&plain=b", "plain"), ("p%61ge=1&page=2", "page")):
        problem = (await answer(query)).json()
        assert (problem["code"], problem["details"][0]["field"]) == ("VALIDATION_ERROR", field)


async def test_what_the_route_does_not_know_may_be_repeated() -> None:
    assert (await answer("x=1&x=2&some_words=a&some_words=b&Page=7&Page=8&plain=p")).json() == [None, 1, "p"]

"""Whatever a client sends, in form or out of it, a route answers what the document promises: no 500, no status that is
not named, no body of another shape or content type.

Schemathesis makes the requests from the document, half of them against its schemas. Who asks is drawn, and with how
much care: some have ids of real things and what a body must have. The tenant is the tests' own.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import httpx
import pytest
import pytest_asyncio
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict
from schemathesis import Case
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import response_headers_conformance, response_schema_conformance

from localstack.stack import Stack
from support.casts import ROLES, Cast, founded, furnished
from support.document import Json, Operation, document, is_id, operation_at, operations, sample
from support.people import People
from support.strict import found

AnyCase: TypeAlias = Case[Any]
NOBODY = "nobody"
FEW, MANY = 20, 200
IDS, HEADERS, FIELDS = 1, 2, 3
"""How careful a request is; each with what stands before it."""
LAST = ("DELETE", "POST /api/v1/auth/logout", "PUT /api/v1/auth/me/password")
IN_ORDER = sorted(operations(), key=lambda one: str(one).startswith(LAST))
"""What destroys comes last, so that others still find something."""


@dataclass
class Scene:
    """Who asks, and what there is to ask for."""

    stack: Stack
    people: People
    schema: schemathesis.BaseSchema
    cast: Cast
    things: Mapping[str, str]

    async def ready(self) -> None:
        """Others take over when a request has ended somebody's session."""
        if not await self.cast.is_signed_in():
            self.cast = await founded(self.stack, self.people)
            self.things = await furnished(self.cast)


@pytest_asyncio.fixture(scope="module")
async def scene(stack: Stack, people: People) -> AsyncIterator[Scene]:
    cast = await founded(stack, people)
    schema = schemathesis.openapi.from_dict(document())
    yield Scene(stack, people, schema, cast, await furnished(cast))


def requests_of(operation: APIOperation[Any, Any, Any, Any]) -> st.SearchStrategy[AnyCase]:
    """Requests in form, and such that are not, where something can be wrong at all."""
    modes = [GenerationMode.POSITIVE]
    if operation.body or operation.query or operation.headers or operation.path_parameters:
        modes.append(GenerationMode.NEGATIVE)
    return st.one_of([operation.as_strategy(generation_mode=mode) for mode in modes])


def carefully(operation: Operation, case: AnyCase, things: Mapping[str, str], care: int) -> None:
    """Make a request get further: with ids of real things, without odd headers, with what a body must have."""
    kinds, schemas = operation.kinds(), operation.parameters("path")
    for name, kind in kinds.items() if care >= IDS else ():
        if is_id(schemas[name]) and kind in things and isinstance(case.path_parameters, dict):
            case.path_parameters[name] = things[kind]
    if care >= HEADERS:
        case.headers = CaseInsensitiveDict({})
    if care >= FIELDS and operation.body is not None and isinstance(case.body, dict):
        case.body = {**case.body, **sample(operation.body)}
        case.body |= {name: things["ticket"] for name in case.body if name == "ticketId"}


def answer_of(case: AnyCase, origin: str, session: requests.Session, token: str | None) -> None:
    """Send it, and judge the answer. A path that leads elsewhere is judged by where it has led."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = case.call(base_url=origin, session=session, headers=headers, timeout=30)
    except (requests.exceptions.InvalidHeader, requests.exceptions.InvalidURL, UnicodeError):
        return  # no client can send it
    method, path = str(answer.request.method), httpx.URL(str(answer.request.url)).raw_path.decode().partition("?")[0]
    content_type = answer.headers.get("content-type", [""])[0]
    assert answer.status_code < 500, f"{case.as_curl_command(headers=headers)}\n→ {answer.status_code} {answer.text}"
    broken = found(method, path, answer.status_code, content_type, answer.content)
    assert not broken, f"{case.as_curl_command(headers=headers)}\n→ {answer.status_code} {answer.text[:600]}\n{broken}"
    met = operation_at(method, path)
    if met is not None and met.path == case.path and met.documented(answer.status_code) is not None:
        case.validate_response(
            answer, checks=[response_schema_conformance, response_headers_conformance], headers=headers
        )


def probe(scene: Scene, operation: Operation, roles: tuple[str, ...], examples: int) -> None:
    """So many requests to one operation."""
    tokens: dict[str, str | None] = {role: person.token for role, person in scene.cast.people.items()}
    tokens[NOBODY] = None
    found_operation = scene.schema[operation.path][operation.method]

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=requests_of(found_operation), role=st.sampled_from(roles), care=st.integers(0, FIELDS))
    def ask(case: AnyCase, role: str, care: int) -> None:
        carefully(operation, case, scene.things, care)
        answer_of(case, scene.stack.origin, session, tokens[role])

    with requests.Session() as session:
        session.trust_env = False
        ask()


@pytest.mark.parametrize("operation", IN_ORDER, ids=str)
async def test_no_input_surprises_a_route(scene: Scene, operation: Operation) -> None:
    await scene.ready()
    await asyncio.to_thread(probe, scene, operation, (*ROLES, NOBODY), FEW)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("role", [*ROLES, NOBODY])
@pytest.mark.parametrize("operation", IN_ORDER, ids=str)
async def test_no_input_of_any_role_surprises_a_route(scene: Scene, operation: Operation, role: str) -> None:
    await scene.ready()
    await asyncio.to_thread(probe, scene, operation, (role,), MANY)


def test_every_operation_is_probed() -> None:
    spec: Json = document()["paths"]
    assert len(IN_ORDER) == sum(
        len(methods.keys() & {"get", "post", "put", "patch", "delete"}) for methods in spec.values()
    )

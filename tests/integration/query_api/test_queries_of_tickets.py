"""What a query finds, and that none finds what its caller may not see (behaviours §4)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration.query_api.views import NOON, Person, Views

OWN, OTHERS, FOREIGN = "own", "others", "foreign"
WORDS = st.sampled_from(
    ["fire", "%", "_", "'", "' or 1=1 --", "\\", '"on fire"', "%(tenant_id)s", "{0}", "#1", "ß", "and"]
)
TERMS = st.one_of(
    WORDS,
    st.builds("status:{}".format, st.sampled_from(["open", "closed", "cancelled", "pending", "open,on_hold"])),
    st.builds("priority{}high".format, st.sampled_from([":", ">", ">=", "<", "<="])),
    st.builds("assignee:{}".format, st.sampled_from(["me", "none", "me,none", str(uuid4())])),
    st.builds("requester:{}".format, st.sampled_from(["me", str(uuid4())])),
    st.builds("tag:{}".format, st.sampled_from(["vip", "none", '"a b",vip'])),
    st.builds("created{}".format, st.sampled_from([":2026", "<2026", ">-1d", "<=now"])),
    st.builds("waiting:{}".format, st.sampled_from(["none", "requester", "third_party"])),
    st.builds("number{}".format, st.sampled_from([":1..3", ">2", ":1,2", "<1"])),
    st.just("is:unassigned"),
)
QUERIES = st.recursive(
    TERMS,
    lambda inner: st.one_of(
        st.builds("-({})".format, inner),
        st.builds("({} OR {})".format, inner, inner),
        st.builds("{} {}".format, inner, inner),
    ),
    max_leaves=12,
)


@dataclass(frozen=True)
class Scene:
    """Two tenants whose tickets look the same."""

    user: Person
    agent: Person
    own: frozenset[UUID]
    tenants: frozenset[UUID]


@pytest_asyncio.fixture(scope="module")
async def scene(views: Views) -> AsyncIterator[Scene]:
    agent = await views.person("AGENT")
    user, other = [await views.person("USER", agent.tenant_id) for _ in range(2)]
    stranger = await views.person("AGENT")
    made: dict[UUID, list[UUID]] = {}
    for person in (user, other, agent, stranger):
        for number, (status, priority, tags, assignee) in enumerate(
            [("open", "low", ["vip"], None), ("closed", "high", [], user.id), ("open", "critical", ["a b"], agent.id)]
        ):
            ticket = await views.ticket(
                person,
                f"It's on fire {number}",
                status=status,
                priority=priority,
                tags=tags,
                assignee_id=assignee,
                waiting_on="requester" if number == 0 else None,
                resolution="cancelled" if status == "closed" else None,
            )
            made.setdefault(person.id, []).append(ticket)
    tenants = frozenset(made[user.id] + made[other.id] + made[agent.id])
    yield Scene(user, agent, frozenset(made[user.id]), tenants)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(q=st.one_of(QUERIES, st.text(max_size=100)))
async def test_no_query_escapes_tenant_and_sight(views: Views, scene: Scene, q: str) -> None:
    for person, in_sight in ((scene.user, scene.own), (scene.agent, scene.tenants)):
        answer = await views.ask(person, "/tickets", q=q)
        assert answer.status_code in (200, 400), answer.text
        if answer.status_code == 400:
            assert answer.json()["reason"] == "validation_failed"
            assert {one["field"] for one in answer.json()["details"]} == {"q"}
            continue
        found = {UUID(one["id"]) for one in answer.json()}
        assert found <= in_sight
        assert (await views.get(person, "/tickets", q=q, page=1))["meta"]["total"] == len(found)
        assert (await views.get(person, "/tickets/stats", q=q))["total"] == len(found)
        if q.strip():  # a query and its opposite share the tickets between them
            rest = await views.get(person, "/tickets", q=f"-({q})")
            assert {UUID(one["id"]) for one in rest} == in_sight - found


async def test_each_field_finds_what_it_names(views: Views) -> None:
    agent = await views.person("AGENT")
    user = await views.person("USER", agent.tenant_id)
    at = datetime(2026, 5, 2, tzinfo=UTC)
    plain = await views.ticket(user, "Printer on fire", description="smoke", created_at=at, number=1042)
    waiting = await views.ticket(agent, "Waits", waiting_on="requester", priority="high", tags=["vip", "a b"])
    late = NOON.replace(hour=23)
    ended = await views.ticket(
        agent, "Printer gone", status="closed", resolution="cancelled", assignee_id=agent.id, updated_at=late
    )
    for q, found in {
        "PRINTER": [plain, ended],
        "printer smoke": [plain],
        '"on fire"': [plain],
        '"fire on"': [],
        "title:smoke": [],
        "description:smoke": [plain],
        "printer -fire": [ended],
        "fire OR waits": [plain, waiting],
        "status:cancelled": [ended],
        "status:open,pending": [plain, waiting],
        "-status:pending": [plain, ended],
        "waiting:none": [plain, ended],
        "waiting:requester": [waiting],
        "resolution:cancelled,solved": [ended],
        "priority>=high": [waiting],
        "priority>critical": [],
        "tag:vip": [waiting],
        'tag:"a b",other': [waiting],
        "tag:none": [plain, ended],
        "-tag:vip": [plain, ended],
        "assignee:me": [ended],
        "-assignee:me": [plain, waiting],
        "assignee:none": [plain, waiting],
        "is:unassigned status:open": [plain, waiting],
        f"requester:{user.id}": [plain],
        "creator:me": [waiting, ended],
        "#1042": [plain],
        "number:1042": [plain],
        "number>1041 number<1043": [plain],
        "created:2026-05-02": [plain],
        "created<2026-05-03": [plain],
        "created:2026-05-03..2026-05-04": [waiting, ended],
        "updated>2026-05-04T22:00:00Z": [ended],
        "created>-1d": [] if datetime.now(UTC) > datetime(2026, 5, 6, tzinfo=UTC) else [waiting, ended],
    }.items():
        page = await views.get(agent, "/tickets", q=q, page=1)
        assert [UUID(one["id"]) for one in page["data"]] == found, q

"""Who may do what: contract §4 and §13, word for word."""

import pytest

from helpdesk.policy import ADMIN, AGENT, SCOPES, USER, Reach, is_staff, may, may_manage_webhooks, reach


def test_the_scopes_are_the_contracts() -> None:
    assert " ".join(SCOPES[USER]) == "tickets:read:own tickets:write:own"
    assert " ".join(SCOPES[AGENT]) == (
        "tickets:read:own tickets:write:own "
        "tickets:read:any tickets:read:assigned tickets:write:assigned tickets:write:any"
    )
    assert " ".join(SCOPES[ADMIN]) == (
        "tickets:read:any tickets:write:any tickets:delete:any users:read:any users:write:any"
    )


@pytest.mark.parametrize(
    ("role", "right", "expected"),
    [
        (USER, "tickets:read", Reach.OWN),
        (USER, "tickets:write", Reach.OWN),
        (USER, "tickets:delete", Reach.NONE),
        (USER, "users:read", Reach.NONE),
        (AGENT, "tickets:read", Reach.ANY),
        (AGENT, "tickets:write", Reach.ANY),
        (AGENT, "tickets:delete", Reach.NONE),
        (ADMIN, "tickets:read", Reach.ANY),
        (ADMIN, "tickets:write", Reach.ANY),
        (ADMIN, "tickets:delete", Reach.ANY),
        (ADMIN, "users:write", Reach.ANY),
        ("ROOT", "tickets:read", Reach.NONE),
        ("", "tickets:read", Reach.NONE),
        ("admin", "tickets:read", Reach.NONE),
    ],
)
def test_how_far_a_right_reaches(role: str, right: str, expected: Reach) -> None:
    assert reach(role, right) is expected


def test_staff_are_agents_and_admins() -> None:
    assert [is_staff(role) for role in (USER, AGENT, ADMIN, "ROOT")] == [False, True, True, False]
    assert [may_manage_webhooks(role) for role in (USER, AGENT, ADMIN)] == [False, True, True]


@pytest.mark.parametrize(
    ("right", "roles"),
    [
        ("tickets:read", {USER, AGENT, ADMIN}),
        ("tickets:write", {USER, AGENT, ADMIN}),
        ("tickets:delete", {ADMIN}),
        ("webhooks:read", {AGENT, ADMIN}),
        ("webhooks:write", {AGENT, ADMIN}),
        ("users:read", {AGENT, ADMIN}),
        ("users:write", {ADMIN}),
        ("tenants:read", {ADMIN}),
        ("tenants:write", {ADMIN}),
        ("audit:read", {ADMIN}),
        ("exports:read", {ADMIN}),
        ("keys:write", {ADMIN}),
        ("templates:write", {ADMIN}),
        ("anything:else", set()),
    ],
)
def test_who_has_which_right(right: str, roles: set[str]) -> None:
    assert {role for role in (USER, AGENT, ADMIN, "ROOT", "admin") if may(role, right)} == roles

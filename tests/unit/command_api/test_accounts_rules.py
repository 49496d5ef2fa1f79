"""How an account and a tenant begin (contract §4, §11), and how a tenant ends."""

import pytest

from command_api.domain import tenant, user
from command_api.domain.rejected import Rejected
from command_api.domain.tenant import CloseTenant, CreateTenant
from command_api.domain.user import RegisterUser
from helpdesk.events.tenant import TenantClosed, TenantCreated
from helpdesk.events.user import UserRegistered
from support.tickets import ADMIN, LATER, NOON, REQUESTER


def register(role: str = "USER", *, is_open: bool = True) -> RegisterUser:
    return RegisterUser(
        email="ada@example.com", name="Ada Lovelace", role=role, is_open=is_open, by=REQUESTER.id, at=NOON
    )


REGISTERED = UserRegistered(email="ada@example.com", name="Ada Lovelace", role="USER", by=REQUESTER.id, at=NOON)
TENANT = CreateTenant(name="Acme", slug="acme", settings={"openRegistration": True}, by=ADMIN.id, at=NOON)
CREATED = TenantCreated(name="Acme", slug="acme", settings={"openRegistration": True}, by=ADMIN.id, at=NOON)


def test_an_account_is_registered() -> None:
    assert user.decide([], register()) == [REGISTERED]


@pytest.mark.parametrize("role", ["ADMIN", "AGENT", "USER"])
def test_an_account_has_one_of_three_roles(role: str) -> None:
    (event,) = user.decide([], register(role))
    assert isinstance(event, UserRegistered)
    assert event.role == role


@pytest.mark.parametrize(
    ("past", "command", "reason"),
    [
        ([REGISTERED], register(), "user_exists"),
        ([], register(is_open=False), "registration_closed"),
        ([], register("ROOT"), "unknown_role"),
        ([], register("admin"), "unknown_role"),
    ],
)
def test_who_may_not_be_registered(past: list[UserRegistered], command: RegisterUser, reason: str) -> None:
    with pytest.raises(Rejected) as refused:
        user.decide(past, command)
    assert refused.value.code == reason


def test_a_tenant_is_created_once() -> None:
    assert tenant.decide([], TENANT) == [CREATED]
    with pytest.raises(Rejected) as refused:
        tenant.decide([CREATED], TENANT)
    assert refused.value.code == "tenant_exists"


def test_a_tenant_is_closed_once_and_stays_so() -> None:
    close = CloseTenant(reason="contract_ended", by=ADMIN.id, at=LATER)
    (closed,) = tenant.decide([CREATED], close)
    assert closed == TenantClosed(reason="contract_ended", by=ADMIN.id, at=LATER)
    assert tenant.decide([CREATED, closed], close) == []
    with pytest.raises(Rejected) as refused:
        tenant.decide([], close)
    assert refused.value.code == "tenant_not_found"

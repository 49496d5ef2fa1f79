"""What may happen to an account (contract §4, §11)."""

from typing import Any
from uuid import UUID

import pytest

from command_api.domain.rejected import Rejected
from command_api.domain.user import ChangePassword, EditUser, RegisterUser, SignOut, UserCommand, decide
from helpdesk.events.user import (
    UserDeactivated,
    UserEvent,
    UserInvited,
    UserPasswordChanged,
    UserReactivated,
    UserRegistered,
    UserRenamed,
    UserRoleChanged,
    UserSignedOut,
)
from support.tickets import ADMIN, LATER, NOON

BY = ADMIN.id
INVITATION = UUID(int=9)


def registered(role: str = "USER", name: str = "Ada King Lovelace") -> UserRegistered:
    return UserRegistered(email="ada@example.com", name=name, role=role, by=BY, at=NOON)


def invited(role: str = "USER") -> UserInvited:
    return UserInvited(invitation_id=INVITATION, email="ada@example.com", name="Ada", role=role, by=BY, at=NOON)


def edit(others: int = 1, **fields: Any) -> EditUser:
    return EditUser(other_admins=others, by=BY, at=LATER, **fields)


OFF, ON = UserDeactivated(by=BY, at=LATER), UserReactivated(by=BY, at=LATER)


def renamed(name: str, previous: str = "Ada King Lovelace") -> UserRenamed:
    return UserRenamed(name=name, previous=previous, by=BY, at=LATER)


def role(new: str, previous: str = "USER") -> UserRoleChanged:
    return UserRoleChanged(role=new, previous=previous, by=BY, at=LATER)


def test_an_account_without_a_password_is_an_invitation() -> None:
    command = RegisterUser(
        email="ada@example.com", name="Ada", role="USER", is_open=True, by=BY, at=NOON, invitation_id=INVITATION
    )
    assert decide([], command) == [invited()]


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"name": "Grace Hopper"}, "Grace Hopper"),
        ({"first_name": "Grace"}, "Grace King Lovelace"),
        ({"last_name": "Byron"}, "Ada Byron"),
        ({"last_name": ""}, "Ada"),
        ({"first_name": "Grace", "last_name": "Hopper"}, "Grace Hopper"),
        ({"name": "Grace", "last_name": "Hopper"}, "Grace"),
    ],
)
def test_a_half_of_a_name_that_is_not_named_stays(fields: dict[str, Any], name: str) -> None:
    assert decide([registered()], edit(**fields)) == [renamed(name)]


def test_what_is_as_it_was_is_no_event() -> None:
    same: dict[str, Any] = {"name": "Ada King Lovelace", "role": "USER", "enabled": True}
    assert decide([registered()], edit(**same)) == []
    assert decide([registered()], edit()) == []
    assert decide([registered(), OFF], edit(enabled=False)) == []


def test_all_of_an_edit_is_one_command() -> None:
    past = [registered()]
    assert decide(past, edit(name="Ada", role="AGENT", enabled=False)) == [renamed("Ada"), role("AGENT"), OFF]
    assert decide([*past, OFF], edit(enabled=True)) == [ON]


@pytest.mark.parametrize("change", [{"role": "AGENT"}, {"enabled": False}, {"role": "USER", "enabled": False}])
def test_the_last_active_admin_stays_one(change: dict[str, Any]) -> None:
    with pytest.raises(Rejected) as refused:
        decide([registered("ADMIN")], edit(0, **change))
    assert refused.value.code == "last_admin"
    assert decide([registered("ADMIN")], edit(1, **change)) != []


@pytest.mark.parametrize(
    ("past", "change"),
    [
        ([registered("ADMIN")], {"name": "Grace"}),
        ([registered("AGENT")], {"enabled": False}),
        ([invited("ADMIN")], {"enabled": False}),
        ([registered("ADMIN"), OFF], {"role": "USER"}),
        ([registered("ADMIN"), OFF], {"enabled": True}),
    ],
)
def test_whatever_takes_no_active_admin_away_needs_no_other(past: list[UserEvent], change: dict[str, Any]) -> None:
    assert len(decide(past, edit(0, **change))) == 1


def test_there_are_three_roles() -> None:
    with pytest.raises(Rejected) as refused:
        decide([registered()], edit(role="ROOT"))
    assert refused.value.code == "unknown_role"


def test_a_password_and_a_log_out_are_told_without_a_secret() -> None:
    assert decide([registered()], ChangePassword(by=BY, at=LATER)) == [UserPasswordChanged(by=BY, at=LATER)]
    assert decide([registered()], SignOut(by=BY, at=LATER)) == [UserSignedOut(by=BY, at=LATER)]


@pytest.mark.parametrize("command", [edit(), ChangePassword(BY, LATER), SignOut(BY, LATER)])
def test_nobody_is_nobody(command: UserCommand) -> None:
    with pytest.raises(Rejected) as refused:
        decide([], command)
    assert refused.value.code == "user_not_found"

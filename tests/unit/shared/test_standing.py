"""Who may act now: what a token proves, in the light of what has happened since (ADR 7, 22)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from helpdesk.auth.standing import judged
from helpdesk.auth.tokens import Principal
from helpdesk.events.user import (
    UserDeactivated,
    UserEvent,
    UserInvited,
    UserPasswordChanged,
    UserReactivated,
    UserRedacted,
    UserRegistered,
    UserRenamed,
    UserRoleChanged,
    UserSignedOut,
)
from helpdesk.folds.user import Standing, evolve_standing, fold

BY = UUID(int=1)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MS = timedelta(milliseconds=1)
TOKEN = Principal(UUID(int=2), BY, "AGENT", NOON)
REGISTERED = UserRegistered(email="ada@example.com", name="Ada", role="AGENT", by=BY, at=NOON - 9 * MS)


def standing(*events: UserEvent) -> Standing | None:
    found = None
    for event in events:
        found = evolve_standing(found, event)
    return found


def renamed(at: datetime) -> UserEvent:
    return UserRenamed(name="Grace", previous="Ada", by=BY, at=at)


def demoted(at: datetime) -> UserEvent:
    return UserRoleChanged(role="USER", previous="AGENT", by=BY, at=at)


def off(at: datetime) -> UserEvent:
    return UserDeactivated(by=BY, at=at)


def on(at: datetime) -> UserEvent:
    return UserReactivated(by=BY, at=at)


def signed_out(at: datetime) -> UserEvent:
    return UserSignedOut(by=BY, at=at)


def password(at: datetime) -> UserEvent:
    return UserPasswordChanged(by=BY, at=at)


def role_of(*events: UserEvent) -> str | None:
    """The role with which a token of NOON counts; None when it does not."""
    found = judged(TOKEN, standing(*events))
    return None if found is None else found.role


def test_of_somebody_unknown_the_token_holds() -> None:
    assert judged(TOKEN, None) == TOKEN


def test_a_token_holds_from_the_beginning_of_its_account() -> None:
    assert role_of(REGISTERED) == "AGENT"
    later = UserRegistered(email="a@b.c", name="Ada", role="USER", by=BY, at=NOON + MS)
    assert role_of(later) == "AGENT"  # whatever clocks say: nothing has happened to the account since


@pytest.mark.parametrize("happened", [off, signed_out, password])
def test_what_ends_sessions_ends_the_tokens_of_before(happened: Callable[[datetime], UserEvent]) -> None:
    assert role_of(REGISTERED, happened(NOON + MS)) is None
    assert role_of(REGISTERED, happened(NOON)) == "AGENT"  # the same millisecond holds
    assert role_of(REGISTERED, happened(NOON - MS)) == "AGENT"  # before the token


def test_a_new_role_counts_for_a_token_of_before_and_not_for_one_of_after() -> None:
    assert role_of(REGISTERED, demoted(NOON + MS)) == "USER"
    assert role_of(REGISTERED, demoted(NOON - MS)) == "AGENT"


def test_a_new_name_changes_no_right() -> None:
    assert role_of(REGISTERED, renamed(NOON + MS)) == "AGENT"
    redacted = UserRedacted(event_id=BY, fields=("name",), reason="mistake", by=BY, at=NOON + MS)
    assert role_of(REGISTERED, redacted) == "AGENT"


def test_who_comes_back_does_not_get_old_tokens_back() -> None:
    assert role_of(REGISTERED, off(NOON + MS), on(NOON + 2 * MS)) is None
    assert role_of(REGISTERED, off(NOON - 2 * MS), on(NOON - MS)) == "AGENT"


def test_a_new_role_after_a_log_out_does_not_revive_a_token() -> None:
    assert role_of(REGISTERED, signed_out(NOON + MS), demoted(NOON + 2 * MS)) is None
    assert role_of(REGISTERED, signed_out(NOON - MS), demoted(NOON + 2 * MS)) == "USER"


def test_a_clock_that_goes_back_ends_nothing_earlier() -> None:
    assert role_of(REGISTERED, signed_out(NOON + MS), password(NOON - MS)) is None


def test_an_invitation_ends_with_the_first_password() -> None:
    invited = UserInvited(invitation_id=BY, email="ada@example.com", name="Ada", role="USER", by=BY, at=NOON)
    user = fold(None, [invited])
    assert user is not None
    assert user.invited
    accepted = fold(user, [password(NOON + MS)])
    assert accepted is not None
    assert not accepted.invited


def test_what_happens_to_an_account_that_nobody_made_changes_nothing() -> None:
    assert fold(None, [renamed(NOON), off(NOON)]) is None
    assert standing(demoted(NOON), signed_out(NOON)) is None

"""What may be done with a ticket's files: contract §8 and §13."""

from uuid import UUID

from support.tickets import (
    ADMIN,
    AGENT,
    LATER,
    REQUESTER,
    STRANGER,
    attach,
    attached,
    attachment_removed,
    begin_upload,
    created,
    deleted,
    given,
    remove_attachment,
)


def test_whoever_may_change_a_ticket_attaches_to_it() -> None:
    for by in (REQUESTER, AGENT, ADMIN):
        assert given(created()).when(begin_upload(by=by)) == []
        assert given(created()).when(attach(by=by)) == [attached(by=by, at=LATER)]


def test_on_another_users_ticket_nobody_attaches_or_removes() -> None:
    ticket = given(created(), attached())
    for command in (begin_upload(by=STRANGER), attach(by=STRANGER), remove_attachment(by=STRANGER)):
        assert ticket.refuses(command) == "not_allowed"


def test_a_file_that_is_there_is_not_attached_again() -> None:
    assert given(created(), attached()).when(attach()) == []


def test_agents_and_admins_remove_the_files_of_others() -> None:
    for by in (REQUESTER, AGENT, ADMIN):
        assert given(created(), attached()).when(remove_attachment(by=by)) == [attachment_removed(by=by, at=LATER)]


def test_a_removed_file_is_gone_for_good() -> None:
    ticket = given(created(), attached(), attachment_removed())
    assert ticket.refuses(remove_attachment()) == "attachment_not_found"
    assert ticket.refuses(attach()) == "attachment_not_found"


def test_a_file_that_never_was_cannot_be_removed() -> None:
    assert given(created(), attached()).refuses(remove_attachment(id_=UUID(int=9))) == "attachment_not_found"


def test_a_deleted_ticket_takes_no_files() -> None:
    ticket = given(created(), attached(), deleted())
    for command in (begin_upload(), attach(), remove_attachment(), begin_upload(by=ADMIN)):
        assert ticket.refuses(command) == "ticket_not_found"


def test_no_ticket_takes_no_files() -> None:
    assert given().refuses(begin_upload()) == "ticket_not_found"

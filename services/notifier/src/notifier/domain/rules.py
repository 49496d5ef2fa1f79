"""Who hears of a command on a ticket: contract §10, behaviours §8.

The assignee hears of an assignment, even by their own hand; creator and assignee hear of others' comments and status
changes. Nobody else hears anything, and nobody twice: a command makes at most one notice per person, the strongest.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, assert_never
from uuid import UUID

from helpdesk.events import ticket as happened
from helpdesk.policy import is_staff
from notifier.domain.notice import Notice, NoticeType
from notifier.domain.ticket import Ticket

_STRENGTH: Final = (NoticeType.STATUS_CHANGED, NoticeType.COMMENT_ADDED, NoticeType.TICKET_ASSIGNED)
_STATUS_WORDS: Final = {"open": "open", "in_progress": "in progress", "resolved": "resolved", "closed": "closed"}


def notices_for(command: Sequence[happened.TicketEvent], ticket: Ticket, roles: Mapping[UUID, str]) -> list[Notice]:
    """What a command's events on `ticket` (as it stands after them) tell whom, at most one notice per person.

    `roles` holds the people whose role is known. Users are another stream, so somebody's account can arrive after a
    ticket that names them: an internal note makes no notice for a known requester, and for an unknown person one that
    is `is_internal`, which whoever reads it must be staff to see. So nothing leaks and nothing is lost.
    """
    strongest: dict[UUID, Notice] = {}
    for event in command:
        for notice in _told(event, ticket):
            if notice.is_internal and not _may_be_staff(roles.get(notice.user_id)):
                continue
            if notice.user_id not in strongest or _strength(notice) > _strength(strongest[notice.user_id]):
                strongest[notice.user_id] = notice
    return list(strongest.values())


def retold(command: Iterable[happened.TicketEvent], ticket: Ticket) -> Iterator[Notice]:
    """Every notice that a command could have made, whoever the people were then: for the words of those it made."""
    for event in command:
        yield from _told(event, ticket)


def _may_be_staff(role: str | None) -> bool:
    return role is None or is_staff(role)


def _strength(notice: Notice) -> int:
    """An internal note is the weakest, so that it never takes the place of what its reader may see in any case."""
    return -1 if notice.is_internal else _STRENGTH.index(notice.type)


def _told(event: happened.TicketEvent, ticket: Ticket) -> Iterable[Notice]:
    match event:
        case happened.TicketAssigned():
            return [_assigned(event, ticket)]
        case happened.CommentAdded():
            return _commented(event, ticket)
        case happened.TicketStarted():
            return _moved(ticket, event.previous, "in_progress", event.by, event.at)
        case happened.TicketReturned():
            return _moved(ticket, event.previous, "open", event.by, event.at)
        case happened.TicketResolved():
            return _moved(ticket, event.previous, "resolved", event.by, event.at)
        case happened.TicketClosed():
            return _moved(ticket, event.previous, "closed", event.by, event.at)
        case happened.TicketReopened():
            return _moved(ticket, event.previous, event.status, event.by, event.at)
        case (
            happened.TicketCreated()
            | happened.TicketRetitled()
            | happened.TicketDescriptionRewritten()
            | happened.TicketPrioritized()
            | happened.TicketMetadataReplaced()
            | happened.TicketTagged()
            | happened.TicketUntagged()
            | happened.TicketUnassigned()
            | happened.TicketWaitStarted()
            | happened.TicketWaitEnded()
            | happened.TicketDeleted()
            | happened.CommentEdited()
            | happened.CommentDeleted()
            | happened.AttachmentAdded()
            | happened.AttachmentRemoved()
            | happened.TicketRedacted()
        ):
            return ()
        case _:
            assert_never(event)


def _assigned(event: happened.TicketAssigned, ticket: Ticket) -> Notice:
    return Notice(
        user_id=event.assignee_id,
        type=NoticeType.TICKET_ASSIGNED,
        title="Ticket assigned to you",
        message=f"{_name(ticket)} was assigned to you",
        data=_about(ticket, event.by),
        is_internal=False,
        actor_id=event.by,
        at=event.at,
    )


def _commented(event: happened.CommentAdded, ticket: Ticket) -> Iterator[Notice]:
    for user_id in _concerned(ticket, event.by):
        yield Notice(
            user_id=user_id,
            type=NoticeType.COMMENT_ADDED,
            title="New internal note" if event.is_internal else "New comment",
            message=f"{'An internal note' if event.is_internal else 'A comment'} was added to {_name(ticket)}",
            data={**_about(ticket, event.by), "commentId": str(event.comment_id)},
            is_internal=event.is_internal,
            actor_id=event.by,
            at=event.at,
        )


def _moved(ticket: Ticket, previous: str, status: str, by: UUID, at: datetime) -> Iterator[Notice]:
    if status == previous:  # another resolution of a ticket that ended already
        return
    for user_id in _concerned(ticket, by):
        yield Notice(
            user_id=user_id,
            type=NoticeType.STATUS_CHANGED,
            title="Status changed",
            message=f"{_name(ticket)} is now {_STATUS_WORDS.get(status, status)}",
            data={**_about(ticket, by), "status": status, "previousStatus": previous},
            is_internal=False,
            actor_id=by,
            at=at,
        )


def _concerned(ticket: Ticket, actor: UUID) -> list[UUID]:
    """Creator and assignee, each once, without whoever did it."""
    return [one for one in dict.fromkeys((ticket.creator_id, ticket.assignee_id)) if one is not None and one != actor]


def _name(ticket: Ticket) -> str:
    return f"#{ticket.number} “{ticket.title}”" if ticket.title else f"#{ticket.number}"


def _about(ticket: Ticket, actor: UUID) -> dict[str, str | int]:
    return {"ticketId": str(ticket.id), "ticketNumber": ticket.number, "actorId": str(actor)}

"""What people write into `q`, and what it comes to (behaviours §4)."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_api.domain.query.bad import BadQuery
from query_api.domain.query.parse import parse
from query_api.domain.query.tree import (
    AllOf,
    AnyOf,
    Between,
    Condition,
    Contains,
    Equals,
    Field,
    Not,
    StatusIs,
)
from query_api.domain.words import StatusFilter
from query_api.views.matching import Matching

ME, ADA = uuid4(), UUID("018f3a5c-7b1e-7c3d-9e5f-0123456789ab")
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def read(text: str) -> Condition:
    return parse(text, me=ME, now=NOON).condition


def refusal(text: str) -> BadQuery:
    with pytest.raises(BadQuery) as caught:
        read(text)
    return caught.value


def day(number: int, month: int = 5) -> datetime:
    return datetime(2026, month, number, tzinfo=UTC)


def test_nothing_asks_for_everything() -> None:
    assert read("") == read("  \t ") == AllOf(())


def test_words_must_all_occur_and_phrases_occur_whole() -> None:
    assert read("printer") == Contains("printer")
    assert read('printer "on  fire"') == AllOf((Contains("printer"), Contains("on  fire")))
    assert read("12:30 <b> a->b it's :) ".replace(":)", "")) == AllOf(
        (Contains("12:30"), Contains("<b>"), Contains("a->b"), Contains("it's"))
    )


def test_or_binds_weaker_than_standing_side_by_side_and_parentheses_group() -> None:
    a, b, c = Contains("a"), Contains("b"), Contains("c")
    assert read("a b OR c") == AnyOf((AllOf((a, b)), c))
    assert read("a (b OR c)") == AllOf((a, AnyOf((b, c))))
    assert read("a or c") == AllOf((a, Contains("or"), c))


def test_a_minus_turns_what_follows_it() -> None:
    assert read("-a") == Not(Contains("a"))
    assert read("--a") == Contains("a")
    assert read('-"a b"') == Not(Contains("a b"))
    assert read("-(a OR b)") == Not(AnyOf((Contains("a"), Contains("b"))))
    assert read("-tag:vip") == Not(Equals(Field.TAG, ("vip",)))
    assert read("a - b") == AllOf((Contains("a"), Contains("-"), Contains("b")))


def test_a_field_has_one_value_or_several() -> None:
    assert read("status:open") == StatusIs((StatusFilter(status="open"),))
    assert read("STATUS:Pending,closed") == StatusIs((StatusFilter(waiting_on="requester"), StatusFilter("closed")))
    assert read('tag:vip,"very important"') == Equals(Field.TAG, ("vip", "very important"))
    assert read("tag:none") == Equals(Field.TAG, (None,))
    assert read('tag:"none"') == Equals(Field.TAG, ("none",))
    assert read("waiting:third_party,none") == Equals(Field.WAITING, ("third_party", None))
    assert read("resolution:duplicate") == Equals(Field.RESOLUTION, ("duplicate",))
    assert read("title:fire") == Contains("fire", description=False)
    assert read("description:a,b") == AnyOf((Contains("a", title=False), Contains("b", title=False)))


def test_people_are_ids_or_me_or_nobody() -> None:
    for name in ("assignee", "assigned", "assignedTo"):
        assert read(f"{name}:{ADA},me,none") == Equals(Field.ASSIGNEE, (ADA, ME, None))
    for name in ("requester", "creator", "createdBy"):
        assert read(f"{name}:ME") == Equals(Field.REQUESTER, (ME,))
    assert read("is:unassigned") == Equals(Field.ASSIGNEE, (None,))


def test_a_number_has_a_short_form() -> None:
    assert read("#1042") == Equals(Field.NUMBER, (1042,))
    assert read('"#1042"') == Contains("#1042")
    assert read("#tag") == Contains("#tag")
    assert read("number:7") == read("number:#7") == Between(Field.NUMBER, 7, 7)
    assert read("number:7,9") == AnyOf((Between(Field.NUMBER, 7, 7), Between(Field.NUMBER, 9, 9)))
    assert read("number>7") == Between(Field.NUMBER, 8, None)
    assert read("number:7..9") == Between(Field.NUMBER, 7, 9)


def test_priorities_have_an_order() -> None:
    for text, words in {
        "priority:urgent": ("critical",),
        "priority:low,high": ("low", "high"),
        "priority>=high": ("high", "critical"),
        "priority:>medium": ("high", "critical"),
        "priority<medium": ("low",),
        "priority<=medium": ("low", "medium"),
        "priority>critical": (),
        "priority:medium..high": ("medium", "high"),
        "priority:medium..*": ("medium", "high", "critical"),
        "priority:..low": ("low",),
    }.items():
        assert read(text) == Equals(Field.PRIORITY, words), text


def test_a_time_covers_what_it_names() -> None:
    for text, first, last in (
        ("created:2026-05-04", day(4), day(5) - TICK),
        ("createdAt:2026-05", day(1), day(1, 6) - TICK),
        ("created:2026-12", day(1, 12), datetime(2027, 1, 1, tzinfo=UTC) - TICK),
        ("created:2026", day(1, 1), datetime(2027, 1, 1, tzinfo=UTC) - TICK),
        ("created:today", day(4), day(5) - TICK),
        ("created:Yesterday", day(3), day(4) - TICK),
        ("created>2026-05-04", day(5), None),
        ("created>=2026-05-04", day(4), None),
        ("created<2026-05-04", None, day(4) - TICK),
        ("created:<=2026-05-04", None, day(5) - TICK),
        ("created:2026-05-01..2026-05-04", day(1), day(5) - TICK),
        ("created:*..2026-05-04", None, day(5) - TICK),
        ("created:2026-05-01..", day(1), None),
        ("created>=-7d", NOON - timedelta(days=7), None),
        ("created<=-90m", None, NOON - timedelta(minutes=90)),
        ("created:2026-05-04T14:00:00+02:00", NOON, NOON),
        ("created:2026-05-04T12:00:00.000Z", NOON, NOON),
        ("created:2026-05-04t12:00z", NOON, NOON),
        ("created:2026-05-04T12:00", NOON, NOON),
        ("created<=now", None, NOON),
    ):
        assert read(text) == Between(Field.CREATED, first, last), text
    assert read("updated>-1w") == Between(Field.UPDATED, NOON - timedelta(weeks=1) + TICK, None)


@pytest.mark.parametrize(
    ("text", "code", "position", "suggestion"),
    [
        ("a staus:open", "unknown_field", 2, "status"),
        ("-http://example.org", "unknown_field", 1, None),
        ("foo-bar:1", "unknown_field", 0, None),
        ("größe>5", "unknown_field", 0, None),
        ("status:opne", "unknown_word", 7, "open"),
        ("priority>=hihg", "unknown_word", 10, "high"),
        ("waiting:me", "unknown_word", 8, None),
        ("is:overdu", "unknown_word", 3, None),
        ("status>open", "not_comparable", 0, "status:"),
        ("assignee:ada", "malformed_id", 9, None),
        (f"assignee:{{{ADA}}}", "malformed_id", 9, None),
        ("requester:none", "malformed_id", 10, None),
        ("number:x", "malformed_number", 7, None),
        ("number:99999999999", "malformed_number", 7, None),
        ("created:soon", "malformed_time", 8, None),
        ("created:2026-02-30", "malformed_time", 8, None),
        ("created:9999", "malformed_time", 8, None),
        ("created:-999999w", "malformed_time", 8, None),
        ("created<0001-01-01T00:00:00Z", "malformed_time", 8, None),
        ("created>2026,2027", "too_many_values", 13, None),
        ("status:", "missing_value", 7, None),
        ("status: open", "missing_value", 7, None),
        ("tag:a,", "missing_value", 6, None),
        ('""', "missing_value", 0, None),
        ('a "b', "unclosed_quote", 2, None),
        ("(a", "unbalanced_parenthesis", 0, None),
        ("a)", "unbalanced_parenthesis", 1, None),
        ("()", "missing_term", 1, None),
        ("a OR", "missing_term", 4, None),
        ("OR a", "missing_term", 0, None),
        ("-)", "unbalanced_parenthesis", 1, None),
        ("a " * 101, "too_complex", 200, None),
        ("(" * 50 + "a" + ")" * 49, "too_complex", 20, None),
    ],
)
def test_what_is_no_query_says_where_and_why(text: str, code: str, position: int, suggestion: str | None) -> None:
    found = refusal(text)
    assert (found.code, found.position, found.suggestion) == (code, position, suggestion)


PIECES = st.sampled_from(
    [
        *(
            "status:",
            "priority>=",
            "created:",
            "updated>-7d",
            "number:",
            "tag:",
            "#7",
            "me",
            "none",
            "open",
            "high",
            "2026-05",
        ),
        *(
            "-",
            "(",
            ")",
            '"',
            ",",
            " OR ",
            " ",
            "..",
            "%",
            "_",
            "\\",
            "'",
            ";",
            "--",
            "%s",
            "%(tenant_id)s",
            "{",
            "}",
            "ß",
        ),
    ]
)


@given(st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=30).map("".join)))
def test_whatever_is_written_is_a_query_or_refused_with_its_place(text: str) -> None:
    try:
        found = read(text)
    except BadQuery as error:
        assert 0 <= error.position <= len(text)
        return
    matching = Matching()
    sql = matching.sql(found)
    assert sql.count("(") == sql.count(")")
    assert set(sql.replace("%(v", "").lower()) <= set("abcdefghijklmnopqrstuvwxyz_0123456789 ()=&<>{}'%")
    assert "'" not in sql.replace("'{}'", "")

"""A record on the bus: read as the relay wrote it, and poison when it is none of ours."""

from typing import Any
from uuid import UUID, uuid5

import orjson
import pytest

from helpdesk.bus.envelope import Malformed, decode, key_of
from helpdesk.events.ticket import TicketRetitled
from helpdesk.recorded import SHARDS, Cursor, Stream, event_id_of
from helpdesk.wire import Undecodable
from support.golden import AT, BY, COMMENT, OTHER
from support.records import EPOCH

STREAM = Stream(OTHER, "ticket", COMMENT)


def envelope(**fields: object) -> dict[str, Any]:
    return {
        "event_id": str(COMMENT),
        "type": "ticket.retitled",
        "schema_version": 1,
        "tenant_id": str(OTHER),
        "stream_type": "ticket",
        "stream_id": str(COMMENT),
        "version": 2,
        "xid": "731",
        "position": 17,
        "store_epoch": str(EPOCH),
        "command_id": None,
        "ordinal": 2,
        "remaining": 0,
        "recorded_at": "2026-01-02T03:04:05.678Z",
        "metadata": {"actor": str(BY), "causation_id": None, "correlation_id": None, "traceparent": None},
        "data": {"title": "b", "previous": "a", "by": str(BY), "at": "2026-01-02T03:04:05.678Z"},
    } | fields


def test_a_record_is_read_whole() -> None:
    recorded, epoch = decode(orjson.dumps(envelope()))
    assert epoch == EPOCH
    assert recorded.stream == STREAM
    assert (recorded.version, recorded.ordinal, recorded.remaining) == (2, 2, 0)
    assert recorded.cursor == Cursor(731, 17)
    assert (recorded.event_id, recorded.command_id, recorded.recorded_at) == (COMMENT, None, AT)
    assert recorded.event == TicketRetitled(title="b", previous="a", by=BY, at=AT)
    assert recorded.metadata.actor == BY


def test_a_transaction_id_beyond_32_bits_is_kept() -> None:
    recorded, _ = decode(orjson.dumps(envelope(xid=str(2**40 + 1))))
    assert recorded.cursor.xid == 2**40 + 1


@pytest.mark.parametrize("value", [None, b"", b"not json", b"[]", b"7", b"null", b'"x"', b"{}", b"\xff\xfe"])
def test_what_is_no_envelope_is_malformed(value: bytes | None) -> None:
    with pytest.raises(Malformed):
        decode(value)


@pytest.mark.parametrize(
    "fields",
    [
        {"recorded_at": "2026-01-02T03:04:05"},
        {"stream_type": "tic\0ket"},
        {"version": 0},
        {"version": 2**31},
        {"remaining": -1},
        {"xid": str(2**63)},
        {"position": "-5"},
    ],
    ids=str,
)
def test_what_no_table_of_a_consumer_would_take_is_malformed(fields: dict[str, object]) -> None:
    """Each of these halted its consumer for good, though it was a copy of an event that had been applied."""
    with pytest.raises(Malformed):
        decode(orjson.dumps(envelope(**fields)))


@pytest.mark.parametrize("field", sorted(envelope()))
def test_an_envelope_that_lacks_a_field_is_malformed_and_named(field: str) -> None:
    fields = envelope()
    del fields[field]
    with pytest.raises(Malformed, match=field):
        decode(orjson.dumps(fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"tenant_id": "nobody"},
        {"version": None},
        {"metadata": []},
        {"metadata": {"actor": "nobody"}},
        {"recorded_at": "today"},
        {"type": []},
    ],
)
def test_an_envelope_with_a_garbled_field_is_malformed(fields: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        decode(orjson.dumps(envelope(**fields)))


@pytest.mark.parametrize("fields", [{"schema_version": 9}, {"data": {}}, {"data": None}, {"data": [1]}])
def test_an_event_that_this_version_must_know_and_cannot_read_is_undecodable(fields: dict[str, Any]) -> None:
    with pytest.raises(Undecodable):
        decode(orjson.dumps(envelope(**fields)))


def test_an_unknown_type_has_no_event_but_a_place() -> None:
    recorded, _ = decode(orjson.dumps(envelope(type="ticket.sung_about")))
    assert recorded.event is None
    assert (recorded.stream, recorded.version) == (STREAM, 2)


def test_a_streams_shard_and_key_never_change() -> None:
    assert STREAM.shard == 878
    assert 0 <= STREAM.shard < SHARDS
    assert key_of(STREAM) == f"{OTHER}/{COMMENT}".encode()


def test_the_same_command_sent_again_has_the_same_event_ids() -> None:
    assert str(event_id_of(BY, 1)) == "0190a1b2-c3d4-7ae8-b706-04ea7fdddccc"
    assert len({event_id_of(BY, n) for n in range(1, 100)}) == 99


def test_an_event_has_its_commands_time_in_an_id_of_version_7() -> None:
    made = [event_id_of(BY, n) for n in range(1, 100)]
    assert {(one.version, one.int >> 80) for one in made} == {(7, BY.int >> 80)}


def test_the_events_of_a_command_whose_id_tells_no_time_have_ids_as_ever() -> None:
    command = UUID("9b2d6a58-3f0c-4a8e-9c5d-2f6f0d7b1e11")
    assert event_id_of(command, 1) == uuid5(command, "1")

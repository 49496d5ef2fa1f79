"""What stands in stores out there must be read for ever: a golden file of every type and version ever stored.

The corpus is frozen: `golden.sha256` beside it knows every file. A new event or version brings its own file, its line
there (`sha256sum golden/* > golden.sha256`, in this folder) and its line in `support.golden`; nothing is ever changed.
"""

import copy
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest

from helpdesk import wire
from helpdesk.events.personal import personal_fields
from support.golden import EXPECTED, FOLDER, file_of, lacking

MANIFEST = Path(__file__).parent / "golden.sha256"
STORED = sorted(EXPECTED)
NEWEST = sorted(wire.WIRE)


def corpus(type_: str, version: int) -> dict[str, Any]:
    data: dict[str, Any] = orjson.loads(file_of(type_, version).read_bytes())
    return data


# --- frozen -----------------------------------------------------------------------------------------------------------


def manifest() -> dict[str, str]:
    lines = [line.split("  ") for line in MANIFEST.read_text(encoding="ascii").splitlines()]
    return {Path(name).name: checksum for checksum, name in lines}


def test_no_golden_file_was_changed_added_in_silence_or_removed() -> None:
    found = {file.name: sha256(file.read_bytes()).hexdigest() for file in FOLDER.iterdir()}
    assert found == manifest()


def test_every_type_and_version_that_was_ever_stored_has_its_file() -> None:
    assert lacking(wire.WIRE, wire.UPCASTERS, manifest()) == []


def test_every_golden_file_says_what_it_tells_of() -> None:
    assert sorted(file_of(*name).name for name in STORED) == sorted(manifest())


def test_a_new_version_without_upcaster_or_file_is_found() -> None:
    """The guard of the corpus, on tables in which somebody went on without thinking of what is stored."""
    wired = {name: cls for name, cls in wire.WIRE.items() if name[0] != "ticket.retitled"}
    second = {**wired, ("ticket.retitled", 2): wire.WIRE["ticket.retitled", 1]}
    files = {*manifest(), "ticket.retitled.v2.json"}
    assert lacking(second, {}, files) == ["ticket.retitled has no upcaster from version 1"]
    lift = {("ticket.retitled", 1): dict}
    assert lacking(second, lift, files) == []
    assert lacking(second, lift, manifest()) == ["ticket.retitled.v2.json"]
    assert lacking(second, lift, files - {"ticket.retitled.v1.json"}) == ["ticket.retitled.v1.json"]
    assert lacking(wired, {}, manifest()) == ["ticket.retitled was stored, and has no name any more"]


# --- readable ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("type_", "version"), STORED)
def test_a_golden_file_decodes_into_the_newest_class(type_: str, version: int) -> None:
    event = wire.decode(type_, version, corpus(type_, version))
    assert event == EXPECTED[type_, version]
    assert type(event) is wire.WIRE[type_, dict(NEWEST)[type_]]


@pytest.mark.parametrize(("type_", "version"), NEWEST)
def test_the_newest_version_is_written_as_its_golden_file_stands(type_: str, version: int) -> None:
    encoded = wire.encode(EXPECTED[type_, version])
    assert (encoded.type, encoded.schema_version) == (type_, version)
    golden = json.loads(file_of(type_, version).read_text(encoding="utf-8"))
    assert list(golden.items()) == list(orjson.loads(encoded.data).items())
    assert orjson.dumps(golden) == encoded.data


@pytest.mark.parametrize(("type_", "version"), STORED)
def test_a_redacted_event_decodes_too(type_: str, version: int) -> None:
    """As the database empties it, by the kind of the JSON value."""
    empty: dict[type, Any] = {str: "", dict: {}, list: [], type(None): None}
    data = corpus(type_, version)
    personal = personal_fields(EXPECTED[type_, version])
    event = wire.decode(type_, version, {k: empty[type(v)] if k in personal else v for k, v in data.items()})
    assert event is not None
    assert not any(getattr(event, name) for name in personal)


def test_every_upcaster_is_pure_and_lifts_the_golden_file_of_its_version() -> None:
    for (type_, version), lift in wire.UPCASTERS.items():
        data = corpus(type_, version)
        before = copy.deepcopy(data)
        lifted = lift(data)
        assert data == before
        assert lift(data) == lifted
        assert wire.decode(type_, version + 1, lifted) == EXPECTED[type_, version]

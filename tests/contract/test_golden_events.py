"""What stands in stores out there must be read for ever: a golden file per stored name and version.

A new event or version brings its own file and its line in `support.golden`; a file is never changed afterwards.
"""

import json

import orjson
import pytest

from helpdesk import wire
from support.golden import EXPECTED, FOLDER, file_of

NAMES = sorted(wire.WIRE)
NEWEST = dict(NAMES)


def test_every_stored_name_has_a_golden_file_and_every_golden_file_a_stored_name() -> None:
    assert sorted(file.name for file in FOLDER.iterdir()) == sorted(file_of(*name).name for name in NAMES)


def test_every_golden_file_says_what_it_tells_of() -> None:
    assert sorted(EXPECTED) == NAMES


@pytest.mark.parametrize(("type_", "version"), NAMES)
def test_a_golden_file_decodes_to_what_it_tells_of(type_: str, version: int) -> None:
    data = orjson.loads(file_of(type_, version).read_bytes())
    event = wire.decode(type_, version, data)
    assert event == EXPECTED[type_, version]
    assert type(event) is wire.WIRE[type_, NEWEST[type_]]


@pytest.mark.parametrize(("type_", "version"), sorted(NEWEST.items()))
def test_the_newest_version_is_written_as_its_golden_file_stands(type_: str, version: int) -> None:
    encoded = wire.encode(EXPECTED[type_, version])
    assert (encoded.type, encoded.schema_version) == (type_, version)
    golden = json.loads(file_of(type_, version).read_text(encoding="utf-8"))
    assert list(golden.items()) == list(orjson.loads(encoded.data).items())
    assert orjson.dumps(golden) == encoded.data

"""What `unpark` tells about records that are nobody's: health counts them, so the list must, too."""

import pytest

from helpdesk.consumer.unpark import unparking
from integration.engine.rig import Topic, Views, eventually, ledger, subscribed


async def test_records_that_were_no_envelopes_are_told_until_they_are_forgotten(
    views: Views, bus: Topic, capsys: pytest.CaptureFixture[str]
) -> None:
    async with subscribed(views, bus, ledger()) as consumer:
        await eventually(lambda: consumer.state.placed)
        await bus.send(b"garbage", b"more of it")
        await eventually(lambda: consumer.state.parked == 2)
        told = []
        for words in ([], ["--all"], []):
            await unparking(consumer.applier, words)
            told.append(capsys.readouterr().out.strip())
    assert told == [
        "records that were no envelopes: 2, in unreadable_record; --all forgets them",
        "2 records that were no envelopes are forgotten",
        "nothing waits",
    ]

"""A log line is one line, whatever strangers put into it."""

import logging
from typing import Literal

import pytest

from helpdesk.observability.logs import configure
from helpdesk.settings import LogSettings


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_a_stranger_chose_begins_no_line_of_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, form: Literal["text", "json"]
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(logging.getLogger(), "level", logging.INFO)
    configure("tickets", LogSettings(log_format=form, log_level="info", clock_offset_seconds=0))
    logging.getLogger("helpdesk").info("request", extra={"path": "/a\r\n10:00 ERROR forged\x1b[31m\u2028b"})
    written = capsys.readouterr().out
    assert written.startswith("{") == (form == "json")
    assert written.count("\n") == 1
    assert not set("\r\x1b") & set(written)

"""Names of files and what their first bytes prove (contract §8)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from command_api.domain.files.content import EXECUTABLE, MISMATCH, flaw
from command_api.domain.files.names import LONGEST, clean, ending
from command_api.settings import FilesSettings
from helpdesk.http.wire import utf16_length
from support.uploads import DOCX, HTML, PDF, PNG, PROGRAM, ZIP

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(64)


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ("scan.png", "scan.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a.txt", "a.txt"),
        ("a\x00\x1f\x7fb.txt", "ab.txt"),
        ("invoice\u202egnp.exe", "invoicegnp.exe"),
        ("a\u2066b\u2069\ufeff.txt", "ab.txt"),
        ("half\ud800.txt", "half.txt"),
        ("two\u2028lines.txt", "twolines.txt"),
        ("CON", "_CON"),
        ("aux.tar.gz", "_aux.tar.gz"),
        ("console.txt", "console.txt"),
        ("a.txt:stream", "a.txt_stream"),
        ("dots... ", "dots"),
        (".gitignore", ".gitignore"),
        ("می\u200cخواهم.txt", "می\u200cخواهم.txt"),
        ("e\u0301.txt", "é.txt"),
        ("", "file"),
        ("..", "file"),
        ("/", "file"),
        ("\u202e", "file"),
    ],
)
def test_a_name_keeps_what_is_safe(given_: str, kept: str) -> None:
    assert clean(given_) == kept


@given(st.text(max_size=600))
def test_a_clean_name_is_bounded_stays_as_it_is_and_has_no_folder(name: str) -> None:
    kept = clean(name)
    assert 1 <= utf16_length(kept) <= LONGEST
    assert clean(kept) == kept
    assert not set(kept) & set('/\\<>:"|?*\x00\r\n\u202e')


@pytest.mark.parametrize(
    ("name", "found"), [("a.PNG", "png"), ("a.tar.gz", "gz"), ("a", ""), (".bashrc", ""), ("a.", "")]
)
def test_an_ending_is_what_follows_the_last_dot(name: str, found: str) -> None:
    assert ending(name) == found


@pytest.mark.parametrize(
    ("head", "mime_type", "ending_"),
    [
        (PNG, "image/png", "png"),
        (PNG, "IMAGE/X-PNG; a=b", "png"),
        (PNG, "image/png", "jpg"),  # another image's ending deceives nobody
        (PNG, "application/octet-stream", "bin"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", "image/jpg", "jpg"),
        (b"GIF89a" + bytes(20), "image/gif", "gif"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "image/webp", "webp"),
        (b"BM" + b"\x36\x00\x00\x00" * 10, "image/bmp", "bmp"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(20), "image/heic", "heic"),
        (b"\x00\x00\x00\x18ftypavif" + bytes(20), "image/avif", "avif"),
        (PDF, "application/pdf", "pdf"),
        (b"\xef\xbb\xbf\n" + PDF, "application/pdf", "pdf"),
        (ZIP, DOCX, "docx"),
        (ZIP, "application/zip", "zip"),
        (ZIP, "application/vnd.oasis.opendocument.text", "odt"),
        (ZIP, "application/epub+zip", "epub"),
        (OLE, "application/msword", "doc"),
        (b"{\\rtf1", "application/msword", "doc"),
        (b"\x1f\x8b\x08" + bytes(20), "application/gzip", "gz"),
        (b"7z\xbc\xaf'\x1c" + bytes(20), "application/x-7z-compressed", "7z"),
        (b"Rar!\x1a\x07\x00" + bytes(9), "application/vnd.rar", "rar"),
        (b"\xff\xfb\x90\x00" + bytes(9), "audio/mpeg", "mp3"),
        (b"whatever", "video/x-nobody-knows", "xyz"),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(20), "video/mp4", "mp4"),
        (b"MZ is how this text begins", "text/plain", "txt"),
        (b"#!/bin/sh\n", "text/plain", "txt"),
        ("ä".encode("utf-16"), "text/plain", "txt"),
        (b"", "text/plain", "txt"),
        (b"a;b\n", "text/csv", "csv"),
        (b'{"a": 1}', "application/json", "json"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", "svg"),
        (HTML, "text/html", "html"),
        (b"\x01\x02\x03", "application/x-nobody-knows", ""),
    ],
)
def test_what_is_what_it_says_or_cannot_be_proven_passes(head: bytes, mime_type: str, ending_: str) -> None:
    assert flaw(head, mime_type, ending_) is None


@pytest.mark.parametrize(
    ("head", "mime_type", "ending_"),
    [
        (HTML, "image/png", "png"),
        (HTML, "text/html", "png"),
        (HTML, "audio/mpeg", "mp3"),
        (HTML, "application/pdf", "pdf"),
        (HTML, DOCX, "docx"),
        (b"", "image/png", "png"),
        (PNG, "image/jpeg", "jpg"),
        (PNG, "application/pdf", "pdf"),
        (PDF, "video/mp4", "mp4"),
        (ZIP, "application/msword", "pdf"),
        (ZIP, "application/gzip", "gz"),
        (b"text\x00text", "text/plain", "txt"),
        (b"text\x00text", "application/ld+json", "json"),
    ],
)
def test_what_lies_does_not(head: bytes, mime_type: str, ending_: str) -> None:
    assert flaw(head, mime_type, ending_) == MISMATCH


@pytest.mark.parametrize(
    "head", [PROGRAM, b"\x7fELF" + bytes(60), b"\xca\xfe\xba\xbe" + bytes(9), b"#!/usr/bin/env python"]
)
@pytest.mark.parametrize("mime_type", ["application/pdf", "application/octet-stream", "image/png"])
def test_programs_do_not_pass_whatever_they_say(head: bytes, mime_type: str) -> None:
    assert flaw(head, mime_type, "pdf") == EXECUTABLE


@given(st.binary(max_size=200), st.sampled_from(["image/png", "text/plain", "application/pdf", "audio/x", "a/b"]))
def test_no_beginning_of_a_file_is_too_odd(head: bytes, mime_type: str) -> None:
    assert flaw(head, mime_type, "docx") in {None, MISMATCH, EXECUTABLE}


def test_denied_words_are_read_in_any_spelling() -> None:
    values = {"s3_endpoint": "http://s3", "s3_access_key": "k", "s3_secret_key": "s"}
    settings = FilesSettings.model_validate(
        {**values, "attachment_denied_types": "Text/HTML, ", "attachment_denied_endings": ".EXE,js"}
    )
    assert settings.denied_types == {"text/html"}
    assert settings.denied_endings == {"exe", "js"}

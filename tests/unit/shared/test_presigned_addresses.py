"""Addresses that are signed for a while: as S3 itself computes them, and with names that no header can trip over."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from minio.credentials.credentials import Credentials
from minio.signer import presign_v4
from pydantic import SecretStr

from helpdesk.storage.keys import file_key, file_url, incoming_key
from helpdesk.storage.presign import ReadMethod, Signer, disposition

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
SIGNER = Signer("https://tickets.example:8443/", "attachments", "eu-central-1", SecretStr("key"), SecretStr("secret"))
TENANT, TICKET, FILE, OBJECT = (UUID(int=n) for n in range(1, 5))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_download_is_signed_as_the_client_library_signs_it(method: ReadMethod) -> None:
    ours = urlsplit(SIGNER.download(file_key(TENANT, FILE, OBJECT), "a b+ü.pdf", "application/pdf", NOON, method))
    assert ours.netloc == "tickets.example:8443"
    asked = "&".join(part for part in ours.query.split("&") if not part.startswith("X-Amz-"))
    theirs = presign_v4(
        method=method,
        url=ours._replace(query=asked),
        region="eu-central-1",
        credentials=Credentials("key", "secret"),
        date=NOON,
        expires=300,
    )
    assert parse_qs(ours.query) == parse_qs(theirs.query)


def test_an_upload_is_signed_for_its_type_alone() -> None:
    key = incoming_key(TENANT, FILE)
    png, gif = SIGNER.upload(key, "image/png", NOON), SIGNER.upload(key, "image/gif", NOON)
    assert parse_qs(urlsplit(png).query)["X-Amz-SignedHeaders"] == ["content-type;host"]
    assert parse_qs(urlsplit(png).query)["X-Amz-Expires"] == ["3600"]
    assert png.partition("&X-Amz-Signature=")[0] == gif.partition("&X-Amz-Signature=")[0]
    assert png != gif
    assert "secret" not in png


def test_secrets_are_not_shown_with_the_signer() -> None:
    assert "secret'" not in repr(SIGNER)
    assert "'key'" not in repr(SIGNER)


def test_keys_stand_under_their_tenant_and_addresses_under_their_ticket() -> None:
    assert incoming_key(TENANT, FILE).startswith(f"{TENANT}/")
    assert file_key(TENANT, FILE, OBJECT).startswith(f"{TENANT}/")
    address = f"http://here/api/v1/tickets/{TICKET}/attachments/{FILE}/file"
    assert file_url("http://here/", TICKET, FILE) == file_url("http://here", TICKET, FILE) == address


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a.txt", "attachment; filename=\"a.txt\"; filename*=UTF-8''a.txt"),
        ("ü “x”.txt", "attachment; filename=\"_ _x_.txt\"; filename*=UTF-8''%C3%BC%20%E2%80%9Cx%E2%80%9D.txt"),
        ('a"\\%41.txt', "attachment; filename=\"a___41.txt\"; filename*=UTF-8''a%22%5C%2541.txt"),
        ("a\r\nX: 1", "attachment; filename=\"a__X: 1\"; filename*=UTF-8''a%0D%0AX%3A%201"),
        ("", "attachment; filename=\"file\"; filename*=UTF-8''file"),
    ],
)
def test_a_name_is_told_to_old_and_new_clients(name: str, header: str) -> None:
    assert disposition(name) == header

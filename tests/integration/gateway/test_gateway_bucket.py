"""The bucket's path: signed requests as they came, and the store's errors in our words."""

import pytest

from integration.gateway.answers import (
    MIB,
    SIGNED,
    error_of,
    headers_that_arrived,
    raw_request,
)
from support.gateway import (
    BUCKET,
    Gateway,
)


async def test_the_bucket_sees_host_and_path_as_signed_but_no_token(plain: Gateway) -> None:
    path = f"/{BUCKET}/tenant/a%2Fb%20c%28d%29+e.txt?{SIGNED}&x-id=PutObject"
    request = raw_request(plain, "PUT", path)
    request.headers.update({"Host": "tickets.example:8443", "Authorization": "Bearer t", "Cookie": "a=b"})
    request.headers.update({"Content-Type": "text/plain", "Content-Length": "0"})
    answer = await plain.client.send(request)
    arrived = headers_that_arrived(answer)
    assert (answer.json()["who"], answer.json()["path"]) == ("s3", path)
    assert (arrived["host"], arrived["content-type"]) == ("tickets.example:8443", "text/plain")
    assert not {"authorization", "cookie"} & arrived.keys()


async def test_an_upload_up_to_the_limit_passes(plain: Gateway) -> None:
    answer = await plain.client.put(f"/{BUCKET}/key?{SIGNED}", content=b"x" * 25 * MIB)
    assert (answer.status_code, answer.json()["size"]) == (200, 25 * MIB)


async def test_an_upload_beyond_the_limit_is_cut(plain: Gateway) -> None:
    answer = await plain.client.put(f"/{BUCKET}/key?{SIGNED}", content=b"x" * (25 * MIB + 1))
    assert (answer.status_code, error_of(answer)["reason"]) == (413, "payload_too_large")


@pytest.mark.parametrize(
    ("status", "code"), [(403, "FORBIDDEN"), (404, "NOT_FOUND"), (400, "BAD_REQUEST"), (500, "INTERNAL_ERROR")]
)
async def test_what_the_store_refuses_is_told_in_our_words(plain: Gateway, status: int, code: str) -> None:
    answer = await plain.client.get(f"/{BUCKET}/key?{SIGNED}&status={status}")
    assert (answer.status_code, error_of(answer)["code"]) == (status, code)


async def test_a_request_without_a_signature_never_reaches_the_store(plain: Gateway) -> None:
    answer = await plain.client.get(f"/{BUCKET}/?list-type=2", headers={"Authorization": "AWS4-HMAC-SHA256 x"})
    assert (answer.status_code, error_of(answer)["code"]) == (403, "FORBIDDEN")


async def test_the_store_sets_no_cookies(plain: Gateway) -> None:
    answer = await plain.client.get(f"/{BUCKET}/key?{SIGNED}&Set-Cookie=a&X-Amz-Request-Id=b&ETag=%22c%22")
    assert not {"set-cookie", "x-amz-request-id"} & set(answer.headers)
    assert answer.headers["etag"] == '"c"'

"""Signatures as receivers check them."""

import hashlib
import hmac
from datetime import UTC, datetime

import pytest

from webhook_dispatcher.domain.signature import BadSecret, key_of, new_secret, signature_headers

AT = datetime.fromtimestamp(1614265330, UTC)


def test_the_vector_of_standard_webhooks_fits() -> None:
    headers = signature_headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", AT, b'{"test": 2432232314}'
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"


@pytest.mark.parametrize("secret", ["geheim über alles", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
def test_the_older_signature_is_keyed_with_the_secret_as_it_was_shown(secret: str) -> None:
    headers = signature_headers(secret, "id", AT, b"{}")
    assert headers["X-Webhook-Signature"] == hmac.new(secret.encode(), b"{}", hashlib.sha256).hexdigest()


def test_a_new_secret_holds_32_random_bytes() -> None:
    assert len(key_of(new_secret())) == 32
    assert new_secret() != new_secret()


@pytest.mark.parametrize("secret", ["whsec_", "whsec_no base64"])
def test_a_prefix_that_promises_base64_must_keep_it(secret: str) -> None:
    with pytest.raises(BadSecret):
        key_of(secret)

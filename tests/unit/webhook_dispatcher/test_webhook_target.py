"""Where webhooks may go."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook_dispatcher.domain.target import Rules, objection

STRICT = Rules()
LOCAL = Rules(allow_http=True, networks=(ip_network("127.0.0.0/8"), ip_network("::1/128")))


@pytest.mark.parametrize(
    "url",
    ["https://example.com/hook", "https://93.184.216.34:8443/x?y=z", "https://[2606:4700::1111]/", "https://ex.ämple/"],
)
def test_public_https_addresses_are_fine(url: str) -> None:
    assert objection(url, STRICT) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://a\r\nb.com/", "https://a b.com/", "https://example.com/\n", "https://example.com/\x00",
        "", "example.com", "/hook", "ftp://example.com/", "https://", "https:///x", "https://me@example.com/",
        "https://me:x@example.com/", "https://example.com:0/", "https://example.com:99999/", "http://example.com/",
        "https://localhost/", "https://LOCALHOST./", "https://a.localhost/", "https://127.0.0.1/", "https://127.1/",
        "https://2130706433/", "https://0x7f.0.0.1/", "https://0x7f000001/", "https://[::1]/", "https://0.0.0.0/",
        "https://10.0.0.1/", "https://172.16.0.1/", "https://192.168.1.1/", "https://100.64.0.1/",
        "https://169.254.169.254/", "https://224.0.0.1/", "https://255.255.255.255/", "https://192.0.2.1/",
        "https://[fe80::1]/", "https://[fd00::1]/", "https://[ff02::1]/", "https://[2001:db8::1]/", "https://[::]/",
        "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/",
        "https://１２７.0.0.1/", "https://127.0.0.1./",
    ],
)  # fmt: skip
def test_everything_else_is_refused(url: str) -> None:
    assert objection(url, STRICT) is not None


@pytest.mark.parametrize(
    "url", ["http://localhost:3000/hook", "http://127.0.0.1/", "http://[::1]:80/", "http://[::ffff:127.0.0.1]/"]
)
def test_the_operator_may_allow_more(url: str) -> None:
    assert objection(url, LOCAL) is None
    assert objection(url, STRICT) is not None


@given(st.ip_addresses(network="10.0.0.0/8") | st.ip_addresses(network="fc00::/7"))
def test_no_private_address_is_permitted_in_any_form(address: object) -> None:
    assert not STRICT.permits(str(address))
    assert not LOCAL.permits(f"::ffff:{address}" if ":" not in str(address) else str(address))

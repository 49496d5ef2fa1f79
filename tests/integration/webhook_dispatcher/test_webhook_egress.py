"""What becomes of a request, told apart as the log of deliveries shows it."""

from ipaddress import ip_network

import aiohttp
import pytest

from integration.webhook_dispatcher.receiver import Receiver
from webhook_dispatcher.domain.schedule import Outcome
from webhook_dispatcher.domain.target import Rules
from webhook_dispatcher.egress import KEPT_BYTES, CheckedResolver, Prepared, error_class, open_egress

LOCAL = Rules(allow_http=True, networks=(ip_network("127.0.0.0/8"), ip_network("::1/128")))


async def posted(url: str, rules: Rules = LOCAL) -> Outcome:
    async with open_egress(rules) as egress:
        return await egress.post(Prepared(url, {"Content-Type": "application/json"}, b"{}"))


async def test_an_answer_is_kept_up_to_16_kb_and_asks_for_patience(receiver: Receiver) -> None:
    receiver.answers = [503]
    receiver.headers = {"Retry-After": "120"}
    receiver.says = "\0ü" * 1_000_000
    outcome = await posted(receiver.origin)
    assert (outcome.status, outcome.error, outcome.retry_after_s) == (503, "http", 120)
    assert 0 < len(outcome.head.encode()) <= 3 * KEPT_BYTES
    assert "\0" not in outcome.head


async def test_failures_have_classes(receiver: Receiver) -> None:
    assert (await posted("http://127.0.0.1:9/")).error == "connect"
    assert (await posted(receiver.origin.replace("http:", "https:"))).error == "tls"
    assert (await posted(receiver.origin, Rules(allow_http=True))).error == "blocked"
    assert (await posted(receiver.origin, Rules(networks=LOCAL.networks))).error == "blocked"
    assert receiver.came.empty()


async def test_a_name_is_followed_only_to_permitted_addresses(receiver: Receiver) -> None:
    url = receiver.origin.replace("127.0.0.1", "localhost")
    assert (await posted(url)).status == 200
    connector = aiohttp.TCPConnector(resolver=(resolver := CheckedResolver(Rules())), use_dns_cache=False)
    async with aiohttp.ClientSession(connector=connector) as session:
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await session.post(url)
    await resolver.close()
    assert error_class(caught.value) == "blocked"
    assert receiver.came.qsize() == 1

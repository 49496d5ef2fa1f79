"""What is counted anywhere in a process, the operators can read at one address."""

import subprocess
import sys

PROCESS = """
import asyncio, httpx
from fastapi import FastAPI
from opentelemetry import metrics
from helpdesk.http.health import health_routes
from helpdesk.observability.metrics import configure

before = metrics.get_meter("helpdesk.test").create_counter("helpdesk.test.before", "1", "Made before the start.")
configure("test")
app = FastAPI()
app.include_router(health_routes({}))
before.add(2, {"color": "red"})

async def read():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://a") as client:
        print((await client.get("/metrics")).text)

asyncio.run(read())
assert "/metrics" not in app.openapi()["paths"]
"""


def test_an_instrument_that_is_older_than_the_provider_is_read_at_metrics() -> None:
    """In a process of its own: the provider is the process's."""
    read = subprocess.run([sys.executable, "-c", PROCESS], capture_output=True, text=True, check=True).stdout
    assert 'helpdesk_test_before_total{color="red"} 2.0' in read
    assert "process_resident_memory_bytes" in read


REQUESTS = """
import asyncio, httpx
from helpdesk.http.app import build_api, edge
from helpdesk.http.problem import Problem
from helpdesk.observability.metrics import configure
from prometheus_client import generate_latest

configure("test")
api = build_api("Test")

@api.get("/tickets/{id}")
async def ticket(id: str) -> dict[str, str]:
    if id == "away":
        raise Problem(503, "unavailable", "Not now.")
    return {"id": id}

async def read():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=edge(api)), base_url="http://a") as client:
        for path in ("/tickets/1", "/tickets/2", "/tickets/away"):
            await client.get(path)

asyncio.run(read())
print(generate_latest().decode())
"""


def test_requests_are_timed_by_method_template_and_status() -> None:
    read = subprocess.run([sys.executable, "-c", REQUESTS], capture_output=True, text=True, check=True).stdout
    counts = [line for line in read.splitlines() if line.startswith("http_server_request_duration_seconds_count{")]
    told = {"200": "2.0", "503": "1.0"}
    assert len(counts) == len(told)
    for status, count in told.items():
        (line,) = (one for one in counts if f'http_response_status_code="{status}"' in one)
        assert 'http_route="/tickets/{id}"' in line
        assert 'http_request_method="GET"' in line
        assert line.endswith(f" {count}")
    assert 'error_type="503"' in next(one for one in counts if '"503"' in one)
    assert 'http_server_active_requests{http_request_method="GET",url_scheme="http"} 0.0' in read


HALTED = """
import asyncio, httpx
from helpdesk.consumer.batch import Diverged
from helpdesk.consumer.errors import TooManyParked, halt_of
from helpdesk.consumer.state import ConsumerState
from helpdesk.http.app import build_api, edge
from helpdesk.http.health import consuming, health_routes
from helpdesk.observability.metrics import configure

configure("test")

async def read():
    for error in (Diverged("it is another"), TooManyParked("so many"), ZeroDivisionError("a row's text")):
        api, state = build_api("Test"), ConsumerState(type(error).__name__)
        state.halt(*halt_of(error))
        api.include_router(health_routes({"intake": consuming(state)}))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(edge(api)), base_url="http://test") as client:
            ready = await client.get("/health/ready")
            print(ready.status_code, ready.json()["checks"]["intake"])
            print((await client.get("/metrics")).text)

asyncio.run(read())
"""


def test_a_consumer_that_has_halted_says_why_in_its_health_and_its_metrics() -> None:
    read = subprocess.run([sys.executable, "-c", HALTED], capture_output=True, text=True, check=True).stdout
    for group, reason, sentence in (
        ("Diverged", "diverged", "it is another"),
        ("TooManyParked", "too_many_parked", "so many"),
        ("ZeroDivisionError", "fault", "ZeroDivisionError in the handler (see the log)"),
    ):
        assert f"503 halted: {reason}: {sentence}" in read
        assert f'helpdesk_consumer_halted{{group="{group}",reason="{reason}"}} 1.0' in read
    assert "a row's text" not in read

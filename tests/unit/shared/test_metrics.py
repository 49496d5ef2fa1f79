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

"""What it costs to see one's own writes: a create that waits for its view, one that does not, and Kafka alone.

Run against a running system (`make run`, then `make bench`). One client, one request after the other, the three kinds
interleaved, so that all meet the same machine. The limit is a bare produce → consume over the same broker: no answer
that waits for a consumer can be quicker than that.
"""

import asyncio
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from helpdesk.bus.topics import ensure_topic

ORIGIN = os.environ.get("ORIGIN", "http://127.0.0.1:8080")
BOOTSTRAP = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")
ROUNDS = int(os.environ.get("ROUNDS", "300"))
WARM_UP = 30
TOPIC = "benchmark.echo"
RESULTS = Path(__file__).parent / "results.json"


async def main() -> None:
    """Measure, print the table, write it down."""
    await ensure_topic(BOOTSTRAP, TOPIC, 1)
    producer = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, enable_idempotence=True, acks="all", linger_ms=0)
    consumer = AIOKafkaConsumer(TOPIC, bootstrap_servers=BOOTSTRAP, auto_offset_reset="latest")
    async with httpx.AsyncClient(base_url=ORIGIN, timeout=10, trust_env=False) as http, producer, consumer:
        await consumer.seek_to_end()
        who = await _signed_up(http)

        async def bare_kafka() -> None:
            await producer.send(TOPIC, uuid4().bytes)
            await consumer.getone()

        async def create(**headers: str) -> None:
            body = {"title": "benchmark", "description": ""}
            answer = await http.post("/api/v1/tickets", headers={**who, **headers}, json=body)
            assert answer.status_code == 201, answer.text
            assert answer.headers.get("consistency") != "behind"

        kinds: dict[str, Callable[[], Awaitable[None]]] = {
            "Kafka alone: produce → consume": bare_kafka,
            "create, answered at once": lambda: create(Prefer="respond-async"),
            "create, answered when visible": create,
        }
        times = await _measured(kinds)
    _report(times)


async def _signed_up(http: httpx.AsyncClient) -> dict[str, str]:
    person = {"email": f"bench-{uuid4()}@example.com", "password": "SecurePass123!", "name": "Bench Mark"}
    answer = await http.post("/api/v1/auth/signup", json=person)
    answer.raise_for_status()
    return {"Authorization": f"Bearer {answer.json()['token']}"}


async def _measured(kinds: dict[str, Callable[[], Awaitable[None]]]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for number in range(WARM_UP + ROUNDS):
        for name, one in kinds.items():
            started = time.perf_counter()
            await one()
            if number >= WARM_UP:
                times[name].append((time.perf_counter() - started) * 1000)
    return times


def _report(times: dict[str, list[float]]) -> None:
    limit = statistics.median(next(iter(times.values())))
    rows = []
    for name, measured in times.items():
        p50, p99 = statistics.median(measured), statistics.quantiles(measured, n=100)[98]
        rows.append({"name": name, "unit": "ms", "p50": round(p50, 2), "p99": round(p99, 2), "ratio": p50 / limit})
    waits = float(str(rows[2]["p50"])) - float(str(rows[1]["p50"]))
    print(f"{ROUNDS} rounds, {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}\n")
    print(f"{'':34}{'p50':>8}{'p99':>8}{'x Kafka':>9}")
    for row in rows:
        print(f"{row['name']:34}{row['p50']:>8}{row['p99']:>8}{row['ratio']:>9.1f}")
    print(f"\nthe wait for one's own view: {waits:.1f} ms at the median, {waits / limit:.1f} times bare Kafka")
    RESULTS.write_text(json.dumps({"rows": rows, "wait_ms": round(waits, 2)}, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

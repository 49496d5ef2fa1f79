"""`make events`: what is on the bus, as it comes, one line per event."""

import asyncio
import json
import os
import re
import signal
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import KafkaConnectionError

from localstack.errors import StackError
from localstack.ports import HOST, Ports

WIDTH = 100


def follow() -> int:
    """Until Ctrl-C, from now on."""
    asyncio.run(_follow(os.environ.get("TOPIC_PREFIX", "helpdesk")))
    return 0


def line(record: "ConsumerRecord[bytes, bytes]") -> str:
    """Time, where it lies, whose it is, what happened; a record that is no event of ours is shown as it is."""
    place = f"{record.topic}/{record.partition}/{record.offset}"
    try:
        event: dict[str, Any] = json.loads(record.value or b"null")
        data = json.dumps(event["data"], ensure_ascii=False, separators=(",", ":"))
        what = f"{event['stream_type']} {event['stream_id']} v{event['version']} {event['type']} {_short(data)}"
        return f"{str(event['recorded_at'])[11:23]} {place} tenant {str(event['tenant_id'])[:8]} {what}"
    except (ValueError, KeyError, TypeError):
        return f"{'?':12} {place} {_short(repr(record.value))}"


def _short(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


async def _follow(prefix: str) -> None:
    """No group: every terminal sees everything, and no broker remembers it."""
    bootstrap = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", f"{HOST}:{Ports.fixed(os.environ).kafka}")
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="latest", metadata_max_age_ms=1000)
    consumer.subscribe(pattern=f"^{re.escape(prefix)}\\..*")
    try:
        await consumer.start()
    except KafkaConnectionError:
        await consumer.stop()
        raise StackError(f"Kafka does not answer at {bootstrap}: is the stack running (`make status`)?") from None
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)
    print(f"Following the topics of {prefix} at {bootstrap}; Ctrl-C ends this.", flush=True)
    try:
        async for record in consumer:
            print(line(record), flush=True)
    except asyncio.CancelledError:
        print()
    finally:
        await consumer.stop()

"""Kafka, one node that is broker and controller."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from localstack.child import Spec
from localstack.ports import HOST, Ports, listening
from localstack.process import Command
from localstack.servers.java import java
from localstack.supervisor import Supervisor

CLUSTER = "YWNtZS10aWNrZXRzLTAwMQ"
LOGGING = f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties')}"
ONE_OF_EACH = ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic")


def prepare(supervisor: Supervisor, folder: Path, ports: Ports, say: Callable[[str], None]) -> Spec:
    """Format the log folder once."""
    properties = folder / "server.properties"
    folder.mkdir(parents=True, exist_ok=True)
    properties.write_text(_properties(folder / "data", ports), encoding="utf-8")
    if not (folder / "data" / "meta.properties").exists():
        arguments = ("format", "--cluster-id", CLUSTER, "--config", str(properties))
        tool = java("kafka", say, "kafka.tools.StorageTool", *arguments, heap="128m", flags=(LOGGING,))
        supervisor.step("kafka-format", Command(tool))
    server = java("kafka", say, "kafka.Kafka", str(properties), heap="512m", flags=(LOGGING,))
    return Spec("kafka", Command(server), lambda: _ready(ports.kafka), ports.kafka)


def _properties(data: Path, ports: Ports) -> str:
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{HOST}:{ports.kafka_controller}",
        "listeners": f"PLAINTEXT://{HOST}:{ports.kafka},CONTROLLER://{HOST}:{ports.kafka_controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{ports.kafka}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "broker.heartbeat.interval.ms": "500",
        "broker.session.timeout.ms": "3000",  # a killed broker may come back only when this is over
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        "log.cleaner.dedupe.buffer.size": "4194304",
        # What was thrown away comes back when a broker is killed before it wrote this down (every minute by default).
        "log.flush.start.offset.checkpoint.interval.ms": "500",
        "log.initial.task.delay.ms": "500",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.min.isr": "1",
        **{f"{topic}.replication.factor": "1" for topic in ONE_OF_EACH},
        **{f"{topic}.num.partitions": "1" for topic in ONE_OF_EACH},
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def _ready(port: int) -> bool:
    """The broker lists itself: it is then no longer fenced, and topics can be made."""
    if not listening(port):
        return False
    with ThreadPoolExecutor(max_workers=1) as own_thread:  # the caller may stand in an event loop
        return own_thread.submit(asyncio.run, _lists_itself(port)).result()


async def _lists_itself(port: int) -> bool:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    client = AIOKafkaClient(bootstrap_servers=f"{HOST}:{port}", request_timeout_ms=2000)
    try:
        await client.bootstrap()
        return bool(client.cluster.brokers())
    except (KafkaError, OSError):
        return False
    finally:
        await client.close()

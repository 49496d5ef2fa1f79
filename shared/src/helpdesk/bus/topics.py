"""Topics: created once with explicit settings, because growing a topic later breaks the order of keys."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code

from helpdesk.bus.clients import connected

SEVEN_DAYS_MS: Final = 7 * 24 * 3_600_000
CONFIG: Final = {
    "cleanup.policy": "delete",
    "retention.ms": str(SEVEN_DAYS_MS),
    "compression.type": "producer",
    "min.insync.replicas": "1",
}
SET_ON_THE_TOPIC: Final = 1
GONE_WITHIN_S: Final = 30.0


class WrongPartitions(RuntimeError):
    """A topic exists with another number of partitions than configured."""


async def ensure_topic(bootstrap: str, name: str, partitions: int, replication: int = 1) -> None:
    """Create `name` unless it exists. Raises WrongPartitions when it exists with another partition count."""
    async with _admin(bootstrap) as admin:
        await _create(admin, name, partitions, replication, _config(replication))


async def recreate_topic(bootstrap: str, name: str, partitions: int, replication: int = 1) -> None:
    """Delete `name` and all it holds, and create it with the partitions, copies and settings that it had.

    What does not exist is created as `ensure_topic` would. Raises KafkaError, TimeoutError.
    """
    async with _admin(bootstrap) as admin:
        config: Mapping[str, str] = _config(replication)
        there = await _described(admin, name)
        if there is not None:
            partitions, replication = len(there), len(there[0]["replicas"])
            config = await _settings_of(admin, name)
            response = await admin.delete_topics([name])
            code = response.topic_error_codes[0][1]
            if code not in (0, UnknownTopicOrPartitionError.errno):
                raise for_code(code)(name)
            async with asyncio.timeout(GONE_WITHIN_S):
                while await _described(admin, name):  # noqa: ASYNC110 - nobody tells when a topic is gone
                    await asyncio.sleep(0.05)
        await _create(admin, name, partitions, replication, config)


@asynccontextmanager
async def _admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    async with connected(admin):
        yield admin


async def _create(
    admin: AIOKafkaAdminClient, name: str, partitions: int, replication: int, config: Mapping[str, str]
) -> None:
    topic = NewTopic(name, num_partitions=partitions, replication_factor=replication, topic_configs=dict(config))
    try:
        response = await admin.create_topics([topic])
        code, *rest = response.topic_errors[0][1:]
        if code not in (0, TopicAlreadyExistsError.errno):
            raise RuntimeError(f"Kafka refuses topic {name}: error {code} {rest}")
    except TopicAlreadyExistsError:
        pass
    there = len(await _described(admin, name) or ())
    if there not in (0, partitions):
        raise WrongPartitions(f"topic {name} has {there} partitions, TOPIC_PARTITIONS says {partitions}")


def _config(replication: int) -> Mapping[str, str]:
    return {**CONFIG, "min.insync.replicas": "2" if replication > 2 else "1"}


async def _described(admin: AIOKafkaAdminClient, name: str) -> list[dict[str, Any]] | None:
    """The partitions of a topic; None when there is no such topic."""
    (found,) = await admin.describe_topics([name])
    if found["error_code"] == UnknownTopicOrPartitionError.errno:
        return None
    partitions: list[dict[str, Any]] = found["partitions"]
    return partitions


async def _settings_of(admin: AIOKafkaAdminClient, name: str) -> Mapping[str, str]:
    """What was set for this topic, beside the defaults of the brokers."""
    (response,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    code, _, _, _, entries = response.resources[0]
    if code:
        raise for_code(code)(name)
    return {key: value for key, value, _, source, *_ in entries if source == SET_ON_THE_TOPIC}

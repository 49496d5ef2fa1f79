"""Topics: created once with explicit settings, because growing a topic later breaks the order of keys."""

from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError

SEVEN_DAYS_MS: Final = 7 * 24 * 3_600_000
CONFIG: Final = {
    "cleanup.policy": "delete",
    "retention.ms": str(SEVEN_DAYS_MS),
    "compression.type": "producer",
    "min.insync.replicas": "1",
}


class WrongPartitions(RuntimeError):
    """A topic exists with another number of partitions than configured."""


async def ensure_topic(bootstrap: str, name: str, partitions: int, replication: int = 1) -> None:
    """Create `name` unless it exists. Raises WrongPartitions when it exists with another partition count."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        config = {**CONFIG, "min.insync.replicas": "2" if replication > 2 else "1"}
        topic = NewTopic(name, num_partitions=partitions, replication_factor=replication, topic_configs=config)
        try:
            response = await admin.create_topics([topic])
            code, *rest = response.topic_errors[0][1:]
            if code not in (0, TopicAlreadyExistsError.errno):
                raise RuntimeError(f"Kafka refuses topic {name}: error {code} {rest}")
        except TopicAlreadyExistsError:
            pass
        found = await admin.describe_topics([name])
        there = len(found[0]["partitions"])
        if there not in (0, partitions):
            raise WrongPartitions(f"topic {name} has {there} partitions, TOPIC_PARTITIONS says {partitions}")
    finally:
        await admin.close()

"""What a consumer is told."""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import Field

from helpdesk.consumer.batch import StreamBatch
from helpdesk.settings import Settings


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient a consumer is.

    More than `parked_at_once` streams that park within `parked_window_s`, or more than `parked_at_all`, are no poison
    but a fault of ours: it halts. After `watchdog_s` without progress while records wait the process ends itself.
    `linger_ms` pass between a batch and the next poll, so that a busy consumer's batches become large; the first event
    of a quiet time waits for nothing.
    """

    session_timeout_ms: int = 6_000
    max_poll_interval_ms: int = 60_000
    rebalance_timeout_ms: int = 10_000
    poll_ms: int = 1_000
    linger_ms: int = 0
    look_s: float = 2.0
    watchdog_s: float = 60.0
    parked_at_once: int = 20
    parked_window_s: float = 60.0
    parked_at_all: int = 1_000


@dataclass(frozen=True, slots=True)
class ConsumerSettings:
    """`schema` is the owner's; its tables hold guard and progress. `group` is the Kafka consumer group.

    `switch` is the name of an advisory lock that every batch holds shared: who takes it alone sees no batch half done.
    `awaited` says for which batches somebody waits at `<schema>.applied`, and is told of them (None: of all).
    """

    schema: str
    bootstrap: str
    topic: str
    group: str
    max_records: int = 3_000
    switch: str | None = None
    limits: Limits = Limits()
    awaited: Callable[[StreamBatch], bool] | None = None


class ConsumingSettings(Settings):
    """The knobs of a process that consumes; a deployment seldom needs them, fault tests shrink them."""

    consumer_session_timeout_ms: int = Field(
        6_000, ge=1_000, le=300_000, description="After this silence Kafka gives a consumer's partitions to others."
    )
    consumer_max_poll_interval_ms: int = Field(
        60_000, ge=1_000, description="A consumer that is busy with one batch for longer leaves its group meanwhile."
    )
    consumer_watchdog_s: float = Field(
        60.0, gt=0, description="A process whose consumer stands still for so long while records wait ends itself."
    )
    consumer_parked_at_once: int = Field(
        20, ge=0, description="More streams that park within a minute halt the consumer: that is no single poison."
    )
    consumer_parked_at_all: int = Field(
        1_000, ge=0, description="More streams and records that are parked at all halt the consumer."
    )

    @property
    def linger_ms(self) -> int:
        """None, where somebody waits for what the consumer does."""
        return 0

    @property
    def limits(self) -> Limits:
        """As the consumer wants them."""
        return Limits(
            session_timeout_ms=self.consumer_session_timeout_ms,
            max_poll_interval_ms=self.consumer_max_poll_interval_ms,
            linger_ms=self.linger_ms,
            watchdog_s=self.consumer_watchdog_s,
            parked_at_once=self.consumer_parked_at_once,
            parked_at_all=self.consumer_parked_at_all,
        )


class IntakingSettings(ConsumingSettings):
    """The knobs of a process that consumes for effects that no request waits for."""

    consumer_linger_ms: int = Field(
        50, ge=0, le=1_000, description="How long intake waits after a batch, so that the next one is larger."
    )

    @property
    def linger_ms(self) -> int:
        """As it is set."""
        return self.consumer_linger_ms

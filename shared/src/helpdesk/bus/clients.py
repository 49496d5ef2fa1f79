"""aiokafka's clients, started and ended so that no socket stays open, whatever fails or is cancelled meanwhile.

aiokafka 0.14 forgets a socket when it is cancelled while it starts, and all of them when it is cancelled while it
stops; and it can wait for ever for what cannot be sent any more.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final, TypeAlias

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from helpdesk.tasks import to_the_end

Client: TypeAlias = AIOKafkaConsumer | AIOKafkaProducer | AIOKafkaAdminClient
STARTED_WITHIN_S: Final = 60.0
"""Above aiokafka's own time-out of a request (40 s), which says what is wrong."""
STEP_ENDED_WITHIN_S: Final = 2.0


@asynccontextmanager
async def connected(
    client: Client, *, within_s: float = STARTED_WITHIN_S, parting_s: float = STEP_ENDED_WITHIN_S
) -> AsyncIterator[None]:
    """A client that is started at the beginning of the block and has no socket any more after it.

    It may take `parting_s` to say good-bye (to leave its group, to send what waits). Raises what its start raises:
    KafkaError, OSError, TimeoutError.
    """
    starting = asyncio.create_task(client.start())
    try:
        async with asyncio.timeout(within_s):
            await asyncio.shield(starting)
        yield
    finally:
        await to_the_end(_ended(client, starting, parting_s))


async def _ended(client: Client, starting: asyncio.Task[None], parting_s: float) -> None:
    await _bounded(lambda: starting, STEP_ENDED_WITHIN_S)
    match client:
        case AIOKafkaProducer():
            await _bounded(client.stop, parting_s)
            await _bounded(client._sender.close, STEP_ENDED_WITHIN_S)
            inner = client.client
        case AIOKafkaConsumer():
            await _bounded(client.stop, parting_s)
            inner = client._client
        case _:
            inner = client._client
    await _bounded(inner.close, STEP_ENDED_WITHIN_S)


async def _bounded(step: Callable[[], Awaitable[object]], within_s: float) -> None:
    """aiokafka's own cancelled tasks speak through its steps; ours is not cancelled."""
    with suppress(TimeoutError, KafkaError, OSError, asyncio.CancelledError):
        async with asyncio.timeout(within_s):
            await step()

"""Human numbers, taken for all who ask at the same time: one update for each tenant and round trip."""

import asyncio
import copy
from uuid import UUID

from command_api import store
from helpdesk.postgres.pool import Pool


class Numbers:
    """The numbers that one process gives to new tickets."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._wanted: dict[UUID, list[asyncio.Future[int]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, tenant_id: UUID) -> int:
        """The tenant's next number. Raises `postgres.pool.UNAVAILABLE`."""
        number: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if tenant_id in self._wanted:
            self._wanted[tenant_id].append(number)
        else:
            self._wanted[tenant_id] = [number]
            task = asyncio.create_task(self._serve(tenant_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await number

    async def _serve(self, tenant_id: UUID) -> None:
        """Round trip after round trip until nobody of the tenant waits."""
        while wanted := [one for one in self._wanted[tenant_id] if not one.done()]:
            self._wanted[tenant_id] = []
            try:
                first = await store.take_numbers(self._pool, tenant_id, len(wanted))
            except Exception as error:
                for one in wanted:
                    if not one.done():
                        one.set_exception(copy.copy(error))
            else:
                for number, one in enumerate(wanted, first):
                    if not one.done():  # who went away leaves a gap
                        one.set_result(number)
        del self._wanted[tenant_id]

"""kill -9 of our processes at the moments that hurt. Database locks are the breakpoints."""

from faults.world import World

LAST: str = "select coalesce(max((xid::text::bigint, position)), (0, 0))::text from events.event"
CHECKPOINT: str = "select string_agg(c::text, ' ' order by c.name) from events.relay_checkpoint c"
PROGRESS: str = "select string_agg(p::text, ' ' order by partition) from views.progress p"


async def command_api_between_append_and_answer(world: World) -> None:
    """The client never hears of its command; it asks again under its key, and there is one command."""
    world.stack.pause("projector")  # so that writers wait for their view
    try:
        await _changes(world, LAST)
        await world.kill("command-api")
    finally:
        world.stack.resume("projector")
    await world.ready("command-api")


async def command_api_in_the_middle_of_a_group(world: World) -> None:
    """The events are inserted, the rows that follow from them not yet: all of it stays, or nothing."""
    async with world.held("lock table events.ticket_number in share row exclusive mode"):
        await world.until(lambda: world.waits_for_lock("command-api"))
        await world.kill("command-api")
        if world.random.random() < 0.5:
            await world.cut("command-api")  # what its process left unfinished does not go on without it
    await world.ready("command-api")


async def relay_before_its_checkpoint(world: World) -> None:
    """Sent, but not noted: it is sent again, and consumers drop it."""
    async with world.held("lock table events.relay_checkpoint in share mode"):
        await world.until(lambda: world.waits_for_lock("events-relay%"))
        await world.kill("command-api-relay")


async def relay_while_it_sends(world: World) -> None:
    """Kafka does not answer, or is not there: what it has not taken is not noted as sent."""
    stack = world.stack
    silence, end = (stack.stop, stack.start) if world.long else (stack.pause, stack.resume)
    await world.in_thread(silence, "kafka")
    try:
        await _changes(world, LAST)
        await world.lasts(0.5)  # that nothing is noted has no event
        await world.kill("command-api-relay")
    finally:
        await world.in_thread(end, "kafka")


async def relay_after_its_checkpoint(world: World) -> None:
    """Noted: what follows is not left out."""
    await _changes(world, CHECKPOINT)
    await world.kill("command-api-relay")


async def projector_before_its_commit(world: World) -> None:
    """The views' rows are written, the progress is not: neither stays."""
    async with world.held("lock table views.progress in share mode"):
        await world.until(lambda: world.waits_for_lock("projector"))
        await world.kill("projector")


async def projector_after_its_commit(world: World) -> None:
    """Committed, and Kafka was perhaps not told: our own progress counts."""
    await _changes(world, PROGRESS)
    await world.kill("projector")


async def dispatcher_in_the_middle(world: World) -> None:
    """Intake, sender and API: what is due is sent once by its id."""
    for name in ("webhook-dispatcher-intake", "webhook-dispatcher-send", "webhook-dispatcher"):
        await world.load.progresses(2)
        await world.kill(name)


async def notifier_and_queries(world: World) -> None:
    """Those who only listen and answer."""
    for name in ("notifier-intake", "query-api", "notifier"):
        await world.load.progresses(2)
        await world.kill(name)


async def _changes(world: World, query: str) -> None:
    before = await world.value(query)

    async def changed() -> bool:
        return bool(await world.value(query) != before)

    await world.until(changed)

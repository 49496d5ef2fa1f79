"""One connection listens for all of a process (ADR 30), and who subscribes misses nothing that it does not know of."""

from dataclasses import dataclass, field
from uuid import uuid4

from command_api.app import service
from command_api.directory import Directory
from command_api.settings import CommandSettings
from helpdesk.http.server import run_jobs
from helpdesk.postgres.listening import Listener, Listeners
from integration.engine.relays import published, relays
from integration.engine.rig import Engine, account, beside, eventually, eventually_true, new_stream

LISTENERS = """
select pid from pg_stat_activity where datname = current_database() and application_name like '%-listen'"""
LISTENING = """
select count(*) from pg_stat_activity where datname = current_database() and starts_with(query, 'listen ')"""


@dataclass
class Heard:
    """What a subscriber was told, in order."""

    all: list[str] = field(default_factory=list)

    def subscribe(self, listener: Listener, channel: str) -> None:
        listener.subscribe(
            channel,
            self.all.append,
            anew=lambda: self.all.append("anew"),
            lost=lambda: self.all.append("lost"),
        )


async def tell(engine: Engine, channel: str, text: str) -> None:
    await engine.sql("select pg_notify(%s, %s)", channel, text)


async def cut(engine: Engine, listener: Listener, channel: str) -> None:
    """End the session that listens; returns when the listener knows, some time before it listens again."""
    await engine.sql(f"select pg_terminate_backend(pid) from ({LISTENERS}) l")
    await eventually(lambda: not listener.hears(channel))


# --- one for all ------------------------------------------------------------------------------------------------------


async def test_all_roles_of_a_process_hear_one_database_on_one_connection(own: Engine) -> None:
    listeners, first, second = Listeners("test"), Heard(), Heard()
    first.subscribe(listeners.at(own.dsn("command_api")), "one")
    second.subscribe(listeners.at(own.dsn("views_progress")), "another")
    async with beside(listeners.run()):
        await eventually(lambda: first.all == second.all == ["anew"])
        await tell(own, "one", "a")
        await tell(own, "another", "b")
        await eventually(lambda: (first.all, second.all) == (["anew", "a"], ["anew", "b"]))
        assert await own.value(LISTENING) == 1


async def test_another_database_is_another_connection(own: Engine, store: Engine) -> None:
    listeners, here, there = Listeners("test"), Heard(), Heard()
    here.subscribe(listeners.at(own.dsn("command_api")), "one")
    there.subscribe(listeners.at(store.dsn("command_api")), "one")
    async with beside(listeners.run()):
        await eventually(lambda: here.all == there.all == ["anew"])
        await tell(own, "one", "here")
        await eventually(lambda: here.all == ["anew", "here"])
        assert there.all == ["anew"]


async def test_the_command_api_with_its_relay_has_one_session_that_listens(own: Engine) -> None:
    values = {name.lower(): value for name, value in own.variables.items()}
    async with service(CommandSettings.model_validate(values | {"log_level": "info"})) as parts:
        listener = parts.listeners.at(own.dsn("command_relay"))
        heard = Heard()
        heard.subscribe(listener, "events_appended")

        async def look() -> None:
            channels = ("views_applied", "notices_applied", "webhooks_applied", "events_rows", "events_appended")
            await eventually(lambda: all(map(listener.hears, channels)))
            assert await own.value(LISTENING) == 1

        await run_jobs(parts.jobs, around=look)


async def test_who_subscribes_late_is_heard_too(own: Engine) -> None:
    listener, early, late, same = Listener(own.dsn("command_api"), "test-listen"), Heard(), Heard(), Heard()
    early.subscribe(listener, "one")
    async with beside(listener.run()):
        await eventually(lambda: early.all == ["anew"])
        late.subscribe(listener, "two")
        same.subscribe(listener, "one")
        assert same.all == ["anew"], "what it subscribes to is heard already"
        await eventually(lambda: late.all == ["anew"])
        for channel in ("one", "two"):
            await tell(own, channel, channel)
        await eventually(lambda: (early.all[1:], late.all[1:], same.all[1:]) == (["one"], ["two"], ["one"]))


# --- what may be lost -------------------------------------------------------------------------------------------------


async def test_whoever_looks_when_listening_has_begun_misses_nothing(own: Engine) -> None:
    listener, told = Listener(own.dsn("command_api"), "test-listen"), Heard()
    heard_at_begin = list[bool]()
    listener.subscribe("one", told.all.append, anew=lambda: heard_at_begin.append(listener.hears("one")))
    async with beside(listener.run()):
        await eventually(lambda: heard_at_begin)
        await tell(own, "one", "at once")
        await eventually(lambda: told.all == ["at once"])
        for _ in range(3):
            await cut(own, listener, "one")
            await tell(own, "one", "while nobody listened")
            await eventually(lambda: listener.hears("one"))
        await tell(own, "one", "again")
        await eventually(lambda: "again" in told.all)
    assert heard_at_begin == [True] * 4
    assert told.all == ["at once", "again"]


async def test_a_lost_connection_is_told_before_the_next_begins(own: Engine) -> None:
    listener, heard = Listener(own.dsn("command_api"), "test-listen"), Heard()
    heard.subscribe(listener, "one")
    async with beside(listener.run()):
        await eventually(lambda: heard.all)
        await cut(own, listener, "one")
        await eventually(lambda: heard.all == ["anew", "lost", "anew"])
    assert heard.all == ["anew", "lost", "anew", "lost"]


async def test_what_cannot_be_understood_costs_nobody_else_anything(own: Engine) -> None:
    listener, other, numbers = Listener(own.dsn("command_api"), "test-listen"), Heard(), list[int | None]()
    listener.subscribe("numbers", lambda text: numbers.append(int(text)), anew=lambda: numbers.append(None))
    other.subscribe(listener, "other")
    async with beside(listener.run()):
        await eventually(lambda: listener.hears("other"))
        for text in ("1", "nonsense", "2"):
            await tell(own, "numbers", text)
        await tell(own, "other", "well")
        await eventually(lambda: other.all == ["anew", "well"])
        await eventually(lambda: numbers == [None, 1, None, 2])
        assert await own.value(LISTENING) == 1


# --- each of those who subscribe --------------------------------------------------------------------------------------


async def test_a_person_who_changes_while_nobody_listens_is_not_believed_any_more(own: Engine) -> None:
    listener, tenant, person = Listener(own.dsn("command_api"), "test-listen"), uuid4(), uuid4()
    directory = Directory(own.pool, listener)
    await account(own, tenant, person)

    async def name() -> str:
        return (await directory.people(tenant, [person]))[person].name

    async def is_grace() -> bool:
        return await name() == "Grace"

    async with beside(listener.run()):
        await eventually(lambda: listener.hears("events_rows"))
        assert await name() == "Ada"
        await cut(own, listener, "events_rows")
        await own.sql("update events.person set name = 'Grace' where id = %s", person)
        await eventually(lambda: listener.hears("events_rows"))
        await eventually_true(is_grace, 1.0)


async def test_what_is_appended_while_nobody_listens_is_sent_by_the_same_leader(own: Engine) -> None:
    stream = new_stream()
    async with relays(own) as state:
        await eventually(lambda: state.leading)
        epoch = await own.value("select epoch from events.relay_checkpoint")
        for _ in range(3):
            await own.sql(f"select pg_terminate_backend(pid) from ({LISTENERS}) l")
            await own.append(stream)
            await eventually(lambda: state.sent == own.versions[stream], 5.0)
        assert await own.value("select epoch from events.relay_checkpoint") == epoch
    assert await published(own) == {stream: [1, 2, 3]}

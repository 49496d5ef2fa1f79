"""What the file store keeps: what tickets' histories say, and nothing else (contract §8, behaviours §1)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
import pytest_asyncio

from command_api.app import collector
from command_api.collector import Collector
from command_api.settings import WorkerSettings
from helpdesk.storage.keys import file_prefix, incoming_key
from helpdesk.storage.objects import NoSuchObject, Objects
from localstack.stack import Stack
from support.invariants import assert_all_hold
from support.people import Json, Person
from support.shapes import ATTACHMENT, answered, refused
from support.uploads import PNG, Uploader
from support.waiting import eventually

DUE = "update events.watched_file set look_at = clock_timestamp() - interval '1 minute' where id = %s"
WATCHED = "select count(*) from events.watched_file where id = %s"


@pytest.fixture(scope="module")
def settings(stack: Stack) -> WorkerSettings:
    return WorkerSettings.model_validate({name.lower(): value for name, value in stack.environment.items()})


@pytest_asyncio.fixture
async def worker(settings: WorkerSettings) -> AsyncIterator[Collector]:
    async with collector(settings) as worker:
        yield worker


@pytest.fixture
def objects(settings: WorkerSettings) -> Objects:
    return Objects(settings)


def sql(stack: Stack, query: str, *params: object) -> int:
    """The first value of the first row; 0 for a statement without rows."""
    with psycopg.connect(stack.admin_dsn, autocommit=True) as connection:
        cursor = connection.execute(query.encode(), params)
        return int(cursor.fetchall()[0][0]) if cursor.description else 0


async def collected(stack: Stack, worker: Collector, attachment_id: UUID) -> None:
    """Its time has come: looked at, by this worker or the stack's own."""
    await asyncio.to_thread(sql, stack, DUE, attachment_id)
    await worker.collect()

    async def settled() -> bool:
        return await asyncio.to_thread(sql, stack, WATCHED, attachment_id) == 0

    await eventually(settled, 20)


def id_of(begun: Json) -> UUID:
    return UUID(begun["fileUrl"].split("/")[-2])


async def is_there(objects: Objects, key: str) -> bool:
    try:
        await objects.look(key, 100)
    except NoSuchObject:
        return False
    return True


async def test_an_upload_that_nobody_completes_is_deleted_and_cannot_be_completed_any_more(
    stack: Stack, user: Person, worker: Collector, objects: Objects
) -> None:
    mine = Uploader(user, await user.opens_ticket())
    begun = await mine.begins()
    await mine.puts(begun)
    key = incoming_key(UUID(user.tenant_id), id_of(begun))
    assert await is_there(objects, key)
    await worker.collect()
    assert await is_there(objects, key), "it may be completed for a day"
    await collected(stack, worker, id_of(begun))
    assert not await is_there(objects, key)
    body = refused(await mine.completes(begun), 400, "validation_failed")
    assert body["details"][0]["code"] == "unknown_upload"


async def test_a_file_that_stands_is_kept_and_only_what_led_to_it_is_deleted(
    stack: Stack, client: httpx.AsyncClient, user: Person, worker: Collector, objects: Objects
) -> None:
    mine = Uploader(user, await user.opens_ticket())
    begun = await mine.begins()
    await mine.puts(begun)
    attachment = answered(await mine.completes(begun), 201, ATTACHMENT)
    tenant, id_ = UUID(user.tenant_id), id_of(begun)
    left_over = f"{file_prefix(tenant, id_)}{uuid4()}"
    await objects.copy(incoming_key(tenant, id_), left_over, "image/png")
    await collected(stack, worker, id_)
    assert not await is_there(objects, incoming_key(tenant, id_))
    assert not await is_there(objects, left_over)
    url = (await user.get(f"{mine.path}/{attachment['id']}/download-url")).json()["downloadUrl"]
    assert (await client.get(url)).content == PNG
    assert answered(await mine.completes(begun), 201) == attachment, "completing again is the same, even now"


async def test_a_removed_files_bytes_are_deleted(
    stack: Stack, client: httpx.AsyncClient, user: Person, worker: Collector, objects: Objects
) -> None:
    mine = Uploader(user, await user.opens_ticket())
    begun = await mine.begins()
    await mine.puts(begun)
    attachment = answered(await mine.completes(begun), 201, ATTACHMENT)
    url = (await user.get(f"{mine.path}/{attachment['id']}/download-url")).json()["downloadUrl"]
    answered(await user.delete(f"{mine.path}/{attachment['id']}"), 204)
    await collected(stack, worker, id_of(begun))
    assert not await is_there(objects, incoming_key(UUID(user.tenant_id), id_of(begun)))
    refused(await client.get(url), 404)


async def test_a_refused_removal_changes_nothing(
    stack: Stack, user: Person, other_user: Person, worker: Collector, client: httpx.AsyncClient
) -> None:
    mine = Uploader(user, await user.opens_ticket())
    begun = await mine.begins()
    await mine.puts(begun)
    refused(await other_user.delete(f"{mine.path}/{id_of(begun)}"), 403, "not_allowed")
    attachment = answered(await mine.completes(begun), 201, ATTACHMENT)
    refused(await other_user.delete(f"{mine.path}/{attachment['id']}"), 403, "not_allowed")
    await collected(stack, worker, id_of(begun))
    answer = await client.get(
        attachment["fileUrl"], headers={"Authorization": f"Bearer {user.token}"}, follow_redirects=True
    )
    assert answer.content == PNG


async def test_what_was_refused_leaves_no_object(
    stack: Stack, user: Person, settings: WorkerSettings, objects: Objects
) -> None:
    mine = Uploader(user, await user.opens_ticket())
    begun = await mine.begins()
    await mine.puts(begun, b"<html>")
    refused(await mine.completes(begun, 6), 400, "validation_failed")
    assert await objects.remove_all(file_prefix(UUID(user.tenant_id), id_of(begun))) == 0


async def test_every_view_of_files_is_the_fold_of_its_stream(stack: Stack, user: Person) -> None:
    mine = Uploader(user, await user.opens_ticket())
    await mine.attaches()
    removed = await mine.attaches()
    answered(await user.delete(f"{mine.path}/{removed['id']}"), 204)
    await asyncio.to_thread(assert_all_hold, stack.admin_dsn)


@asynccontextmanager
async def without_the_store(stack: Stack) -> AsyncIterator[None]:
    child = stack.child("s3")
    await asyncio.to_thread(child.stop)
    try:
        yield
    finally:
        await asyncio.to_thread(stack.start, "s3")


async def test_while_the_file_store_is_away_files_wait_and_everything_else_goes_on(stack: Stack, user: Person) -> None:
    mine = Uploader(user, await user.opens_ticket())
    begun = await mine.begins()
    await mine.puts(begun)
    async with without_the_store(stack):
        refused(await mine.completes(begun), 503, "unavailable")
        await user.comments_on(mine.ticket)
        assert (await user.reads(mine.ticket))["attachments"] == []
    answered(await mine.completes(begun), 201, ATTACHMENT)

"""The tasks of a process: one that ends takes the process with it, however it ends."""

import asyncio

import pytest

from helpdesk.http.server import run_jobs


async def for_ever() -> None:
    await asyncio.Event().wait()


async def end() -> None:
    return


async def end_as_a_library_does() -> None:
    task = asyncio.create_task(for_ever())
    asyncio.get_running_loop().call_soon(task.cancel)
    await task


@pytest.mark.parametrize("job", [end, end_as_a_library_does])
async def test_a_job_that_ends_by_itself_or_by_a_stray_cancellation_ends_the_process(job: object) -> None:
    assert callable(job)
    with pytest.raises(ExceptionGroup) as group:
        await asyncio.wait_for(run_jobs([job, for_ever], for_ever), 5)
    assert [str(one) for one in group.value.exceptions] == ["a task that should run for ever has ended"]


async def test_jobs_end_with_what_they_run_around() -> None:
    await asyncio.wait_for(run_jobs([for_ever, for_ever], end), 5)

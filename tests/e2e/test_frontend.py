"""What the pages for frontends tell is so: their commands run as printed, and the example works in a browser."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web

from localstack.stack import Stack
from support.browser import chromium, page_at
from support.people import PASSWORD, Person
from support.stories import FRONTEND, told

BASH = ("bash", "-euo", "pipefail")
STORIES = {
    "README.md": ("Printer on fire", "Have you tried water?", "304", "stale_version", "validation_failed", "unread"),
    "attachments.md": ('"filename":"log.csv"', "the same bytes", "removed: 204", "attachment_not_found"),
}
"""Pages whose commands are run, and what these print among other things."""


@pytest.mark.parametrize(("page", "shell"), [("README.md", BASH), ("attachments.md", ("sh", "-eu"))])
async def test_the_commands_of_the_page_run_one_after_the_other(
    stack: Stack, page: str, shell: tuple[str, ...]
) -> None:
    text = await told(FRONTEND / page, stack, shell=shell)
    for expected in STORIES[page]:
        assert expected in text, text[-3000:]


@pytest_asyncio.fixture
async def elsewhere() -> AsyncIterator[str]:
    """The example on another origin than the API's."""
    app = web.Application()
    app.router.add_static("/", FRONTEND)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/example.html"
    finally:
        await runner.cleanup()


def filled_in(form: str, **fields: str) -> str:
    """A script that a person's typing and pressing of the button comes to."""
    typed = "".join(f"form.elements[{json.dumps(name)}].value = {json.dumps(text)};" for name, text in fields.items())
    return f"{{ const form = document.querySelector('#{form}'); {typed} form.requestSubmit(); }}"


@pytest.mark.long
@pytest.mark.skipif(chromium() is None, reason="no Chromium here: the example was not tried in a browser")
async def test_the_example_works_in_a_browser_without_a_complaint(
    stack: Stack, user: Person, agent: Person, elsewhere: str
) -> None:
    async with page_at(f"{elsewhere}?api={stack.origin}") as page:
        await page.run(filled_in("login", email=user.email, password=PASSWORD))
        await page.until("!document.querySelector('#app').hidden")
        await page.run(filled_in("create", title="<b>Printer</b> on fire"))
        await page.until(
            "document.querySelector('#tickets').innerText.includes('<b>Printer</b> on fire (open, medium)')"
        )
        await page.run(filled_in("comment", content="Any news?"))
        await page.until("document.querySelector('#comments').innerText.includes('Nora New Comer: Any news?')")
        (ticket,) = (await user.get("/tickets")).json()
        await agent.comments_on(ticket, "Have you tried water?")
        await agent.edits(ticket, status="in_progress")
        await page.until("document.querySelector('#comments').innerText.includes('Have you tried water?')")
        await page.until("document.querySelector('#tickets').innerText.includes('(in_progress, medium)')")
        assert await page.run("document.querySelector('#problem').textContent") == ""
        assert page.complaints == []

"""A headless Chromium, spoken to by its own protocol: open a page, run scripts in it, hear what it complains of."""

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from support.waiting import eventually

START_S = 30


def chromium() -> str | None:
    """Where it is, if the distribution brought it."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@dataclass
class Page:
    """One page. `complaints` is what its console and its log said, but for information."""

    socket: aiohttp.ClientWebSocketResponse
    complaints: list[str] = field(default_factory=list)
    _numbers: Any = field(default_factory=itertools.count)
    _waiting: dict[int, asyncio.Future[Any]] = field(default_factory=dict)

    async def listen(self) -> None:
        """Until the page is gone."""
        async for message in self.socket:
            told = message.json()
            if "id" in told:
                self._waiting.pop(told["id"]).set_result(told)
            elif told["method"] == "Log.entryAdded" and told["params"]["entry"]["level"] in ("warning", "error"):
                self.complaints.append(told["params"]["entry"]["text"])
            elif told["method"] == "Runtime.exceptionThrown":
                self.complaints.append(str(told["params"]["exceptionDetails"]))
            elif told["method"] == "Runtime.consoleAPICalled":
                self.complaints.append(str(told["params"]["args"]))

    async def tell(self, method: str, **params: Any) -> Any:
        """A command of the protocol, with its result."""
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self.socket.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(START_S):
            told = await answer
        assert "error" not in told, told
        return told["result"]

    async def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        told = await self.tell("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def until(self, condition: str, seconds: float = 20) -> None:
        """Wait for an expression to become true."""
        await eventually(lambda: self.run(condition), seconds)


@asynccontextmanager
async def page_at(url: str) -> AsyncIterator[Page]:
    """A new browser that has loaded this address."""
    binary = chromium()
    assert binary is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = await asyncio.create_subprocess_exec(
            binary,
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--no-proxy-server"),
            *("--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            port = await _port(Path(folder))
            async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/json") as listed:
                target = next(one for one in await listed.json() if one["type"] == "page")
                async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    page = Page(socket)
                    listening = asyncio.create_task(page.listen())
                    for domain in ("Runtime", "Log", "Page"):
                        await page.tell(f"{domain}.enable")
                    await page.tell("Page.navigate", url=url)
                    await page.until("document.readyState === 'complete' && location.href !== 'about:blank'")
                    yield page
                    listening.cancel()
        finally:
            process.terminate()
            await process.wait()


async def _port(folder: Path) -> int:
    """The port that it has chosen, as soon as it has written it down."""
    file = folder / "DevToolsActivePort"

    async def written() -> int | None:
        words = file.read_text().split() if file.exists() else []
        return int(words[0]) if words else None

    return await eventually(written, START_S)

"""The story that the page on attachments tells works as it is printed."""

import asyncio
import os
import re
from pathlib import Path

from localstack.stack import Stack

PAGE = Path(__file__).parents[2] / "docs" / "frontend" / "attachments.md"
WITHIN_S = 60


async def test_the_page_on_attachments_runs_block_after_block(stack: Stack) -> None:
    story = "\n".join(re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE))
    shell = await asyncio.create_subprocess_exec(
        "sh",
        "-eu",
        "-c",
        story,
        env={**os.environ, "ORIGIN": stack.origin, "no_proxy": "127.0.0.1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(WITHIN_S):
        said, _ = await shell.communicate()
    text = said.decode()
    assert shell.returncode == 0, text[-3000:]
    for expected in ('"filename":"log.csv"', "the same bytes", "removed: 204", "attachment_not_found"):
        assert expected in text, text[-3000:]

"""The story that the README tells works as it is printed."""

import asyncio
import os
import re
import socket
from pathlib import Path

from localstack.stack import Stack

README = Path(__file__).parents[2] / "README.md"
WITHIN_S = 60


async def test_the_readme_s_story_runs_block_after_block(stack: Stack) -> None:
    story = "\n".join(re.findall(r"^```sh\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE))
    assert "signup" in story
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shell = await asyncio.create_subprocess_exec(
        "sh",
        "-eu",
        "-c",
        story,
        env={**os.environ, "ORIGIN": stack.origin, "RECEIVER_PORT": str(port), "no_proxy": "127.0.0.1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(WITHIN_S):
        said, _ = await shell.communicate()
    text = said.decode()
    assert shell.returncode == 0, text[-3000:]
    for expected in ("Printer on fire", "1 for Ada", "2 for the agent", "ticket_not_found", "signed TICKET_UPDATED"):
        assert expected in text, text[-3000:]

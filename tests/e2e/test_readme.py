"""The story that the README tells works as it is printed."""

import socket

from localstack.stack import Stack
from support.stories import ROOT, commands_of, told

README = ROOT / "README.md"


async def test_the_readme_s_story_runs_block_after_block(stack: Stack) -> None:
    assert "signup" in commands_of(README)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = await told(README, stack, RECEIVER_PORT=str(port))
    for expected in ("Printer on fire", "1 for Ada", "2 for the agent", "ticket_not_found", "signed TICKET_UPDATED"):
        assert expected in text, text[-3000:]

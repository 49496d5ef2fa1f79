"""Pages that tell a story in shell commands: run as a reader would, block after block."""

import asyncio
import os
import re
from collections.abc import Sequence
from pathlib import Path

from localstack.stack import Stack

ROOT = Path(__file__).parents[2]
FRONTEND = ROOT / "docs" / "frontend"
WITHIN_S = 60


def commands_of(page: Path) -> str:
    """What stands in its blocks of shell."""
    return "\n".join(re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE))


async def told(page: Path, stack: Stack, *, shell: Sequence[str] = ("sh", "-eu"), **variables: str) -> str:
    """What the page's commands print, run in one `shell` against `stack`. Fails at the first that fails."""
    story = await asyncio.create_subprocess_exec(
        *shell,
        "-c",
        commands_of(page),
        env={**os.environ, "ORIGIN": stack.origin, "no_proxy": "127.0.0.1", **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(WITHIN_S):
        said, _ = await story.communicate()
    text = said.decode()
    assert story.returncode == 0, text[-3000:]
    return text

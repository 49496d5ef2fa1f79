"""Pages that tell a story in shell commands: run as a reader would, block after block."""

import asyncio
import os
import re
from pathlib import Path

from localstack.stack import Stack

FRONTEND = Path(__file__).parents[2] / "docs" / "frontend"
WITHIN_S = 60


def commands_of(page: Path) -> str:
    """What stands in its blocks of shell."""
    return "\n".join(re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE))


async def told(page: Path, stack: Stack) -> str:
    """What the page's commands print, run in one shell against `stack`. Fails at the first that fails."""
    shell = await asyncio.create_subprocess_exec(
        "bash",
        "-euo",
        "pipefail",
        "-c",
        commands_of(page),
        env={**os.environ, "ORIGIN": stack.origin, "no_proxy": "127.0.0.1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(WITHIN_S):
        said, _ = await shell.communicate()
    text = said.decode()
    assert shell.returncode == 0, text[-3000:]
    return text

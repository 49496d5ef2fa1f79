"""No space left, for PostgreSQL and for Kafka: their data lie on a small file system for a while, and it is filled."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from faults.world import CannotRun, World
from localstack.errors import StackError

ROOM: Final = 96 * 2**20
BLOCK: Final = b"\0" * 2**20


async def full_for_postgres(world: World) -> None:
    """Writes are refused until there is room again; what was acknowledged stays."""
    servers = world.stack.servers
    # Another cluster may stand beside it: what a former fault restored.
    await _full(world, "postgres", servers.folder / f"postgres-{servers.secrets.installation}" / "data")


async def full_for_kafka(world: World) -> None:
    """The broker gives its log up; commands go on, and say that the views are behind."""
    await _full(world, "kafka", world.stack.servers.folder / "kafka" / "data")


async def _full(world: World, name: str, data: Path) -> None:
    if shutil.which("mount") is None:
        raise CannotRun("there is no `mount`")
    stack = world.stack
    await world.in_thread(stack.stop, name)
    small = _on_a_small_file_system(data)
    try:
        await world.in_thread(small.__enter__)
    except BaseException:
        await world.in_thread(stack.start, name)
        raise
    try:
        await world.in_thread(stack.start, name)
        await world.load.progresses(5)
        ballast = data / "ballast"
        await world.in_thread(_fill, ballast)
        try:
            await world.lasts(8 if world.long else 3)
        finally:
            ballast.unlink()
        try:
            await world.ready(name)
        except StackError:  # it died too often to be started again by itself: an operator does it
            await world.in_thread(stack.start, name)
        await world.load.progresses(5)
        await world.in_thread(stack.stop, name)
    finally:
        await world.in_thread(small.__exit__, None, None, None)
        await world.in_thread(stack.start, name)


@contextmanager
def _on_a_small_file_system(data: Path) -> Iterator[None]:
    """Replace the folder by a tmpfs with the same files and little room to spare, and back afterwards."""
    about, kept = data.stat(), data.with_name("kept")
    used = sum(one.stat().st_blocks * 512 for one in data.rglob("*") if one.is_file())
    options = f"size={used + ROOM},uid={about.st_uid},gid={about.st_gid},mode={about.st_mode & 0o777:o}"
    data.rename(kept)
    data.mkdir()
    mounted = subprocess.run(("mount", "-t", "tmpfs", "-o", options, "tmpfs", data), capture_output=True, check=False)
    if mounted.returncode:
        data.rmdir()
        kept.rename(data)
        raise CannotRun(f"this user may not mount a tmpfs: {mounted.stderr.decode().strip()}")
    subprocess.run(("cp", "-a", f"{kept}/.", data), check=True)
    try:
        yield
    finally:
        back = data.with_name("back")
        subprocess.run(("cp", "-a", data, back), check=True)
        subprocess.run(("umount", data), check=True)
        data.rmdir()
        back.rename(data)
        shutil.rmtree(kept)


def _fill(ballast: Path) -> None:
    try:
        with ballast.open("wb", buffering=0) as file:
            while file.write(BLOCK) == len(BLOCK):
                pass
    except OSError:
        pass

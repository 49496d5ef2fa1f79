"""The objects themselves, by the S3 client, which blocks: each call runs in a bounded pool of threads."""

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.commonconfig import REPLACE, CopySource
from minio.deleteobjects import DeleteObject
from minio.error import MinioException, S3Error

from helpdesk.settings import StorageSettings

R = TypeVar("R")
HEAD_BYTES: Final = 4096
"""How much of a file tells what it is."""
THREADS: Final = 4
WAITING: Final = 64
"""Calls that may wait for a thread; more are refused, so that a slow store does not pile up requests."""
CONNECT_S: Final = 2.0
READ_S: Final = 10.0
_CHUNK: Final = 64 * 1024
_ABSENT: Final = frozenset({"NoSuchKey", "NoSuchObject"})


class StoreUnavailable(Exception):
    """The file store cannot be asked now, or too many are asking it."""


class NoSuchObject(Exception):
    """There is nothing at this key."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What an object is: its size in bytes, its first `HEAD_BYTES`, the SHA-256 of all of it in hexadecimal.

    Of one that is larger than was to be read, `size` is some number above that, and the digest is of a part.
    """

    size: int
    head: bytes
    sha256: str


class Objects:
    """One bucket. `close` it at the end."""

    def __init__(self, settings: StorageSettings) -> None:
        address = urlsplit(settings.s3_endpoint)
        self._bucket = settings.s3_bucket
        self._client = Minio(
            address.netloc,
            settings.s3_access_key.get_secret_value(),
            settings.s3_secret_key.get_secret_value(),
            secure=address.scheme == "https",
            region=settings.s3_region,  # or it asks for it first
            http_client=urllib3.PoolManager(
                timeout=urllib3.Timeout(connect=CONNECT_S, read=READ_S),
                maxsize=THREADS,
                retries=urllib3.Retry(total=2, connect=2, read=0, status=0, backoff_factor=0.1),
            ),
        )
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="s3")
        self._waiting = 0

    async def look(self, key: str, most: int) -> Looked:
        """Read an object, but no more than about `most` bytes. Raises NoSuchObject, StoreUnavailable."""
        return await self._in_thread(lambda: self._look(key, most))

    async def copy(self, source: str, target: str, content_type: str) -> None:
        """Make a second object of the same bytes, within the store. Raises NoSuchObject, StoreUnavailable.

        Of what else the writer of the first one said nothing is taken over: a `Content-Encoding` of theirs, say, would
        make other bytes of it on the way to a browser.
        """
        await self._in_thread(
            lambda: self._client.copy_object(
                self._bucket,
                target,
                CopySource(self._bucket, source),
                metadata={"Content-Type": content_type},
                metadata_directive=REPLACE,
            )
        )

    async def remove(self, key: str) -> None:
        """Delete one object; nothing happens when it is not there. Raises StoreUnavailable."""
        await self._in_thread(lambda: self._client.remove_object(self._bucket, key))

    async def remove_all(self, prefix: str, but: str | None = None) -> int:
        """Delete all objects whose keys begin so, `but` one; how many there were. Raises StoreUnavailable."""
        return await self._in_thread(lambda: self._remove_all(prefix, but))

    async def prefixes(self) -> list[str]:
        """The first parts of all keys, up to their slash. Raises StoreUnavailable."""
        return await self._in_thread(
            lambda: [str(one.object_name) for one in self._client.list_objects(self._bucket) if one.is_dir]
        )

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _look(self, key: str, most: int) -> Looked:
        answer = self._client.get_object(self._bucket, key)
        try:
            digest, head, size = hashlib.sha256(), b"", 0
            for chunk in answer.stream(_CHUNK):
                digest.update(chunk)
                head += chunk[: max(0, HEAD_BYTES - len(head))]
                size += len(chunk)
                if size > most:
                    break
            else:
                return Looked(size, head, digest.hexdigest())
            answer.close()  # the rest is not wanted: the connection cannot be used again
            return Looked(size, head, digest.hexdigest())
        finally:
            answer.release_conn()

    def _remove_all(self, prefix: str, but: str | None) -> int:
        found = [str(one.object_name) for one in self._client.list_objects(self._bucket, prefix, recursive=True)]
        doomed = [name for name in found if name != but]
        for failed in self._client.remove_objects(self._bucket, map(DeleteObject, doomed)):
            raise StoreUnavailable(f"an object was not deleted: {failed.code}")
        return len(doomed)

    async def _in_thread(self, call: Callable[[], R]) -> R:
        if self._waiting >= THREADS + WAITING:
            raise StoreUnavailable("too many calls wait for the file store")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except S3Error as error:
            if error.code in _ABSENT:
                raise NoSuchObject from error
            raise StoreUnavailable(f"the file store answered {error.code}") from error
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            raise StoreUnavailable(f"the file store does not answer: {type(error).__name__}") from error
        finally:
            self._waiting -= 1

"""Attachments on their way: begun, uploaded by the client, looked at, kept (contract §8)."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from command_api import store_files
from command_api.domain.files.content import EXECUTABLE, essence, flaw
from command_api.domain.files.names import ending
from command_api.execute import Clock
from command_api.settings import FilesSettings
from command_api.store_files import Declared, Watched
from helpdesk.http.problem import Problem, invalid
from helpdesk.ids import new_id
from helpdesk.postgres.pool import Pool
from helpdesk.storage.keys import file_key, file_url, incoming_key
from helpdesk.storage.objects import Looked, NoSuchObject, Objects
from helpdesk.storage.presign import UPLOAD_S, Signer, signer

HOLD: Final = timedelta(minutes=10)
"""Nothing of an upload is deleted while it is being completed."""
REMOVED_AFTER: Final = timedelta(seconds=UPLOAD_S, minutes=5)
"""Only when no address for its upload is valid any more is a removed file deleted, or it could come back unwatched."""


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the bytes go, and the address that the attachment will have."""

    upload_url: str
    key: str
    file_url: str


@dataclass(frozen=True, slots=True)
class Stored:
    """An object that was found to be what it says. `size` in bytes, `sha256` in hexadecimal."""

    object_id: UUID
    size: int
    sha256: str


class Files:
    """What the doors need of the file store."""

    def __init__(self, pool: Pool, settings: FilesSettings, clock: Clock) -> None:
        self._pool, self._settings, self._clock = pool, settings, clock
        self._signer: Signer = signer(settings)
        self._objects = Objects(settings)

    def address(self, ticket_id: UUID, attachment_id: UUID) -> str:
        """The lasting address of a file."""
        return file_url(self._settings.public_origin, ticket_id, attachment_id)

    def attachment_of(self, ticket_id: UUID, address: str) -> UUID:
        """The file of this ticket that an address of ours names. Raises a 400 for any other address."""
        try:
            attachment_id = UUID(address.rstrip("/").split("/")[-2])
        except (ValueError, IndexError):
            raise _unknown() from None
        if address != self.address(ticket_id, attachment_id):
            raise _unknown()
        return attachment_id

    def demand_admitted(self, filename: str, mime_type: str, size: int | None) -> None:
        """Raises a 400 for a type that is not admitted, and for a file that is too large."""
        if essence(mime_type) in self._settings.denied_types:
            raise invalid("mimeType", "files of this type are not admitted", "type_denied")
        if ending(filename) in self._settings.denied_endings:
            raise invalid("filename", "files with this ending are not admitted", "type_denied")
        if size is not None and size > self._settings.attachment_max_bytes:
            raise self._too_large()

    async def begin(self, tenant_id: UUID, ticket_id: UUID, by: UUID, declared: Declared) -> Begun:
        """An address to upload one file to."""
        attachment_id = new_id()
        keep = timedelta(seconds=self._settings.upload_keep_seconds)
        await store_files.begin(self._pool, Watched(tenant_id, attachment_id, ticket_id), by, declared, keep)
        key = incoming_key(tenant_id, attachment_id)
        address = self._signer.upload(key, declared.mime_type, self._clock())
        return Begun(address, key, self.address(ticket_id, attachment_id))

    async def keep(self, file: Watched, by: UUID, filename: str, mime_type: str, size: int) -> Stored:
        """Copy what was uploaded to where no client can write, and look at the copy: what was looked at is what stays.

        Raises a 400 when it is not what it says, StoreUnavailable. A copy that is refused is deleted by the worker.
        """
        declared = await store_files.hold(self._pool, file, by, HOLD)
        if declared is None:
            raise _unknown()
        if _plain(declared.mime_type) != _plain(mime_type):
            raise invalid("mimeType", "is not the type for which the upload was begun", "type_mismatch")
        if declared.file_size not in (None, size):
            raise invalid("fileSize", "is not the size for which the upload was begun", "size_mismatch")
        object_id = new_id()
        key = file_key(file.tenant_id, file.id, object_id)
        try:
            await self._objects.copy(incoming_key(file.tenant_id, file.id), key, declared.mime_type)
            looked = await self._objects.look(key, self._settings.attachment_max_bytes)
        except NoSuchObject as error:
            raise invalid("fileUrl", "nothing was uploaded yet", "not_uploaded") from error
        try:
            self._demand_true(looked, filename, mime_type, size, declared.sha256)
        except Problem:
            await self._objects.remove(key)
            raise
        return Stored(object_id, looked.size, looked.sha256)

    async def doubt(self, file: Watched) -> None:
        """To be called before a file is removed from its ticket: the worker will delete what the ticket has not."""
        await store_files.doubt(self._pool, file, REMOVED_AFTER)

    def close(self) -> None:
        """Let the threads go."""
        self._objects.close()

    def _demand_true(self, looked: Looked, filename: str, mime_type: str, size: int, sha256: str | None) -> None:
        if looked.size > self._settings.attachment_max_bytes:
            raise self._too_large()
        if looked.size != size:
            raise invalid("fileSize", f"{looked.size} bytes were uploaded", "size_mismatch")
        if sha256 is not None and looked.sha256 != sha256:
            raise invalid("sha256", "the uploaded bytes have another digest", "digest_mismatch")
        found = flaw(looked.head, mime_type, ending(filename))
        if found == EXECUTABLE:
            raise invalid("mimeType", "the file is a program; these are not admitted", "executable_content")
        if found is not None:
            raise invalid("mimeType", "the content is not what type and name say", "content_mismatch")

    def _too_large(self) -> Problem:
        most = self._settings.attachment_max_bytes
        return invalid("fileSize", f"a file has at most {most} bytes", "file_too_large")


def _unknown() -> Problem:
    return invalid("fileUrl", "is no address that was given to you for an upload to this ticket", "unknown_upload")


def _plain(mime_type: str) -> str:
    return "".join(mime_type.lower().split())

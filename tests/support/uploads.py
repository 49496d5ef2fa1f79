"""Files as people attach them, by the three calls of contract §8."""

from dataclasses import dataclass
from typing import Any, Final

import httpx

from support.people import Json, Person
from support.shapes import ATTACHMENT, UPLOAD, answered

PNG: Final = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
PDF: Final = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
ZIP: Final = b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00!\x00" + bytes(64)
HTML: Final = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
PROGRAM: Final = b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff" + bytes(64)
DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


@dataclass(frozen=True)
class Uploader:
    """Somebody who attaches files to a ticket."""

    person: Person
    ticket: Json

    @property
    def path(self) -> str:
        return f"/tickets/{self.ticket['id']}/attachments"

    async def asks(self, filename: str = "scan.png", mime_type: str = "image/png", **fields: Any) -> httpx.Response:
        """For an address to upload to."""
        body = {"filename": filename, "mimeType": mime_type, **fields}
        return await self.person.post(f"{self.path}/upload-url", body)

    async def begins(self, filename: str = "scan.png", mime_type: str = "image/png", **fields: Any) -> Json:
        begun: Json = answered(await self.asks(filename, mime_type, **fields), 200, UPLOAD)
        return begun

    async def puts(self, begun: Json, data: bytes = PNG, mime_type: str = "image/png") -> httpx.Response:
        """The bytes, without a token."""
        return await self.person.client.put(begun["uploadUrl"], content=data, headers={"Content-Type": mime_type})

    async def completes(
        self, begun: Json, size: int = len(PNG), filename: str = "scan.png", mime_type: str = "image/png", **more: Any
    ) -> httpx.Response:
        body = {"filename": filename, "fileUrl": begun["fileUrl"], "fileSize": size, "mimeType": mime_type, **more}
        return await self.person.post(self.path, body)

    async def uploads(self, data: bytes, filename: str, mime_type: str, **declared: Any) -> httpx.Response:
        """All three calls; the answer of the last."""
        begun = await self.begins(filename, mime_type, **declared)
        put = await self.puts(begun, data, mime_type)
        assert put.status_code == 200, put.text
        return await self.completes(begun, len(data), filename, mime_type)

    async def attaches(self, data: bytes = PNG, filename: str = "scan.png", mime_type: str = "image/png") -> Json:
        """A file that must be taken."""
        attachment: Json = answered(await self.uploads(data, filename, mime_type), 201, ATTACHMENT)
        return attachment

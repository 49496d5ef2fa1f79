"""Pre-signed addresses (AWS Signature Version 4, in the query): pure computing, nobody is asked.

Ours and not the client library's, because that signs the host alone: an upload's Content-Type must be signed too.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias
from urllib.parse import quote, urlsplit

from pydantic import SecretStr

from helpdesk.settings import StorageSettings

ReadMethod: TypeAlias = Literal["GET", "HEAD"]
UPLOAD_S: Final = 3600
"""How long an address for an upload is valid (contract §8)."""
DOWNLOAD_S: Final = 300
"""How long one for a download is (behaviours §1)."""
_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_SERVICE: Final = "s3"
_END: Final = "aws4_request"


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs for one bucket at the address that clients reach (`base`: scheme and host, maybe a port)."""

    base: str
    bucket: str
    region: str
    access_key: SecretStr
    secret_key: SecretStr

    def upload(self, key: str, content_type: str, at: datetime) -> str:
        """An address to PUT one object to, with exactly this Content-Type."""
        return self._signed("PUT", key, {"content-type": content_type}, {}, UPLOAD_S, at)

    def download(self, key: str, filename: str, content_type: str, at: datetime, method: ReadMethod = "GET") -> str:
        """An address to GET one object from, as a file to save; or one that only tells of it."""
        answered = {
            "response-content-disposition": disposition(filename),
            "response-content-type": content_type,
            "response-cache-control": "private, no-store",
        }
        return self._signed(method, key, {}, answered, DOWNLOAD_S, at)

    def _signed(
        self, method: str, key: str, headers: Mapping[str, str], query: Mapping[str, str], expires_s: int, at: datetime
    ) -> str:
        path = quote(f"/{self.bucket}/{key}")
        moment, day = at.strftime("%Y%m%dT%H%M%SZ"), at.strftime("%Y%m%d")
        scope = f"{day}/{self.region}/{_SERVICE}/{_END}"
        signed = {"host": urlsplit(self.base).netloc, **headers}
        names = ";".join(sorted(signed))
        asked = {
            **query,
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{self.access_key.get_secret_value()}/{scope}",
            "X-Amz-Date": moment,
            "X-Amz-Expires": str(expires_s),
            "X-Amz-SignedHeaders": names,
        }
        canonical_query = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in sorted(asked.items()))
        lines = "".join(f"{name}:{' '.join(signed[name].split())}\n" for name in sorted(signed))
        request = f"{method}\n{path}\n{canonical_query}\n{lines}\n{names}\nUNSIGNED-PAYLOAD"
        text = f"{_ALGORITHM}\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = hmac.new(self._key(day), text.encode(), hashlib.sha256).hexdigest()
        return f"{self.base.rstrip('/')}{path}?{canonical_query}&X-Amz-Signature={signature}"

    def _key(self, day: str) -> bytes:
        key = f"AWS4{self.secret_key.get_secret_value()}".encode()
        for part in (day, self.region, _SERVICE, _END):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return key


def signer(settings: StorageSettings) -> Signer:
    """For the public address of the bucket: our origin, unless the store has one of its own."""
    return Signer(
        settings.s3_public_endpoint or settings.public_origin,
        settings.s3_bucket,
        settings.s3_region,
        settings.s3_access_key,
        settings.s3_secret_key,
    )


def disposition(filename: str) -> str:
    """`Content-Disposition: attachment` with the name for old clients and, whole, for all others (RFC 6266, RFC 8187).

    A name that was redacted is empty: the file is saved under another.
    """
    name = filename or "file"
    plain = "".join(char if " " <= char <= "~" and char not in '"\\%' else "_" for char in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")

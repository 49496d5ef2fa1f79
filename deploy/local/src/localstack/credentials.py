"""What is secret: made once, kept in the data folder for its owner alone."""

import base64
import hashlib
import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

FILE, SIGNING_KEY, JWKS = "secrets.json", "jwt.pem", "jwks.json"


def _token() -> str:
    return secrets.token_hex(16)


def _base64() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode("ascii")


@dataclass(frozen=True, slots=True)
class Credentials:
    """`installation` names the data that belongs to these secrets: other passwords, other data."""

    installation: str = field(default_factory=lambda: secrets.token_hex(4))
    superuser_password: str = field(default_factory=_token)
    role_salt: str = field(default_factory=_token)
    cursor_secret: str = field(default_factory=_token)
    webhook_secrets_key: str = field(default_factory=_base64)
    s3_access_key: str = field(default_factory=_token)
    s3_secret_key: str = field(default_factory=_token)

    def password(self, role: str) -> str:
        """One for each role, also for a role that is invented tomorrow."""
        return hashlib.sha256(f"{self.role_salt}:{role}".encode()).hexdigest()[:32]


def load(folder: Path) -> Credentials:
    """The kept ones, or new ones that are kept from now on."""
    file = folder / FILE
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _signing_key(folder)
        _write(file, json.dumps(asdict(Credentials()), indent=2))
    return Credentials(**json.loads(file.read_text(encoding="utf-8")))


def _signing_key(folder: Path) -> None:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write(folder / SIGNING_KEY, pem.decode("ascii"))
    x = _url(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    thumbprint = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": x}, separators=(",", ":"), sort_keys=True)  # RFC 7638
    kid = _url(hashlib.sha256(thumbprint.encode()).digest())
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "alg": "EdDSA", "use": "sig"}
    _write(folder / JWKS, json.dumps({"keys": [jwk]}, indent=2))


def _url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _write(file: Path, text: str) -> None:
    draft = file.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(text, encoding="utf-8")
    draft.replace(file)

"""Access tokens: EdDSA with `kid`, or HS256 where the operator says so (contract §4). Issued by the command API,
verified by everyone."""

import base64
import hashlib
import json
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from helpdesk import policy
from helpdesk.clock import utc_now
from helpdesk.settings import TokenSettings, misconfigured

CACHED_TOKENS: Final = 10_000
REREAD_S: Final = 5.0
CLOCKS_DIFFER_S: Final = 60.0
"""A token of another node may seem to be issued in the future; an expiry has no such leeway."""
_UNREADABLE: Final = (jwt.PyJWTError, OSError, ValueError, AttributeError)
_REQUIRED: Final = ["exp", "iat", "iat_ms", "iss", "aud", "uid", "tenant_id", "role"]


class InvalidToken(Exception):
    """A token that proves nothing: forged, expired, for somebody else."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The person who calls, as the token says."""

    tenant_id: UUID
    user_id: UUID
    role: str
    issued_at: datetime


LONGEST_TOKEN: Final = 8_192
"""Characters: ours have a thousand, and a longer one is not worth the reading."""


class Verifier:
    """Checks tokens against the key set in a file, or with the shared secret: the settings pin the one algorithm that
    counts. A token that was checked is remembered until it expires."""

    def __init__(self, settings: TokenSettings) -> None:
        self._path, self._algorithm, self._secret = settings.jwt_jwks_file, settings.jwt_algorithm, _secret(settings)
        self._issuer, self._audience = settings.jwt_issuer, settings.jwt_audience
        self._keys: dict[str, jwt.PyJWK] = {}
        self._read_at = 0.0
        self._known: OrderedDict[str, tuple[float, Principal]] = OrderedDict()
        try:
            self._read()
        except _UNREADABLE:
            misconfigured("JWT_JWKS_FILE", "does not hold a JSON Web Key Set")

    def verify(self, token: str) -> Principal:
        """The principal that `token` proves. Raises InvalidToken."""
        if len(token) > LONGEST_TOKEN:
            raise InvalidToken("the token is too long")
        self._follow_rotation()
        known = self._known.get(token)
        if known is not None and known[0] > utc_now().timestamp():
            return known[1]
        principal, expires = self._check(token)
        self._known[token] = (expires, principal)
        if len(self._known) > CACHED_TOKENS:
            self._known.popitem(last=False)
        return principal

    def _check(self, token: str) -> tuple[Principal, float]:
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") != self._algorithm:
                raise InvalidToken("the token's algorithm is not accepted")
            claims: dict[str, Any] = jwt.decode(
                token,
                self._secret or self._key(str(header.get("kid"))),
                algorithms=[self._algorithm],
                issuer=self._issuer,
                audience=self._audience,
                options={"require": _REQUIRED, "verify_iat": False, "verify_exp": False},
            )
            now = utc_now().timestamp()  # the library would ask another clock than ours
            if float(claims["exp"]) <= now:
                raise InvalidToken("the token has expired")
            if float(claims["iat"]) > now + CLOCKS_DIFFER_S:
                raise InvalidToken("the token is not valid yet")
            role = str(claims["role"])
            if role not in policy.SCOPES:
                raise InvalidToken("the token names no role of ours")
            issued_at = datetime.fromtimestamp(int(claims["iat_ms"]) / 1000, UTC)
            return Principal(UUID(claims["tenant_id"]), UUID(claims["uid"]), role, issued_at), float(claims["exp"])
        except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError) as error:
            raise InvalidToken("the token is not valid") from error

    def _follow_rotation(self) -> None:
        """A key that was taken out of the file counts for a few seconds more, and with it the tokens remembered."""
        if time.monotonic() - self._read_at < REREAD_S:
            return
        known = set(self._keys)
        with suppress(*_UNREADABLE):
            self._read()
        if known - set(self._keys):
            self._known.clear()

    def _key(self, kid: str) -> jwt.PyJWK:
        if kid not in self._keys and time.monotonic() - self._read_at > 1.0:
            with suppress(*_UNREADABLE):  # a file that is being rewritten: the known keys stay
                self._read()
        if kid not in self._keys:
            raise InvalidToken("the token's key is unknown")
        return self._keys[kid]

    def _read(self) -> None:
        self._read_at = time.monotonic()
        if self._path is None or self._secret is not None:
            return
        self._keys = {key.key_id: key for key in jwt.PyJWKSet.from_json(self._path.read_text()).keys if key.key_id}


class _AsciiJson(json.JSONEncoder):
    """JSON whose base64url contains neither `-` nor `_`: some clients decode a payload with plain `atob`.

    Those two digits stand for six ones, or five and a nought; in ASCII text only `?`, `>`, `~` and DEL can make them.
    """

    def encode(self, o: Any) -> str:
        text = super().encode(o)
        for char in "?>~\x7f":
            text = text.replace(char, f"\\u{ord(char):04x}")
        return text


class Issuer:
    """Makes access tokens with the private key in a PEM file (Ed25519, PKCS 8), or with the shared secret."""

    def __init__(self, key_file: Path | None, settings: TokenSettings, lifetime_s: int) -> None:
        self._algorithm, self._headers, secret = settings.jwt_algorithm, dict[str, str](), _secret(settings)
        self._key: Ed25519PrivateKey | bytes
        if secret is not None:
            self._key = secret
        elif key_file is not None:
            self._key = key = _private_key(key_file)
            self._headers["kid"] = thumbprint(key)
        else:
            misconfigured("JWT_SIGNING_KEY_FILE", "is missing")
        self._issuer, self._audience = settings.jwt_issuer, settings.jwt_audience
        self.lifetime_s = lifetime_s

    def issue(self, *, tenant_id: UUID, user_id: UUID, email: str, role: str, now: datetime) -> str:
        """A token for this person, from now. Revocation compares milliseconds, which typed clients refuse in `iat`."""
        issued = now.timestamp()
        claims = {
            "sub": email,
            "uid": str(user_id),
            "tenant_id": str(tenant_id),
            "tenantId": str(tenant_id),
            "role": role,
            "roles": [f"ROLE_{role}"],
            "scopes": list(policy.SCOPES[role]),
            "iss": self._issuer,
            "aud": self._audience,
            "iat": int(issued),
            "iat_ms": int(issued * 1000),
            "exp": int(issued) + self.lifetime_s,
            "jti": str(uuid4()),
        }
        return jwt.encode(claims, self._key, self._algorithm, headers=self._headers, json_encoder=_AsciiJson)


def _secret(settings: TokenSettings) -> bytes | None:
    """The shared secret; None where a key pair signs."""
    if settings.jwt_algorithm != "HS256" or settings.jwt_secret is None:
        return None
    return settings.jwt_secret.get_secret_value().encode()


def _private_key(file: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except (ValueError, TypeError, OSError, UnsupportedAlgorithm):
        misconfigured("JWT_SIGNING_KEY_FILE", "does not hold a private key in PEM form")
    if not isinstance(key, Ed25519PrivateKey):
        misconfigured("JWT_SIGNING_KEY_FILE", "must hold an Ed25519 key")
    return key


def thumbprint(key: Ed25519PrivateKey) -> str:
    """The key's id: RFC 7638 over its public half."""
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    x = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    canonical = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": x}, separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).decode().rstrip("=")

"""Access tokens (contract §4): who holds one is who it says, and everything else proves nothing."""

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from helpdesk.auth import tokens
from helpdesk.auth.tokens import InvalidToken, Issuer, Principal, Verifier, thumbprint
from helpdesk.settings import TokenSettings
from support.waiting import until

TENANT, PERSON = UUID(int=1), UUID(int=2)
DAY_S = 86_400


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class Keys:
    """A signing key and its key set, in files that can be rewritten."""

    def __init__(self, folder: Path) -> None:
        self.pem, self.jwks = folder / "jwt.pem", folder / "jwks.json"
        self.rotate()

    def rotate(self, *, keep: bool = False) -> None:
        kept = json.loads(self.jwks.read_text())["keys"] if keep else []
        self.key = Ed25519PrivateKey.generate()
        self.pem.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        x = _base64(self.raw_public)
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": thumbprint(self.key), "alg": "EdDSA", "use": "sig"}
        self.jwks.write_text(json.dumps({"keys": [*kept, jwk]}))

    @property
    def raw_public(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def settings(self) -> TokenSettings:
        return TokenSettings.model_validate(
            {"jwt_jwks_file": self.jwks, "jwt_issuer": "us", "jwt_audience": "helpdesk"}
        )

    def issuer(self, lifetime_s: int = DAY_S) -> Issuer:
        return Issuer(self.pem, self.settings, lifetime_s)

    def verifier(self) -> Verifier:
        return Verifier(self.settings)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


@pytest.fixture(scope="module")
def same_keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """For many examples of one property."""
    return Keys(tmp_path_factory.mktemp("keys"))


def issued(keys: Keys, email: str = "ada@example.com", role: str = "AGENT", now: datetime | None = None) -> str:
    return keys.issuer().issue(tenant_id=TENANT, user_id=PERSON, email=email, role=role, now=now or datetime.now(UTC))


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def forged(keys: Keys, *, key: Any = None, kid: str | None = None, **changes: Any) -> str:
    """A token with other claims (None: without the claim), signed by whatever key."""
    claims = {name: value for name, value in (claims_of(issued(keys)) | changes).items() if value is not None}
    return jwt.encode(claims, key or keys.key, "EdDSA", headers={"kid": kid or thumbprint(keys.key)})


def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if two seconds had passed."""
    now = time.monotonic
    monkeypatch.setattr("helpdesk.auth.tokens.time.monotonic", lambda: now() + 2.0)


def test_a_token_proves_who_it_was_issued_to(keys: Keys) -> None:
    now = datetime.now(UTC).replace(microsecond=123_000) - timedelta(seconds=1)
    assert keys.verifier().verify(issued(keys, role="ADMIN", now=now)) == Principal(TENANT, PERSON, "ADMIN", now)


def test_the_claims_are_those_of_the_contract(keys: Keys) -> None:
    claims = claims_of(issued(keys, email="Ada@Example.com", role="USER"))
    assert claims["sub"] == "Ada@Example.com"
    assert claims["uid"] == str(PERSON)
    assert claims["tenant_id"] == claims["tenantId"] == str(TENANT)
    assert (claims["role"], claims["roles"]) == ("USER", ["ROLE_USER"])
    assert claims["scopes"] == ["tickets:read:own", "tickets:write:own"]
    assert (claims["iss"], claims["aud"]) == ("us", "helpdesk")
    assert claims["exp"] - claims["iat"] == DAY_S
    assert isinstance(claims["iat"], int)
    assert UUID(claims["jti"]).version == 4
    assert "name" not in claims


def test_alg_none_is_refused(keys: Keys) -> None:
    _, payload, signature = issued(keys).split(".")
    for one in ("", signature):
        with pytest.raises(InvalidToken):
            keys.verifier().verify(f"{_base64(b'{}')}.{payload}.{one}")
        with pytest.raises(InvalidToken):
            keys.verifier().verify(f"{_base64(json.dumps({'alg': 'none', 'typ': 'JWT'}).encode())}.{payload}.{one}")


def test_the_public_key_is_no_shared_secret(keys: Keys) -> None:
    header = json.dumps({"alg": "HS256", "typ": "JWT", "kid": thumbprint(keys.key)}).encode()
    head = f"{_base64(header)}.{issued(keys).split('.')[1]}"
    pem = keys.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for secret in (keys.raw_public, pem, keys.jwks.read_bytes()):
        mac = hmac.new(secret, head.encode(), hashlib.sha256).digest()
        with pytest.raises(InvalidToken):
            keys.verifier().verify(f"{head}.{_base64(mac)}")


def test_another_key_under_our_name_is_refused(keys: Keys) -> None:
    with pytest.raises(InvalidToken):
        keys.verifier().verify(forged(keys, key=Ed25519PrivateKey.generate()))


def test_an_unknown_key_is_refused(keys: Keys) -> None:
    with pytest.raises(InvalidToken):
        keys.verifier().verify(forged(keys, kid="somebody"))


def test_a_changed_payload_is_refused(keys: Keys) -> None:
    header, _, signature = issued(keys, role="USER").split(".")
    payload = issued(keys, role="ADMIN").split(".")[1]
    with pytest.raises(InvalidToken):
        keys.verifier().verify(f"{header}.{payload}.{signature}")


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "somebody"},
        {"iss": "somebody"},
        {"exp": 1_000_000_000},
        {"role": "ROOT"},
        {"role": ["ADMIN"]},
        {"uid": "nobody"},
        {"uid": 7},
        {"tenant_id": "nobody"},
        {"iat_ms": "now"},
        {"nbf": 4_000_000_000},
        *({name: None} for name in ("exp", "iat", "iat_ms", "iss", "aud", "uid", "tenant_id", "role")),
    ],
    ids=str,
)
def test_a_signed_token_with_a_wrong_or_missing_claim_is_refused(keys: Keys, changes: dict[str, Any]) -> None:
    assert keys.verifier().verify(forged(keys)).user_id == PERSON
    with pytest.raises(InvalidToken):
        keys.verifier().verify(forged(keys, **changes))


@given(text=st.text(max_size=60))
def test_any_other_text_is_refused(same_keys: Keys, text: str) -> None:
    with pytest.raises(InvalidToken):
        same_keys.verifier().verify(text)


def test_a_remembered_token_expires_all_the_same(keys: Keys) -> None:
    token = keys.issuer(lifetime_s=2).issue(
        tenant_id=TENANT, user_id=PERSON, email="ada@example.com", role="USER", now=datetime.now(UTC)
    )
    verifier, expires = keys.verifier(), claims_of(token)["exp"]
    assert verifier.verify(token) is verifier.verify(token)
    until(lambda: time.time() > expires)
    with pytest.raises(InvalidToken):
        verifier.verify(token)


def test_the_memory_for_tokens_is_bounded(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "CACHED_TOKENS", 3)
    verifier = keys.verifier()
    for _ in range(5):
        verifier.verify(issued(keys))
    assert len(verifier._known) == 3


# --- rotation ---------------------------------------------------------------------------------------------------------


def test_a_rotated_key_is_found_without_a_restart(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    verifier, before = keys.verifier(), issued(keys)
    keys.rotate(keep=True)
    later(monkeypatch)
    assert verifier.verify(issued(keys)).user_id == PERSON
    assert verifier.verify(before).user_id == PERSON


def test_of_two_keys_both_count_until_one_leaves(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a rotation goes: the new key comes, tokens of the old one live on, the old key goes and they with it."""
    verifier, of_old = keys.verifier(), issued(keys)
    keys.rotate(keep=True)
    of_new = issued(keys)
    later(monkeypatch)
    for token in (of_old, of_new, of_old):
        assert verifier.verify(token).user_id == PERSON
    newest = json.loads(keys.jwks.read_text())["keys"][-1:]
    keys.jwks.write_text(json.dumps({"keys": newest}))
    for _ in range(3):  # the file is read again every five seconds
        later(monkeypatch)
    assert verifier.verify(of_new).user_id == PERSON
    with pytest.raises(InvalidToken):
        verifier.verify(of_old)


# --- one shared secret instead ----------------------------------------------------------------------------------------

SECRET = "a secret of at least thirty-two bytes"


def shared(secret: str = SECRET, **fields: Any) -> TokenSettings:
    values = {"jwt_algorithm": "HS256", "jwt_secret": secret, "jwt_issuer": "us", "jwt_audience": "helpdesk"}
    return TokenSettings.model_validate(values | fields)


def signed(settings: TokenSettings) -> str:
    issuer = Issuer(None, settings, DAY_S)
    return issuer.issue(tenant_id=TENANT, user_id=PERSON, email="ada@x.y", role="USER", now=datetime.now(UTC))


def test_a_shared_secret_signs_and_checks_and_needs_no_key_file() -> None:
    token = signed(shared())
    assert jwt.get_unverified_header(token)["alg"] == "HS256"
    assert Verifier(shared()).verify(token).user_id == PERSON
    with pytest.raises(InvalidToken):
        Verifier(shared("another secret of thirty-two bytes")).verify(token)


def test_one_algorithm_counts_and_no_other(keys: Keys) -> None:
    both = shared(jwt_jwks_file=keys.jwks)
    with pytest.raises(InvalidToken):
        Verifier(both).verify(issued(keys))
    with pytest.raises(InvalidToken):
        keys.verifier().verify(signed(both))
    payload = signed(both).split(".")[1]
    for algorithm in ("none", "HS512", "hs256", "EdDSA"):
        head = _base64(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
        mac = hmac.digest(SECRET.encode(), f"{head}.{payload}".encode(), "sha256")
        with pytest.raises(InvalidToken):
            Verifier(both).verify(f"{head}.{payload}.{_base64(mac)}")


@pytest.mark.parametrize(
    "kid", ["../../x", "/etc/passwd", "' or 1=1 --", "\u0000", "a" * 5_000, "https://evil.example"]
)
def test_a_key_id_is_a_name_and_no_place(keys: Keys, kid: str) -> None:
    claims = jwt.decode(issued(keys), options={"verify_signature": False})
    for key, algorithm in ((keys.key, "EdDSA"), (b"\0" * 32, "HS256")):
        with pytest.raises(InvalidToken):
            keys.verifier().verify(jwt.encode(claims, key, algorithm, headers={"kid": kid}))


def test_a_huge_token_is_not_read(keys: Keys) -> None:
    claims = jwt.decode(issued(keys), options={"verify_signature": False}) | {"more": "x" * 100_000}
    huge = jwt.encode(claims, keys.key, "EdDSA", headers={"kid": thumbprint(keys.key)})
    with pytest.raises(InvalidToken, match="too long"):
        keys.verifier().verify(huge)


def test_forged_key_ids_do_not_make_us_read_the_file_at_every_request(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier = keys.verifier()
    later(monkeypatch)
    reads: list[Path] = []
    read_text = Path.read_text

    def counted(path: Path, *args: Any, **kwargs: Any) -> str:
        reads.append(path)
        return read_text(path, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", counted)
    for n in range(10):
        with pytest.raises(InvalidToken):
            verifier.verify(forged(keys, kid=f"kid {n}"))
    assert reads == [keys.jwks]


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", '{"keys": []}', '{"keys": [{"kty": "?"}]}', None])
def test_a_key_file_that_is_broken_for_a_while_shuts_nobody_out(
    keys: Keys, content: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier, unknown, known = keys.verifier(), forged(keys, kid="somebody"), issued(keys)
    if content is None:
        keys.jwks.unlink()
    else:
        keys.jwks.write_text(content)
    later(monkeypatch)
    with pytest.raises(InvalidToken):
        verifier.verify(unknown)
    assert verifier.verify(known).user_id == PERSON


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", "secret text"])
def test_a_start_with_a_broken_key_file_names_the_variable(
    keys: Keys, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    keys.jwks.write_text(content)
    keys.pem.write_text(content)
    for start, variable in ((keys.verifier, "JWT_JWKS_FILE"), (keys.issuer, "JWT_SIGNING_KEY_FILE")):
        with pytest.raises(SystemExit):
            start()
        told = capsys.readouterr().err
        assert variable in told
        assert "secret" not in told


# --- for clients that decode with plain atob --------------------------------------------------------------------------

NASTY = ["o'>?~@example.com", "üöä🔥@exämple.com", "a\x7fb@example.com", "~~~>>>???@x.y", "<<???>>>@~.~"]


@pytest.mark.parametrize("email", NASTY)
@pytest.mark.parametrize("padding", ["", "a", "ab"])
def test_the_payload_has_neither_dash_nor_underscore(keys: Keys, email: str, padding: str) -> None:
    token = issued(keys, email=padding + email)
    payload = token.split(".")[1]
    assert not set("-_") & set(payload)
    assert json.loads(base64.b64decode(payload + "=" * (-len(payload) % 4)))["sub"] == padding + email
    assert keys.verifier().verify(token).user_id == PERSON


@given(email=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_no_address_whatever_makes_a_dash_or_an_underscore(same_keys: Keys, email: str) -> None:
    assert not set("-_") & set(issued(same_keys, email=email).split(".")[1])

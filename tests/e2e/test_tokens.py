"""Access tokens: what proves who one is, and all that does not (contract §3, §4)."""

import base64
import hmac
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from localstack.stack import Stack
from support.people import API, PASSWORD, Person
from support.shapes import answered, refused

DOORS = [
    ("GET", "/auth/me"),
    ("POST", "/auth/logout"),
    ("GET", "/users"),
    ("GET", "/tickets"),
    ("POST", "/tickets"),
    ("DELETE", "/comments/018f3a5c-7b1e-7c3d-9e5f-0123456789ab"),
    ("GET", "/webhooks"),
    ("GET", "/notifications"),
]
"""At least one of each service."""


@pytest.fixture(scope="session")
def signing_key(stack: Stack) -> Ed25519PrivateKey:
    """The key of the running system, so that each forgery below is wrong in one thing alone."""
    key = load_pem_private_key(Path(stack.environment["JWT_SIGNING_KEY_FILE"]).read_bytes(), password=None)
    assert isinstance(key, Ed25519PrivateKey)
    return key


@pytest.fixture
def claims(agent: Person) -> dict[str, Any]:
    """What a good token says."""
    claims: dict[str, Any] = jwt.decode(agent.token, options={"verify_signature": False})
    return claims


@pytest.fixture
def kid(agent: Person) -> str:
    return str(jwt.get_unverified_header(agent.token)["kid"])


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


async def demand_refusal(client: httpx.AsyncClient, authorization: str | bytes | None) -> None:
    """Every service answers 401, with the challenge that RFC 9110 asks for."""
    value = authorization.encode() if isinstance(authorization, str) else authorization
    headers = {} if value is None else {b"Authorization": value}
    for method, path in DOORS:
        body = {"title": "x", "description": ""} if path == "/tickets" and method == "POST" else None
        response = await client.request(method, API + path, headers=headers, json=body)
        refused(response, 401)
        assert response.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_token_made_as_ours_are_is_good(
    client: httpx.AsyncClient, signing_key: Ed25519PrivateKey, claims: Mapping[str, Any], kid: str
) -> None:
    token = jwt.encode(dict(claims) | {"jti": str(uuid4())}, signing_key, "EdDSA", headers={"kid": kid})
    answered(await client.get(f"{API}/auth/me", headers={"Authorization": f"Bearer {token}"}), 200)
    answered(await client.get(f"{API}/auth/me", headers={"Authorization": f"bearer  {token}"}), 200)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer  x y",
        "Bearer null",
        "Bearer undefined",
        "Bearer .",
        "Bearer ..",
        "Bearer a.b.c",
        "Bearer a.b.c.d.e",
        "Bearer " + "x" * 20_000,
        b"Bearer \xff\xfe",
        "Basic YWdlbnRAZXhhbXBsZS5jb206U2VjdXJlUGFzczEyMyE=",
        "Digest username=agent",
        "Bearer, Bearer",
    ],
)
async def test_no_token_or_none_at_all_is_401(client: httpx.AsyncClient, authorization: str | bytes | None) -> None:
    await demand_refusal(client, authorization)


async def test_a_good_token_counts_under_its_own_scheme_alone(client: httpx.AsyncClient, agent: Person) -> None:
    for authorization in (agent.token, f"Basic {agent.token}", f"Token {agent.token}", f"Bearer{agent.token}"):
        await demand_refusal(client, authorization)


async def test_a_token_in_query_or_cookie_is_none(client: httpx.AsyncClient, agent: Person) -> None:
    for name in ("access", "access_token", "token"):
        refused(await client.get(f"{API}/auth/me", params={name: agent.token}), 401)
    cookie = {"Cookie": f"access_token={agent.token}; token={agent.token}"}
    refused(await client.get(f"{API}/auth/me", headers=cookie), 401)


async def test_a_tampered_token_is_401(client: httpx.AsyncClient, agent: Person, claims: Mapping[str, Any]) -> None:
    header, payload, signature = agent.token.split(".")
    promoted = segment(dict(claims) | {"role": "ADMIN", "roles": ["ROLE_ADMIN"]})
    for token in (
        f"{header}.{promoted}.{signature}",
        f"{header}.{payload}.",
        f"{header}.{payload}",
        f"{header}.{payload}.{signature[:-4]}",
        f"{header}.{payload}.{signature[::-1]}",
        f"{header}.{payload}.{signature}.{signature}",
        f"{payload}.{payload}.{signature}",
    ):
        await demand_refusal(client, f"Bearer {token}")


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
async def test_no_algorithm_is_no_proof(
    client: httpx.AsyncClient, agent: Person, claims: Mapping[str, Any], kid: str, algorithm: str
) -> None:
    header = segment({"alg": algorithm, "typ": "JWT", "kid": kid})
    await demand_refusal(client, f"Bearer {header}.{segment(dict(claims))}.")
    await demand_refusal(client, f"Bearer {header}.{segment(dict(claims))}.{agent.token.split('.')[2]}")


async def test_the_public_key_is_no_shared_secret(
    client: httpx.AsyncClient, signing_key: Ed25519PrivateKey, claims: Mapping[str, Any], kid: str
) -> None:
    jwks = (await client.get("/.well-known/jwks.json")).content
    public = signing_key.public_key()
    for secret in (
        public.public_bytes(Encoding.Raw, PublicFormat.Raw),
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        json.loads(jwks)["keys"][0]["x"].encode(),
        jwks,
    ):
        signed = f"{segment({'alg': 'HS256', 'typ': 'JWT', 'kid': kid})}.{segment(dict(claims))}"
        mac = hmac.digest(secret, signed.encode(), "sha256")  # by hand: the library refuses to sign so
        signature = base64.urlsafe_b64encode(mac).decode().rstrip("=")
        await demand_refusal(client, f"Bearer {signed}.{signature}")


async def test_another_key_is_not_ours(client: httpx.AsyncClient, claims: Mapping[str, Any], kid: str) -> None:
    key = Ed25519PrivateKey.generate()
    public = base64.urlsafe_b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
    own = {"kty": "OKP", "crv": "Ed25519", "x": public.rstrip("=")}
    for headers in (
        {"kid": kid},
        {"kid": "mine"},
        {"kid": kid, "jwk": own},
        {"kid": "../../dev/null"},
        {"kid": "../../x"},
        {},
    ):
        await demand_refusal(client, f"Bearer {jwt.encode(dict(claims), key, 'EdDSA', headers=headers)}")


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("aud", "somebody-else"),
        ("aud", None),
        ("iss", "https://evil.example"),
        ("iss", None),
        ("exp", 0),
        ("exp", int(time.time()) - 60),
        ("exp", None),
        ("exp", "tomorrow"),
        ("nbf", int(time.time()) + 3600),
        ("iat", int(time.time()) + 3600),
        ("uid", None),
        ("uid", "not-a-uuid"),
        ("tenant_id", None),
        ("tenant_id", "default"),
        ("role", "ROOT"),
        ("role", None),
        ("role", ["ADMIN"]),
    ],
)
async def test_a_signed_token_with_a_wrong_claim_is_401(
    client: httpx.AsyncClient,
    signing_key: Ed25519PrivateKey,
    claims: Mapping[str, Any],
    kid: str,
    claim: str,
    value: object,
) -> None:
    wrong = {name: one for name, one in (dict(claims) | {claim: value}).items() if one is not None}
    token = jwt.encode(wrong, signing_key, "EdDSA", headers={"kid": kid})
    await demand_refusal(client, f"Bearer {token}")


async def test_a_signed_token_of_nobody_is_401(
    client: httpx.AsyncClient, signing_key: Ed25519PrivateKey, claims: Mapping[str, Any], kid: str
) -> None:
    issued = int(time.time()) - 3600  # a fresh one could be of an account that the views do not show yet
    nobody = dict(claims) | {"uid": str(uuid4()), "iat": issued, "iat_ms": issued * 1000}
    token = jwt.encode(nobody, signing_key, "EdDSA", headers={"kid": kid})
    headers = {"Authorization": f"Bearer {token}"}
    refused(await client.get(f"{API}/auth/me", headers=headers), 401, "unknown_user")
    ticket = {"title": "x", "description": "x"}
    refused(await client.post(f"{API}/tickets", headers=headers, json=ticket), 401, "unknown_user")


async def test_somebody_of_another_tenant_is_a_stranger_under_a_signed_token(
    client: httpx.AsyncClient, signing_key: Ed25519PrivateKey, claims: Mapping[str, Any], kid: str, stranger: Person
) -> None:
    """Whatever made such a token: it shows nothing of the tenant that it does not name, and begins nothing."""
    issued = int(time.time()) - 3600
    tenant = {"tenant_id": stranger.tenant_id, "tenantId": stranger.tenant_id}
    token = jwt.encode(
        {**claims, **tenant, "iat": issued, "iat_ms": issued * 1000}, signing_key, "EdDSA", headers={"kid": kid}
    )
    headers = {"Authorization": f"Bearer {token}"}
    refused(await client.get(f"{API}/auth/me", headers=headers), 401, "unknown_user")
    refused(await client.put(f"{API}/auth/me", headers=headers, json={"name": "x"}), 401, "unknown_user")
    refused(await client.post(f"{API}/auth/logout", headers=headers), 401, "unknown_user")
    refused(await client.get(f"{API}/users/{claims['uid']}", headers=headers), 404, "user_not_found")
    tickets = answered(await client.get(f"{API}/tickets", headers=headers), 200)
    assert {one["tenantId"] for one in tickets} <= {stranger.tenant_id}


async def test_the_server_identifies_by_uid_and_never_by_the_address(
    client: httpx.AsyncClient, signing_key: Ed25519PrivateKey, claims: Mapping[str, Any], kid: str, agent: Person
) -> None:
    token = jwt.encode(dict(claims) | {"sub": "admin@example.com"}, signing_key, "EdDSA", headers={"kid": kid})
    me = answered(await client.get(f"{API}/auth/me", headers={"Authorization": f"Bearer {token}"}), 200)
    assert (me["id"], me["email"]) == (agent.id, agent.email)


async def test_a_token_says_what_clients_read_in_it(agent: Person, claims: Mapping[str, Any], stack: Stack) -> None:
    user = agent.session["user"]
    assert claims["sub"] == user["email"]
    assert claims["uid"] == user["id"]
    assert claims["tenant_id"] == claims["tenantId"] == user["tenantId"]
    assert (claims["role"], claims["roles"], claims["scopes"]) == (user["role"], user["roles"], user["scopes"])
    assert claims["exp"] - claims["iat"] == agent.session["expiresIn"] // 1000
    assert isinstance(claims["iat"], int)
    assert abs(claims["iat"] - time.time()) < 3600
    assert (claims["iss"], claims["aud"]) == (stack.environment["JWT_ISSUER"], stack.environment["JWT_AUDIENCE"])
    assert claims["jti"]
    assert user["name"] not in claims.values()
    assert user["firstName"] not in json.dumps(dict(claims))
    assert jwt.get_unverified_header(agent.token)["alg"] == "EdDSA"


@pytest.mark.parametrize("local", ["a?b", "a>b", "a~b", "????>>>>~~~~", "ÿþ", "日本語", "😀", "ä?ö>ü~"])
async def test_plain_atob_decodes_every_payload(client: httpx.AsyncClient, local: str) -> None:
    for shift in ("", "x", "xx"):
        address = f"{shift}{local}.{uuid4().hex[:20]}@example.org"
        body = {"email": address, "password": PASSWORD, "name": "Ada ?>~"}
        response = await client.post(f"{API}/auth/signup", json=body)
        if response.status_code == 400 and ">" in local:
            refused(response, 400, field="email")
            continue
        payload = answered(response, 201)["accessToken"].split(".")[1]
        assert not set(payload) & set("-_")
        decoded = base64.b64decode(payload + "=" * (-len(payload) % 4), validate=True)
        assert decoded.isascii()
        assert json.loads(decoded)["sub"] == address

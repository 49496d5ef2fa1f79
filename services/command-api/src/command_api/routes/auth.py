"""Identity: sign up, register, log in, refresh (contract §4)."""

import hashlib
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from command_api.accounts import (
    Account,
    Accounts,
    BadCredentials,
    BadRefreshToken,
    NoSuchTenant,
    Session,
    TenantRequired,
)
from command_api.routes.shared import answer, problems_of
from command_api.routes.sign_ins import note_failed_login, note_sign_in
from command_api.wire import AuthResponse, FoundTenantBody, LoginBody, RefreshBody, RegisterBody, SignupBody
from helpdesk.http import shapes
from helpdesk.http.access import PUBLIC, Rate, access
from helpdesk.http.app import API, problems
from helpdesk.http.limits import FAILED_LOGINS, Limiter, too_many
from helpdesk.http.problem import Problem

router = APIRouter(prefix=f"{API}/auth", tags=["identity"])
_OPEN = access(PUBLIC, Rate.AUTHENTICATION)


async def _accounts(request: Request) -> Accounts:
    accounts: Accounts = request.app.state.accounts
    return accounts


Identity: TypeAlias = Annotated[Accounts, Depends(_accounts)]


@router.post("/signup", status_code=201, summary="Sign up", response_model=AuthResponse,
             responses=problems(400, 403, 404, 409, 503), openapi_extra=_OPEN)  # fmt: skip
async def signup(request: Request, accounts: Identity, body: SignupBody) -> Response:
    """A new account of role USER in a tenant that admits it, signed in at once."""
    async with problems_of():
        try:
            account = await accounts.register(
                email=body.email, password=body.password, name=body.name, slug=body.tenant_slug
            )
        except NoSuchTenant as error:
            raise Problem(404, "tenant_not_found", "There is no tenant of this slug.") from error
    note_sign_in(request, account)
    return _signed_in(await accounts.sign_in(account), 201)


@router.post("/register", status_code=201, summary="Register without signing in", response_model=shapes.UserShape,
             responses=problems(400, 403, 404, 409, 503), openapi_extra=_OPEN)  # fmt: skip
async def register(accounts: Identity, body: RegisterBody) -> Response:
    """A new account of role USER in the tenant of this id; no tokens."""
    name = f"{body.first_name} {body.last_name}"
    async with problems_of():
        try:
            account = await accounts.register(
                email=body.email, password=body.password, name=name, tenant_id=body.tenant_id
            )
        except NoSuchTenant as error:
            raise Problem(404, "tenant_not_found", "There is no tenant of this id.") from error
    return answer(user_shape(account), status=201, positions=account.positions, visible=account.visible)


@router.post("/tenants", status_code=201, summary="Found a tenant", response_model=AuthResponse,
             responses=problems(400, 403, 409, 503), openapi_extra=access(PUBLIC, Rate.AUTHENTICATION))  # fmt: skip
async def found_tenant(accounts: Identity, body: FoundTenantBody) -> Response:
    """A new tenant and its first admin, who is signed in at once; where the operator allows it."""
    async with problems_of():
        account = await accounts.found_tenant(
            name=body.tenant_name, slug=body.tenant_slug, email=body.email, password=body.password, admin=body.name
        )
    return _signed_in(await accounts.sign_in(account), 201)


@router.post("/login", summary="Log in", response_model=AuthResponse, responses=problems(400, 401, 503),
             openapi_extra=_OPEN)  # fmt: skip
async def login(request: Request, accounts: Identity, body: LoginBody) -> Response:
    """Without `tenantSlug` the password is tried against every account of the address."""
    limiter: Limiter = request.app.state.limiter
    account = hashlib.sha256(body.email.strip().lower().encode()).hexdigest()  # no address in a store of counters
    # Counted before the password is looked at, or many at once would all be tried.
    attempt = await limiter.count(FAILED_LOGINS, account)
    if attempt and attempt.is_over:
        note_failed_login(request, body, 429, "rate_limited")
        raise too_many(attempt, "Too many failed logins to this account; try again later.")
    try:
        session = await accounts.login(email=body.email, password=body.password, slug=body.tenant_slug)
    except BadCredentials as error:
        note_failed_login(request, body, 401, "bad_credentials")
        raise Problem(401, "bad_credentials", "The address or the password is wrong.") from error
    except TenantRequired as error:
        await limiter.forgive(FAILED_LOGINS, account)
        raise Problem(400, "tenant_required", "This address has accounts in several tenants: name one.") from error
    await limiter.forgive(FAILED_LOGINS, account)
    note_sign_in(request, session.account)
    return _signed_in(session, 200)


@router.post("/refresh", summary="Renew an access token", response_model=AuthResponse,
             responses=problems(400, 401, 503), openapi_extra=_OPEN)  # fmt: skip
async def refresh(accounts: Identity, body: RefreshBody) -> Response:
    """The refresh token is returned unchanged and stays valid until it expires; with REFRESH_ROTATION it is a new one,
    and the former one was good for this once."""
    try:
        session = await accounts.refresh(body.refresh_token)
    except BadRefreshToken as error:
        raise Problem(401, "bad_refresh_token", "The refresh token is not valid.") from error
    return _signed_in(session, 200)


def _signed_in(session: Session, status: int) -> Response:
    body = AuthResponse(
        access_token=session.access_token,
        refresh_token=session.refresh_token,
        expires_in=session.expires_in_ms,
        token=session.access_token,
        user=user_shape(session.account),
    )
    account = session.account
    return answer(
        body,
        status=status,
        positions=account.positions,
        visible=account.visible,
        headers={"Cache-Control": "no-store"},
    )


def user_shape(account: Account) -> shapes.UserShape:
    person = account.person
    return shapes.user(
        id_=person.id,
        tenant_id=account.tenant_id,
        email=person.email,
        name=person.name,
        role=person.role,
        enabled=person.enabled,
        invited=person.invited,
        created_at=person.created_at,
        updated_at=person.updated_at,
    )

"""`create-tenant`: a tenant with its first admin, by whoever runs the platform (contract §4)."""

import argparse
import sys
from collections.abc import Sequence

from pydantic import BaseModel, ValidationError

from command_api.accounts import OPERATOR, Accounts
from command_api.domain.rejected import Rejected
from command_api.domain.tenant import CreateTenant
from command_api.execute import Commands, new_command
from command_api.tenants import Tenants
from command_api.wire import Email, Name, Password, Slug
from helpdesk.ids import new_id

COMMAND = "create-tenant"


class Wanted(BaseModel):
    """What is to be made, bounded as at the API's doors."""

    name: Name
    slug: Slug
    email: Email
    admin: Name
    password: Password


def arguments() -> argparse.ArgumentParser:
    """The command line; the password comes by standard input, for a command line is everybody's to read."""
    parser = argparse.ArgumentParser(prog=f"python -m command_api {COMMAND}", description=__doc__)
    parser.add_argument("--name", required=True, help="the tenant's name")
    parser.add_argument("--slug", required=True, help="small letters, digits, hyphens; `default` is the operator's")
    parser.add_argument("--email", required=True, help="the first admin's address; the password is read from stdin")
    parser.add_argument("--admin", required=True, help="the first admin's name")
    return parser


def wanted(argv: Sequence[str]) -> Wanted:
    """What the command line and standard input ask for. SystemExit names what is wrong with it, never the password."""
    told = vars(arguments().parse_args(argv))
    try:
        return Wanted(**told, password=sys.stdin.readline().rstrip("\r\n"))
    except ValidationError as error:
        lines = (f"{one['loc'][0]}: {one['msg']}" for one in error.errors(include_input=False, include_url=False))
        raise SystemExit(f"{COMMAND}: " + "; ".join(lines)) from None


async def found(commands: Commands, accounts: Accounts, asked: Wanted) -> str:
    """Make both and tell the tenant's id. SystemExit when the slug is taken."""
    tenant_id = new_id()
    command = CreateTenant(name=asked.name, slug=asked.slug, settings={}, by=OPERATOR, at=commands.clock())
    admin = await accounts.first_admin(email=asked.email, password=asked.password, name=asked.admin)
    try:
        await Tenants(commands).create(new_command(tenant_id, OPERATOR, waits=False), tenant_id, command, admin)
    except Rejected as refused:
        raise SystemExit(f"{COMMAND}: {refused.message}") from None
    return f"tenant {tenant_id} ({asked.slug}) with admin {asked.email}"

"""Migrations: numbered SQL files, each applied once in a transaction of its own, and never changed afterwards."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from helpdesk.postgres.pool import Connection, connect

log = logging.getLogger(__name__)

_ENSURE_ROLE: Final = """
create or replace function pg_temp.ensure_role(name text) returns void language plpgsql as $$
begin
    if not exists (select from pg_catalog.pg_roles where rolname = name) then
        execute format('create role %I nologin', name);
    end if;
exception when duplicate_object or unique_violation then null;  -- somebody else made it at the same moment
end $$"""
_LOCK: Final = "select pg_advisory_lock(hashtext('helpdesk.migrate'))"
_CREATE_LOG: Final = """
create table if not exists {}.migration (
    name text primary key, checksum text not null, applied_at timestamptz not null default now())"""


class ChangedMigration(RuntimeError):
    """A file that was applied reads differently now: add a new one instead."""


@dataclass(frozen=True, slots=True)
class Migrations:
    """The SQL files of a package's folder, for one schema. `:schema` in them is replaced by its name."""

    package: str
    schema: str


async def migrate(dsn: str, migrations: Sequence[Migrations], logins: Sequence[str]) -> list[str]:
    """Bring the database at `dsn` (a role that may create roles and schemas) up to date; return what was applied.

    `logins` are the DSNs that the services will use: their roles get the right to log in and the password named there.
    """
    applied: list[str] = []
    connection = await connect(dsn, name="migrate")
    async with connection:
        await connection.execute(_LOCK)
        await connection.execute(_ENSURE_ROLE)
        for one in migrations:
            applied += await _apply(connection, one)
        for login in logins:
            await _ensure_login(connection, login)
    return applied


async def _apply(connection: Connection, migrations: Migrations) -> list[str]:
    schema = sql.Identifier(migrations.schema)
    await connection.execute(sql.SQL("create schema if not exists {}").format(schema))
    await connection.execute(sql.SQL(_CREATE_LOG).format(schema))
    cursor = await connection.execute(sql.SQL("select name, checksum from {}.migration").format(schema))
    known: dict[str, str] = dict(await cursor.fetchall())
    applied = []
    folder = files(migrations.package)
    for file in sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name):
        name = f"{migrations.package.split('.')[-2]}/{file.name}"
        text = file.read_text(encoding="utf-8")
        checksum = hashlib.sha256(text.encode()).hexdigest()
        if name in known:
            if known[name] != checksum:
                raise ChangedMigration(f"{name} was applied to schema {migrations.schema} with another content")
            continue
        # The text is ours, from this package; the schema's name is a constant of the code.
        body = text.replace(":schema", migrations.schema)
        async with connection.transaction():
            await connection.execute(body)
            await connection.execute(
                sql.SQL("insert into {}.migration (name, checksum) values (%s, %s)").format(schema), (name, checksum)
            )
        log.info("migration applied", extra={"schema": migrations.schema, "migration": name})
        applied.append(f"{migrations.schema}: {name}")
    return applied


async def _ensure_login(connection: Connection, dsn: str) -> None:
    parts = conninfo_to_dict(dsn)
    user, password = parts.get("user"), parts.get("password")
    if not user or user == connection.info.user:
        return
    await connection.execute("select pg_temp.ensure_role(%s)", (user,))
    await connection.execute(
        sql.SQL("alter role {} login password {}").format(sql.Identifier(str(user)), sql.Literal(password))
    )

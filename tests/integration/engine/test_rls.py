"""Row-level security and roles (design §9): nothing of tenant A under tenant B, and nothing at all without a tenant."""

from uuid import UUID, uuid4

import psycopg
import pytest
import pytest_asyncio
from psycopg import sql

from helpdesk.events.ticket import CommentAdded
from helpdesk.eventstore.store import StreamAppend
from helpdesk.postgres.pool import Connection, connect
from integration.engine.rig import NOBODY, NOON, Engine, new_stream
from integration.engine.test_store import created

OURS = "('events', 'views')"
LOGINS = ("command_api", "command_relay", "views_progress", "projector", "projector_events", "query_api",
          "query_operator")  # fmt: skip
WITHIN_A_TENANT = ("command_api", "query_api")
"""Those who answer people. The others work for all tenants, by policies of their own."""

TABLES = f"""
select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and n.nspname in {OURS} order by 1"""
COLUMNS = """
select a.attname, format_type(a.atttypid, null), a.attnotnull and not a.atthasdef
from pg_attribute a where a.attrelid = %s::regclass and a.attnum > 0 and not a.attisdropped order by a.attnum"""
LOGS = {"events.migration", "views.migration"}
"""What a migration wrote down about itself: no tenant's, and granted to nobody (a test says so)."""
TENANTLESS = {
    "events.store", "events.relay_checkpoint", "views.progress", "views.unreadable_record", "views.rebuild",
    "views.rebuild_chunk"}  # fmt: skip

A, B = UUID(int=10), UUID(int=11)
SAMPLE = {"uuid": "gen_random_uuid()", "text": "'open'", "integer": "1", "smallint": "1", "bigint": "1",
          "boolean": "false", "timestamp with time zone": "now()", "json": "'{}'", "jsonb": "'{}'", "bytea": "%s",
          "text[]": "'{}'", "xid8": "'1'"}  # fmt: skip


async def tables(engine: Engine) -> list[str]:
    return [name for (name,) in await engine.sql(TABLES)]


@pytest_asyncio.fixture(scope="module")
async def planted(store: Engine) -> Engine:
    """A row of each of two tenants in every table that belongs to tenants."""
    for tenant in (A, B):
        stream = new_stream(tenant, "ticket")
        comment = CommentAdded(comment_id=uuid4(), content="x", is_internal=False, by=uuid4(), at=NOON)
        await store.store.append(uuid4(), [StreamAppend(stream, 0, [created(1), comment])], NOBODY)
        for table in await tables(store):
            if table not in LOGS | TENANTLESS | {"events.event", "events.ticket_number", "events.comment_place"}:
                await _plant(store, table, tenant)
    return store


async def _plant(store: Engine, table: str, tenant: UUID) -> None:
    names, values = [], []
    for name, type_, required in await store.sql(COLUMNS, table):
        if required:
            names.append(name)
            if name == "tenant_id":
                values.append(f"'{tenant}'")
            elif name in ("slug", "address"):
                values.append(f"'of-{tenant}'")
            elif type_ == "bytea":
                values.append(f"'\\x{tenant.hex}'")
            else:
                values.append(SAMPLE[type_])
    await store.sql(f"insert into {table} ({', '.join(names)}) values ({', '.join(values)})")


async def visible(connection: Connection, table: str) -> list[tuple[object, ...]] | None:
    """The tenants of the rows that this login sees; None when it may not look at all."""
    column = "null" if table in LOGS | TENANTLESS else "tenant_id"
    try:
        cursor = await connection.execute(f"select {column} from {table}")
    except psycopg.errors.InsufficientPrivilege:
        return None
    return await cursor.fetchall()


async def test_every_table_has_rows_of_two_tenants(planted: Engine) -> None:
    for table in await tables(planted):
        if table not in LOGS | TENANTLESS:
            found = {row[0] for row in await planted.sql(f"select distinct tenant_id from {table}")}
            assert {A, B} <= found, table


@pytest.mark.parametrize("login", WITHIN_A_TENANT)
async def test_without_a_tenant_nobody_sees_anything(planted: Engine, login: str) -> None:
    looked = 0
    async with await connect(planted.dsn(login), name="test") as connection:
        for table in await tables(planted):
            seen = await visible(connection, table)
            looked += seen is not None
            assert not seen, table
    assert looked >= 5


@pytest.mark.parametrize("login", WITHIN_A_TENANT)
async def test_within_a_tenant_nobody_sees_anothers(planted: Engine, login: str) -> None:
    async with await connect(planted.dsn(login), name="test") as connection:
        await connection.execute("select set_config('app.tenant', %s, false)", (str(A),))
        for table in await tables(planted):
            seen = await visible(connection, table)
            assert seen is None or {tenant for (tenant,) in seen} == {A}, table


async def test_nobody_writes_for_another_tenant(planted: Engine) -> None:
    async with await connect(planted.dsn("command_api"), name="test") as connection:
        await connection.execute("select set_config('app.tenant', %s, false)", (str(A),))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute("insert into events.ticket_number values (%s, 99, %s)", (B, uuid4()))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute("update events.person set tenant_id = %s", (B,))
        untouched = await connection.execute("delete from events.person where tenant_id = %s", (B,))
        assert untouched.rowcount == 0


@pytest.mark.parametrize("setting", ["", "nobody", "' or true --"])
async def test_a_tenant_that_is_none_shows_nothing(planted: Engine, setting: str) -> None:
    async with await connect(planted.dsn("query_api"), name="test") as connection:
        await connection.execute("select set_config('app.tenant', %s, false)", (setting,))
        try:
            assert await visible(connection, "views.tickets") == []
        except psycopg.errors.InvalidTextRepresentation:
            assert setting


async def test_the_operators_login_counts_across_tenants_and_reads_nothing_but_tenants(planted: Engine) -> None:
    async with await connect(planted.dsn("query_operator"), name="test") as connection:
        sees = {table for table in await tables(planted) if await visible(connection, table) is not None}
        assert sees == {"views.tenants", "views.people", "views.tickets"}
        for table in sees:
            cursor = await connection.execute(f"select count(*) from {table} where tenant_id = any(%s)", ([A, B],))
            assert (await cursor.fetchone() or (0,))[0] >= 2, table
        for question in (
            "select id from views.tickets",
            "select title from views.tickets",
            "select * from views.people",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute(question)


async def test_every_other_login_sees_what_it_works_on_and_no_more(planted: Engine) -> None:
    sees = {}
    for login in ("command_relay", "views_progress", "projector"):
        async with await connect(planted.dsn(login), name="test") as connection:
            sees[login] = {table for table in await tables(planted) if await visible(connection, table) is not None}
    assert sees["views_progress"] == set()
    assert sees["command_relay"] == {"events.relay_checkpoint", "events.store"}
    assert {table for table in sees["projector"] if not table.startswith("views.")} == set()


# --- what the catalogue says ------------------------------------------------------------------------------------------


async def test_every_table_has_forced_row_level_security(store: Engine) -> None:
    lax = await store.sql(
        f"""select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where c.relkind in ('r', 'p', 'm', 'f') and n.nspname in {OURS}
              and not (c.relrowsecurity and c.relforcerowsecurity)"""
    )
    assert {name for (name,) in lax} == LOGS
    for log in LOGS:
        assert await store.value("select relacl is null from pg_class where oid = %s::regclass", log)


async def test_tables_of_tenants_have_the_tenant_first_in_their_keys_or_in_an_index(store: Engine) -> None:
    """Secrets and slugs are looked up before a tenant is known, so their keys are those."""
    found = await store.sql(
        f"""select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where c.relkind = 'r' and n.nspname in {OURS} and not exists (
                select from pg_index i join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
                where i.indrelid = c.oid and a.attname = 'tenant_id')"""
    )
    assert {name for (name,) in found} == LOGS | TENANTLESS


async def test_no_login_is_an_owner_or_passes_by_the_policies(store: Engine) -> None:
    for login in LOGINS:
        powers = await store.sql(
            """select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication
               from pg_roles where rolname = %s""",
            login,
        )
        assert powers == [(False,) * 5], login
        owned = "select count(*) from pg_class where relowner = %s::regrole"
        assert await store.value(owned, login) == 0, login
        assert await store.value("select count(*) from pg_proc where proowner = %s::regrole", login) == 0, login
        assert await store.value("select count(*) from pg_namespace where nspowner = %s::regrole", login) == 0, login
    (groups,) = await store.sql(
        "select array_agg(rolname::text) from pg_roles where (rolbypassrls or rolsuper) and rolname !~ '^pg_'"
    )
    assert groups[0] == ["postgres"]


async def test_no_login_may_make_or_change_objects(store: Engine) -> None:
    for login in LOGINS:
        for schema in ("events", "views"):
            assert not await store.value("select has_schema_privilege(%s, %s, 'create')", login, schema), login
        for table in ("events.event", "views.tickets", "views.stream_guard"):
            for right in ("truncate", "trigger", "references"):
                assert not await store.value("select has_table_privilege(%s, %s, %s)", login, table, right), login


LOOK_UPS = {"logins_by_address", "refresh_token_by_hash", "tenant_by_slug_or_id", "api_key_by_hash"}
OWNERS = {
    "events_lookup": LOOK_UPS,
    "events_feed": {"read_stream", "read_stream_as_of", "feed", "feed_held_back", "deep_horizon"},
    "events_forgetter": {"forget_answers"},
    "events_redactor": {"redact", "purge", "forget_events"},
    "views_applied": {"applied"},
}
"""Each definer function belongs to a role that may do what it does and nothing else."""


async def test_only_these_functions_answer_without_a_tenant(store: Engine) -> None:
    found = await store.sql(
        f"""select n.nspname || '.' || p.proname, r.rolname, p.proconfig, r.rolsuper, r.rolcanlogin
            from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_roles r on r.oid = p.proowner
            where p.prosecdef and n.nspname in {OURS}"""
    )
    owners: dict[str, set[str]] = {}
    for name, owner, *_ in found:
        owners.setdefault(owner, set()).add(name.split(".")[1])
    assert owners == OWNERS
    for name, owner, config, is_super, logs_in in found:
        assert config == ['search_path=""'], name
        assert not is_super, name
        assert not logs_in, (name, owner)


async def test_functions_are_granted_to_those_who_need_them(store: Engine) -> None:
    granted = await store.sql(
        f"""select login, n.nspname || '.' || p.proname
            from pg_proc p join pg_namespace n on n.oid = p.pronamespace,
                 unnest(array['command_api', 'command_relay', 'views_progress', 'projector', 'projector_events',
                              'query_api', 'public']) as login
            where n.nspname in {OURS} and p.prorettype <> 'trigger'::regtype
              and has_function_privilege(login, p.oid, 'execute')"""
    )
    rights: dict[str, set[str]] = {}
    for login, function in granted:
        rights.setdefault(login, set()).add(function)
    assert rights.get("public", set()) == set()
    assert rights["command_api"] == {f"events.{name}" for name in LOOK_UPS} | {
        "events.append", "events.append_all", "events.read_stream", "events.read_stream_as_of", "events.forget_answers",
        "events.take_ticket_numbers", "events.mend_ticket_numbers"}  # fmt: skip
    assert rights["command_relay"] == {
        "events.feed", "events.feed_held_back", "events.relay_lead", "events.relay_reset",
        "events.timeline"}  # fmt: skip
    assert rights["projector_events"] == {
        "events.read_stream", "events.read_stream_as_of", "events.feed", "events.feed_held_back"}  # fmt: skip
    assert rights["views_progress"] == {"views.applied"}


async def test_a_look_up_tells_of_its_one_question(planted: Engine) -> None:
    async with await connect(planted.dsn("command_api"), name="test") as connection:
        cursor = await connection.execute("select tenant_id from events.tenant_by_slug_or_id(%s, null)", (f"of-{A}",))
        assert await cursor.fetchall() == [(A,)]
        cursor = await connection.execute("select tenant_id from events.logins_by_address(%s)", (f"OF-{B}",))
        assert await cursor.fetchall() == [(B,)]
        cursor = await connection.execute("select * from events.tenant_by_slug_or_id(null, null)")
        assert await cursor.fetchall() == []


async def test_reading_another_tenants_stream_is_reading_nothing(planted: Engine) -> None:
    ((id_,),) = await planted.sql("select stream_id from events.event where tenant_id = %s and version = 1 limit 1", B)
    async with await connect(planted.dsn("command_api"), name="test") as connection:
        cursor = await connection.execute(sql.SQL("select * from events.read_stream({}, 'ticket', {})").format(A, id_))
        assert await cursor.fetchall() == []

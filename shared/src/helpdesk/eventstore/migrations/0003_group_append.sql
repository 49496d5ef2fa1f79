-- One append for all: the commands of one or of many callers and tenants in one round trip, each with its own outcome;
-- and the answers of commands that came with an idempotency key, kept in the transaction of their events.

create table :schema.idempotency (
    tenant_id   uuid        not null,
    principal   text        not null,
    method      text        not null,
    path        text        not null,
    key         text        not null,
    command_id  uuid        not null,
    fingerprint bytea       not null,
    status      smallint    not null,
    body        bytea,
    etag        text,
    token       text,
    location    text,
    expires_at  timestamptz not null,
    constraint idempotency_pkey primary key (tenant_id, principal, method, path, key)
);
create index idempotency_expires_idx on :schema.idempotency (expires_at);

alter table :schema.idempotency enable row level security;
alter table :schema.idempotency force row level security;
create policy tenant on :schema.idempotency
    using (tenant_id = (select nullif(current_setting('app.tenant', true), '')::uuid));
grant select, insert, update, delete on :schema.idempotency to :schema_appender;

-- A batch holds rows of several tenants; each statement is one for all of them, because its preparation costs more than
-- its rows. `app.tenants` is set by the append alone, for its transaction, to the tenants of the batch.
create policy batch on :schema.event to :schema_appender
    using (tenant_id = any ((select nullif(current_setting('app.tenants', true), '')::uuid[])::uuid[]));
create policy batch on :schema.idempotency to :schema_appender
    using (tenant_id = any ((select nullif(current_setting('app.tenants', true), '')::uuid[])::uuid[]));

-- Appends commands, each to one or many streams of its tenant. Returns {"<command>": "<why not>"} of those that were
-- left out, null when all were appended:
--   duplicate      the command is appended already
--   wrong_version  a stream is not at the expected version
--   in_flight      another transaction is carrying out a command of the same idempotency key
--   answered       that key was answered before, to the same request
--   reused         that key was answered before, to another request
-- Whatever violates a constraint only at the insert (two appenders at once) undoes the whole batch.
--
-- p_tenants: those of the batch; a single one is the tenant of the transaction from now on.
-- p_commands: [{"tenant", "id", "streams": [{"type", "id", "expected"}], "answer": {…} or absent}]
-- p_events: [{"tenant", "command", "ordinal", "stream_type", "stream_id", "version", "shard", "event_id", "remaining",
--             "type", "schema_version", "data", "metadata"}]
-- p_keyed: whether a command has an answer. It is kept under its key: {"principal", "method", "path", "key",
-- "fingerprint", "status", "body", "etag", "token", "location", "seconds"}, the two binary ones in hex. Within a batch
-- no two commands share a stream, an id or a key.
-- p_lock_timeout: how long to wait for another appender's row; null for as long as a statement may take.
create function :schema.append(
    p_tenants uuid[], p_commands json, p_events json, p_keyed boolean, p_lock_timeout text default null)
returns json language plpgsql as $$
declare
    setting   text;
    c         record;
    kept      record;
    too_late  record;
    refused   uuid[] := '{}';
    reasons   text[] := '{}';
begin
    -- A transaction that owns an id already could commit a later version under a lower id: the feed would invert.
    if pg_current_xact_id_if_assigned() is not null then
        raise exception 'append must be the first write of its transaction' using errcode = 'HD001';
    end if;
    if p_lock_timeout is not null then
        setting := set_config('lock_timeout', p_lock_timeout, true);
    end if;
    setting := set_config('app.tenants', p_tenants::text, true);
    if cardinality(p_tenants) = 1 then
        setting := set_config('app.tenant', p_tenants[1]::text, true);
    end if;

    -- All checks of all tenants come before the first insert, for it takes the transaction's id: a predecessor that is
    -- seen only afterwards may have a higher one, and the feed would invert the stream.
    if p_keyed then
        for c in
            select k.tenant, k.id, a.* from json_to_recordset(p_commands) as k(tenant uuid, id uuid, answer json),
                json_to_record(k.answer) as a(principal text, method text, path text, key text, fingerprint text)
            where k.answer is not null
        loop
            if not pg_try_advisory_xact_lock(hashtextextended(
                concat_ws(E'\n', ':schema', c.tenant, c.principal, c.method, c.path, c.key), 0)) then
                refused := refused || c.id;
                reasons := reasons || 'in_flight'::text;
                continue;
            end if;
            -- A statement of its own: it must see what was committed before the lock was free.
            select i.fingerprint, i.command_id into kept from :schema.idempotency i
            where i.tenant_id = c.tenant and i.principal = c.principal and i.method = c.method
              and i.path = c.path and i.key = c.key and i.expires_at > clock_timestamp();
            if found then
                refused := refused || c.id;
                reasons := reasons || case when kept.command_id = c.id then 'duplicate'
                                           when kept.fingerprint = decode(c.fingerprint, 'hex') then 'answered'
                                           else 'reused' end;
            end if;
        end loop;
    end if;
    -- Scalar sub-selects: of an EXISTS the planner would make a hash over all events of the tenant.
    select array_agg(x.id) as ids, array_agg(x.reason) as reasons into too_late from (
        select k.id, case
            when (select e.version from :schema.event e
                  where e.tenant_id = k.tenant and e.command_id = k.id limit 1) is not null
            then 'duplicate'
            -- Both ways: a predecessor that is missing would leave a hole, a successor would undo the batch.
            when exists (
                select from json_to_recordset(k.streams) as s(type text, id uuid, expected integer)
                where s.expected <> coalesce((
                    select e.version from :schema.event e
                    where e.tenant_id = k.tenant and e.stream_type = s.type and e.stream_id = s.id
                    order by e.version desc limit 1), 0))
            then 'wrong_version' end as reason
        from json_to_recordset(p_commands) as k(tenant uuid, id uuid, streams json)
        where k.id <> all (refused)
    ) x where x.reason is not null;
    if too_late.ids is not null then
        refused := refused || too_late.ids;
        reasons := reasons || too_late.reasons;
    end if;

    insert into :schema.event (tenant_id, stream_type, stream_id, version, shard, event_id, command_id, ordinal,
                               remaining, type, schema_version, data, metadata)
    select e.tenant, e.stream_type, e.stream_id, e.version, e.shard, e.event_id,
           case when e.ordinal = 1 then e.command end, e.ordinal, e.remaining, e.type, e.schema_version,
           e.data, e.metadata
    from json_to_recordset(p_events) as e(
        tenant uuid, command uuid, ordinal integer, stream_type text, stream_id uuid, version integer, shard smallint,
        event_id uuid, remaining integer, type text, schema_version smallint, data json, metadata json)
    where e.command <> all (refused);
    if p_keyed then
        insert into :schema.idempotency as i (tenant_id, principal, method, path, key, command_id, fingerprint,
                                              status, body, etag, token, location, expires_at)
        select k.tenant, a.principal, a.method, a.path, a.key, k.id, decode(a.fingerprint, 'hex'), a.status,
               decode(a.body, 'hex'), a.etag, a.token, a.location,
               clock_timestamp() + make_interval(secs => a.seconds)
        from json_to_recordset(p_commands) as k(tenant uuid, id uuid, answer json),
            json_to_record(k.answer) as a(
                principal text, method text, path text, key text, fingerprint text, status smallint, body text,
                etag text, token text, location text, seconds double precision)
        where k.answer is not null and k.id <> all (refused)
        on conflict on constraint idempotency_pkey do update set
            command_id = excluded.command_id, fingerprint = excluded.fingerprint, status = excluded.status,
            body = excluded.body, etag = excluded.etag, token = excluded.token, location = excluded.location,
            expires_at = excluded.expires_at
        where i.expires_at <= clock_timestamp();
    end if;
    return case when cardinality(refused) > 0 then json_object(refused::text[], reasons) end;
end $$;
drop function :schema.append(uuid, uuid, json, json);

-- Forgets answers that nobody may ask for any more, of all tenants, some at a time. Returns how many.
create function :schema.forget_answers(p_limit integer) returns integer
language plpgsql security definer set search_path = '' as $$
declare gone integer;
begin
    delete from :schema.idempotency i where i.ctid = any (array(
        select d.ctid from :schema.idempotency d where d.expires_at <= pg_catalog.clock_timestamp()
        order by d.expires_at limit p_limit for update skip locked));
    get diagnostics gone = row_count;
    return gone;
end $$;

select pg_temp.ensure_role(':schema_forgetter');
grant usage on schema :schema to :schema_forgetter;
grant select, update, delete on :schema.idempotency to :schema_forgetter;
create policy forget on :schema.idempotency to :schema_forgetter using (expires_at <= clock_timestamp());
grant create on schema :schema to :schema_forgetter;
alter function :schema.forget_answers owner to :schema_forgetter;
revoke create on schema :schema from :schema_forgetter;

revoke all on function :schema.append, :schema.forget_answers from public;
grant execute on function :schema.append, :schema.forget_answers to :schema_appender;

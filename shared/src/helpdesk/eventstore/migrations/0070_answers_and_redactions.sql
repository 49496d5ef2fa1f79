-- An answer that is kept under a key and a redaction of the same tenant. An answer is made before it is appended, from what
-- was read before the redaction, it may be: kept after the redaction has emptied the others, it would bring the text back.
--   * An append that keeps an answer shares a lock that a redaction holds alone. Which comes first is emptied by the
--     redaction; which comes second knows of it.
--   * Each redaction of a tenant counts. A request learns the number when its key is looked up, before it reads anything
--     else; where the number is another at the append, or a redaction is under way, the answer is kept without its body.

create table :schema.redacted (
    tenant_id uuid   not null,
    times     bigint not null,
    constraint redacted_pkey primary key (tenant_id)
);
alter table :schema.redacted enable row level security;
alter table :schema.redacted force row level security;
create policy tenant on :schema.redacted
    using (tenant_id = (select nullif(current_setting('app.tenant', true), '')::uuid));
create policy batch on :schema.redacted to :schema_appender
    using (tenant_id = any ((select nullif(current_setting('app.tenants', true), '')::uuid[])::uuid[]));
grant select on :schema.redacted to :schema_appender;
grant select, insert, update, delete on :schema.redacted to :schema_redactor;

-- As in 0003; the answer of p_commands has "redactions", too: how many there had been when the key was looked up.
create or replace function :schema.append(
    p_tenants uuid[], p_commands json, p_events json, p_keyed boolean, p_lock_timeout text default null)
returns json language plpgsql as $$
declare
    setting   text;
    c         record;
    kept      record;
    too_late  record;
    refused   uuid[] := '{}';
    reasons   text[] := '{}';
    redacted  uuid[] := '{}';
    times     bigint;
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
                json_to_record(k.answer) as a(
                    principal text, method text, path text, key text, fingerprint text, redactions bigint)
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
            -- Nobody waits for a redaction that is under way: what is kept beside it is emptied as if it stood already.
            if not pg_try_advisory_xact_lock_shared(hashtextextended(':schema.answers/' || c.tenant, 0)) then
                redacted := redacted || c.id;
                continue;
            end if;
            -- Again a statement of its own, for the same reason.
            select r.times into times from :schema.redacted r where r.tenant_id = c.tenant;
            if times is distinct from c.redactions then
                redacted := redacted || c.id;
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
               case when k.id <> all (redacted) then decode(a.body, 'hex') end, a.etag, a.token, a.location,
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

-- As in 0005; and it counts.
create or replace function :schema.redact(p_tenant uuid, p_type text, p_stream uuid, p_event_id uuid, p_fields text[])
returns void language plpgsql security definer set search_path = '' as $$
declare
    place   integer;
    stored  json;
    digests json;
    wrong   text;
begin
    perform set_config('app.tenant', p_tenant::text, true);
    -- Its caller holds it already, from before the transaction's first write; but the promise is this function's.
    perform pg_advisory_xact_lock(hashtextextended(':schema.answers/' || p_tenant, 0));
    select e.version, e.data, e.metadata -> 'digests' into place, stored, digests from :schema.event e
    where e.tenant_id = p_tenant and e.stream_type = p_type and e.stream_id = p_stream and e.event_id = p_event_id;
    if place is null then
        raise exception 'there is no such event in the stream' using errcode = 'HD030';
    end if;
    if not exists (
        select from :schema.event r
        where r.tenant_id = p_tenant and r.stream_type = p_type and r.stream_id = p_stream and r.version > place
          and r.xid = pg_current_xact_id() and r.type = p_type || '.redacted'
          and (r.data ->> 'event_id')::uuid = p_event_id
          and array(select json_array_elements_text(r.data -> 'fields') order by 1)
              = array(select unnest(p_fields) order by 1)
    ) then
        raise exception 'a redaction is recorded first, in the same transaction' using errcode = 'HD031';
    end if;
    -- The marks are the code's. What was appended has a digest of every personal field that holds something; events
    -- from before there were digests have none, so there only the kind of the value speaks against it.
    select f.name into wrong
    from unnest(p_fields) as f(name) left join json_each(stored) as s on s.key = f.name
    where s.key is null or json_typeof(s.value) in ('number', 'boolean')
       or (digests is not null and digests -> f.name is null)
    limit 1;
    if wrong is not null then
        raise exception '% is no personal field of this event', wrong using errcode = 'HD030';
    end if;
    update :schema.event e set
        data = (
            select json_object_agg(s.key, case when s.key = any (p_fields) then
                       case json_typeof(s.value) when 'string' then '""' when 'object' then '{}'
                                                 when 'array' then '[]' else 'null' end::json
                       else s.value end order by s.place)
            from json_each(e.data) with ordinality as s(key, value, place)),
        metadata = (e.metadata::jsonb - 'salt')::json
    where e.tenant_id = p_tenant and e.stream_type = p_type and e.stream_id = p_stream and e.version = place;
    update :schema.idempotency i set body = null where i.tenant_id = p_tenant and i.body is not null;
    insert into :schema.redacted as r (tenant_id, times) values (p_tenant, 1)
    on conflict on constraint redacted_pkey do update set times = r.times + 1;
end $$;

-- The two exceptions of immutability: `redact` empties personal fields of one event, `purge` destroys a closed tenant.
-- Both act only on what an event of the same schema has recorded. They belong to `:schema_redactor`, as whom nobody logs
-- in and whom nobody may become; `:schema_operator` may call them, and no service is a member of it.

select pg_temp.ensure_role(':schema_redactor'), pg_temp.ensure_role(':schema_operator');

create or replace function :schema.refuse_change() returns trigger language plpgsql as $$
begin
    -- The current user is the redactor only inside its own functions below.
    if current_user = ':schema_redactor' then
        if tg_op = 'DELETE' then
            return old;
        elsif tg_op = 'UPDATE' and to_jsonb(new) - '{data,metadata}'::text[] = to_jsonb(old) - '{data,metadata}'::text[] then
            return new;
        end if;
    end if;
    raise exception 'history is not changed: % on %', tg_op, tg_table_name using errcode = 'HD004';
end $$;

-- Empties fields of one event: text becomes "", an object {}, an array []. The salt of its digests goes, the digests stay.
-- The redaction must be recorded by an event of the same stream, appended earlier in the same transaction, that names
-- event and fields. Kept answers of idempotency keys may quote the text: the tenant's lose their bodies.
-- SQLSTATE HD030: no such event, or a field that is not personal · HD031: it is not recorded.
create function :schema.redact(p_tenant uuid, p_type text, p_stream uuid, p_event_id uuid, p_fields text[])
returns void language plpgsql security definer set search_path = '' as $$
declare
    place   integer;
    stored  json;
    digests json;
    wrong   text;
begin
    perform set_config('app.tenant', p_tenant::text, true);
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
end $$;

-- Destroys a part of a purged tenant, at most `p_limit` rows; 0 is returned when nothing is left. In slices, because a
-- transaction that writes here holds back the feed for everyone. The purge must be recorded by `tenant.purged` in the
-- tenant's stream of the platform, and the tenant closed for as long as `p_grace`.
-- SQLSTATE HD031: it is not recorded · HD032: the tenant is not closed, or not for long enough.
create function :schema.purge(p_tenant uuid, p_grace interval default '30 days', p_limit integer default 5000)
returns integer language plpgsql security definer set search_path = '' as $$
declare
    platform constant uuid := '00000000-0000-0000-0000-000000000000';
    earlier  boolean;
    closed   timestamptz;
    standing boolean;
    one      regclass;
    slice    integer;
    left_    integer := p_limit;
begin
    perform set_config('app.tenant', platform::text, true);
    select bool_or(e.xid <> pg_current_xact_id()) into earlier from :schema.event e
    where e.tenant_id = platform and e.stream_type = 'platform' and e.stream_id = p_tenant and e.type = 'tenant.purged';
    if earlier is null then
        raise exception 'a purge is recorded first' using errcode = 'HD031';
    end if;
    perform set_config('app.tenant', p_tenant::text, true);
    -- The tenant's own stream goes last. Where a purge has taken it already, this one takes what came afterwards.
    select max(e.recorded_at) filter (where e.type = 'tenant.closed'), not earlier or count(*) > 0 into closed, standing
    from :schema.event e
    where e.tenant_id = p_tenant and e.stream_type = 'tenant' and e.stream_id = p_tenant;
    if closed is null and standing then
        raise exception 'the tenant is not closed' using errcode = 'HD032';
    end if;
    if closed > clock_timestamp() - p_grace then
        raise exception 'the tenant was closed at % and may be purged from % on', closed, closed + p_grace
            using errcode = 'HD032';
    end if;
    -- Every table of this schema that has a tenant, later ones first (a foreign key points to an earlier one). A
    -- consumer's version guards are kept: they hold ids alone and keep late duplicates from coming alive again.
    for one in
        select c.oid from pg_class c join pg_attribute a on a.attrelid = c.oid
        where c.relnamespace = ':schema'::regnamespace and c.relkind = 'r' and a.attname = 'tenant_id'
          and not a.attisdropped and c.relname not in ('event', 'stream_guard', 'purged_tenant')
        order by c.oid desc
    loop
        execute format('delete from %s where ctid = any (array(select ctid from %s where tenant_id = $1 limit $2))',
                       one, one) using p_tenant, left_;
        get diagnostics slice = row_count;
        left_ := left_ - slice;
    end loop;
    delete from :schema.event e where e.ctid = any (array(
        select d.ctid from :schema.event d where d.tenant_id = p_tenant and d.stream_type <> 'tenant' limit left_));
    get diagnostics slice = row_count;
    left_ := left_ - slice;
    if left_ > 0 then
        delete from :schema.event e where e.tenant_id = p_tenant and e.stream_type = 'tenant';
        get diagnostics slice = row_count;
        left_ := left_ - slice;
    end if;
    return p_limit - left_;
end $$;

-- For a service whose own events tell of a tenant that another owner has purged: it reacts to `tenant.purged`.
create function :schema.forget_events(p_tenant uuid) returns void
language plpgsql security definer set search_path = '' as $$
begin
    perform set_config('app.tenant', p_tenant::text, true);
    delete from :schema.idempotency i where i.tenant_id = p_tenant;
    delete from :schema.event e where e.tenant_id = p_tenant;
end $$;

grant usage on schema :schema to :schema_redactor, :schema_operator;
grant select, update (data, metadata), delete on :schema.event to :schema_redactor;
do $$
declare one regclass;
begin
    for one in
        select c.oid from pg_class c join pg_attribute a on a.attrelid = c.oid
        where c.relnamespace = ':schema'::regnamespace and c.relkind = 'r' and a.attname = 'tenant_id'
          and not a.attisdropped and c.relname <> 'event'
    loop
        execute format('grant select, update, delete on %s to :schema_redactor', one);
    end loop;
end $$;
-- What the owner adds to its schema later can be purged too, without anybody having to think of it.
alter default privileges in schema :schema grant select, update, delete on tables to :schema_redactor;

grant create on schema :schema to :schema_redactor;
alter function :schema.redact owner to :schema_redactor;
alter function :schema.purge owner to :schema_redactor;
alter function :schema.forget_events owner to :schema_redactor;
revoke create on schema :schema from :schema_redactor;
revoke all on function :schema.redact, :schema.purge, :schema.forget_events from public;

grant :schema_appender, :schema_reader to :schema_operator;
grant execute on function :schema.redact, :schema.purge to :schema_operator;

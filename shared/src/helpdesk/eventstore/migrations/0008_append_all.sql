-- The append for the common case: every command of the batch finds its streams where it expects them, none was appended
-- before, none has an idempotency key. One statement instead of a check and an insert (a quarter less of the server's
-- CPU). Whatever is otherwise undoes the whole batch, and the caller asks `append`, which has an outcome for each.
--   HD008  a stream is not at the expected version
--   23505  somebody else was faster, or a command is appended already
--
-- p_events: as in `append`, with "after", the expected version, in a command's first event on a stream.
-- p_count: how many they are.
create function :schema.append_all(
    p_tenants uuid[], p_events json, p_count integer, p_lock_timeout text default null)
returns void language plpgsql as $$
declare
    setting  text;
    inserted integer;
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
    -- The predecessors are looked for in the statement's snapshot, which is older than the id that its first row takes:
    -- whatever is found has a lower one. A second statement with a snapshot of its own would not do.
    insert into :schema.event (tenant_id, stream_type, stream_id, version, shard, event_id, command_id, ordinal,
                               remaining, type, schema_version, data, metadata)
    select e.tenant, e.stream_type, e.stream_id, e.version, e.shard, e.event_id,
           case when e.ordinal = 1 then e.command end, e.ordinal, e.remaining, e.type, e.schema_version,
           e.data, e.metadata
    from json_to_recordset(p_events) as e(
        tenant uuid, command uuid, ordinal integer, stream_type text, stream_id uuid, after integer, version integer,
        shard smallint, event_id uuid, remaining integer, type text, schema_version smallint, data json, metadata json)
    where e.after is null or e.after = coalesce((
        select p.version from :schema.event p
        where p.tenant_id = e.tenant and p.stream_type = e.stream_type and p.stream_id = e.stream_id
        order by p.version desc limit 1), 0);
    get diagnostics inserted = row_count;
    if inserted <> p_count then
        raise exception 'a stream is not at the expected version' using errcode = 'HD008';
    end if;
end $$;
revoke all on function :schema.append_all from public;
grant execute on function :schema.append_all to :schema_appender;

-- Each event brings its own metadata to the append: beside who and why, what is to be known of this event alone.
-- p_streams: [{"type", "id", "expected", "shard",
--              "events": [{"id", "type", "schema_version", "data", "metadata"}]}]
-- p_metadata is for callers of before: it stands beside events that bring none.
create or replace function :schema.append(p_tenant uuid, p_command_id uuid, p_streams json, p_metadata json default null)
returns void language plpgsql as $$
begin
    -- A transaction that owns an id already could commit a later version under a lower id: the feed would invert.
    if pg_current_xact_id_if_assigned() is not null then
        raise exception 'append must be the first write of its transaction' using errcode = 'HD001';
    end if;
    perform set_config('app.tenant', p_tenant::text, true);
    if exists (select from :schema.event e where e.tenant_id = p_tenant and e.command_id = p_command_id) then
        raise exception 'command is appended already' using errcode = 'HD002';
    end if;
    -- Without the predecessor an expectation that is too high would leave a hole.
    if exists (
        select from json_to_recordset(p_streams) as s(type text, id uuid, expected integer)
        where s.expected > 0 and not exists (
            select from :schema.event e
            where e.tenant_id = p_tenant and e.stream_type = s.type and e.stream_id = s.id and e.version = s.expected)
    ) then
        raise exception 'stream is behind the expected version' using errcode = 'HD003';
    end if;
    insert into :schema.event (tenant_id, stream_type, stream_id, version, shard, event_id, command_id, ordinal,
                               remaining, type, schema_version, data, metadata)
    select p_tenant, s.type, s.id, s.expected + e.n, s.shard, (e.event ->> 'id')::uuid,
           case when row_number() over w = 1 then p_command_id end, row_number() over w,
           json_array_length(s.events) - e.n,
           e.event ->> 'type', (e.event ->> 'schema_version')::smallint, e.event -> 'data',
           coalesce(e.event -> 'metadata', p_metadata)
    from rows from (json_to_recordset(p_streams)
                    as (type text, id uuid, expected integer, shard smallint, events json)) with ordinality
             as s(type, id, expected, shard, events, n),
         json_array_elements(s.events) with ordinality as e(event, n)
    window w as (order by s.n, e.n)
    order by s.n, e.n;
end $$;

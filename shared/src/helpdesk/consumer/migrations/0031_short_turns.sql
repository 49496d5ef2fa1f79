-- The same turn (0004_turns.sql), for batches of a few events: each statement costs the server more than such a batch's
-- rows, so it asks only what can have an answer.
create or replace function :schema.take_turn(
    p_switch text, p_tenants uuid[], p_types text[], p_ids uuid[], p_from integer[], p_to integer[], p_events uuid[])
returns void language plpgsql as $$
declare
    begun bigint := 0;
    moved bigint := 0;
    tenant uuid;
    locked uuid;
begin
    if p_switch is not null then
        perform pg_advisory_xact_lock_shared(hashtext(p_switch));
    end if;
    if exists (select from :schema.parked) then  -- hardly ever
        perform from :schema.parked p
        join unnest(p_tenants, p_types, p_ids) as w(tenant_id, stream_type, stream_id)
          using (tenant_id, stream_type, stream_id)
        for share of p;
        if found then
            raise exception 'one of these streams is parked' using errcode = 'HD020';
        end if;
    end if;
    -- A stream that is expected to stand somewhere must have a guard: what is missing before its event would be lost.
    if 0 = any (p_from) then
        insert into :schema.stream_guard (tenant_id, stream_type, stream_id, version, event_id)
        select w.tenant_id, w.type, w.id, w.till, w.event_id
        from unnest(p_tenants, p_types, p_ids, p_from, p_to, p_events) as w(tenant_id, type, id, since, till, event_id)
        where w.since = 0
        on conflict do nothing;
        get diagnostics begun = row_count;
    end if;
    if 0 < any (p_from) then
        update :schema.stream_guard g set version = w.till, event_id = w.event_id
        from unnest(p_tenants, p_types, p_ids, p_from, p_to, p_events) as w(tenant_id, type, id, since, till, event_id)
        where w.since > 0 and (g.tenant_id, g.stream_type, g.stream_id, g.version) = (w.tenant_id, w.type, w.id, w.since);
        get diagnostics moved = row_count;
    end if;
    if begun + moved <> cardinality(p_tenants) then
        raise exception 'one of these streams stands elsewhere' using errcode = 'HD020';
    end if;
    -- The streams come in the order of their tenants.
    foreach tenant in array p_tenants loop
        if tenant is distinct from locked then
            perform pg_advisory_xact_lock_shared(hashtext(':schema.purged'), hashtext(tenant::text));
            locked := tenant;
        end if;
    end loop;
    if exists (select from :schema.purged_tenant where tenant_id = any (p_tenants)) then
        raise exception 'one of these tenants was purged' using errcode = 'HD020';
    end if;
end $$;

-- The same move, by the key of each row: a batch is of one partition or a few.
create or replace function :schema.move_progress(
    p_topic text, p_partitions integer[], p_offsets bigint[], p_xids bigint[], p_positions bigint[], p_events uuid[],
    p_from_offsets bigint[], p_from_events uuid[])
returns void language plpgsql as $$
begin
    for n in 1 .. cardinality(p_partitions) loop
        update :schema.progress p
        set next_offset = p_offsets[n], xid = p_xids[n], position = p_positions[n], event_id = p_events[n],
            updated_at = clock_timestamp()
        where p.topic = p_topic and p.partition = p_partitions[n]
          -- or it stands there already: the answer to this very commit was lost
          and (p.next_offset, p.event_id) in ((p_from_offsets[n], p_from_events[n]), (p_offsets[n], p_events[n]));
        if not found then
            raise exception 'progress stands elsewhere' using errcode = 'HD021';
        end if;
    end loop;
end $$;

-- A batch in one round trip: its consumer guesses that every stream stands right before the first of its events, and
-- moves progress only from where it left it. Whatever is otherwise is refused, and then judged with care.

-- Moves these guards, or refuses (SQLSTATE HD020) when a stream stands elsewhere, is parked, or is of a purged tenant.
-- Its statements have a snapshot each, in the order of what they guard: see consumer/store.py for why.
create function :schema.take_turn(
    p_switch text, p_tenants uuid[], p_types text[], p_ids uuid[], p_from integer[], p_to integer[], p_events uuid[])
returns void language plpgsql as $$
declare
    begun bigint;
    moved bigint;
begin
    if p_switch is not null then
        perform pg_advisory_xact_lock_shared(hashtext(p_switch));
    end if;
    perform from :schema.parked p
    join unnest(p_tenants, p_types, p_ids) as w(tenant_id, stream_type, stream_id)
      using (tenant_id, stream_type, stream_id)
    for share of p;
    if found then
        raise exception 'one of these streams is parked' using errcode = 'HD020';
    end if;
    -- A stream that is expected to stand somewhere must have a guard: what is missing before its event would be lost.
    insert into :schema.stream_guard (tenant_id, stream_type, stream_id, version, event_id)
    select w.tenant_id, w.type, w.id, w.till, w.event_id
    from unnest(p_tenants, p_types, p_ids, p_from, p_to, p_events) as w(tenant_id, type, id, since, till, event_id)
    where w.since = 0
    on conflict do nothing;
    get diagnostics begun = row_count;
    update :schema.stream_guard g set version = w.till, event_id = w.event_id
    from unnest(p_tenants, p_types, p_ids, p_from, p_to, p_events) as w(tenant_id, type, id, since, till, event_id)
    where w.since > 0 and (g.tenant_id, g.stream_type, g.stream_id, g.version) = (w.tenant_id, w.type, w.id, w.since);
    get diagnostics moved = row_count;
    if begun + moved <> cardinality(p_tenants) then
        raise exception 'one of these streams stands elsewhere' using errcode = 'HD020';
    end if;
    perform pg_advisory_xact_lock_shared(hashtext(':schema.purged'), hashtext(t::text))
    from (select distinct t from unnest(p_tenants) t order by t) tenant;
    perform from :schema.purged_tenant where tenant_id = any (p_tenants);
    if found then
        raise exception 'one of these tenants was purged' using errcode = 'HD020';
    end if;
end $$;
revoke all on function :schema.take_turn from public;
grant execute on function :schema.take_turn to :schema_background;

-- Moves progress from where this consumer left it, or refuses (SQLSTATE HD021): the database lost commits (a crash, a
-- fail-over), or another consumer moves these partitions. What the caller believes is then read anew.
create function :schema.move_progress(
    p_topic text, p_partitions integer[], p_offsets bigint[], p_xids bigint[], p_positions bigint[], p_events uuid[],
    p_from_offsets bigint[], p_from_events uuid[])
returns void language plpgsql as $$
declare
    moved bigint;
begin
    update :schema.progress p
    set next_offset = w.next_offset, xid = w.xid, position = w.position, event_id = w.event_id,
        updated_at = clock_timestamp()
    from unnest(p_partitions, p_offsets, p_xids, p_positions, p_events, p_from_offsets, p_from_events)
         as w(partition, next_offset, xid, position, event_id, from_offset, from_event)
    where p.topic = p_topic and p.partition = w.partition
      -- or it stands there already: the answer to this very commit was lost
      and (p.next_offset, p.event_id) in ((w.from_offset, w.from_event), (w.next_offset, w.event_id));
    get diagnostics moved = row_count;
    if moved <> cardinality(p_partitions) then
        raise exception 'progress stands elsewhere' using errcode = 'HD021';
    end if;
end $$;
revoke all on function :schema.move_progress from public;
grant execute on function :schema.move_progress to :schema_background;

-- Which timeline this server writes. What its last checkpoint says is the former one for minutes after a promotion, until
-- the first checkpoint has ended; a relay that led meanwhile did not notice that events were lost.

create function :schema.timeline() returns integer language sql volatile set search_path = '' as $$
    select case
        when pg_catalog.pg_is_in_recovery() then (select cp.timeline_id from pg_catalog.pg_control_checkpoint() cp)
        else ('x' || pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8))::bit(32)::integer
    end
$$;
revoke all on function :schema.timeline from public;
grant execute on function :schema.timeline to :schema_relay;

-- Takes the lead of one share, for whoever holds its lock: raises the epoch, which fences whoever led before, and tells
-- where to begin: for each of the 1024 shards the furthest checkpoint that covers it, and of these the lowest.
-- SQLSTATE HD006: the checkpoints were written in another cluster or store, or what they tell of stands here no longer.
create or replace function :schema.relay_lead(p_name text, p_divisor integer, p_remainder integer)
returns table (epoch bigint, xid xid8, "position" bigint) language plpgsql volatile set search_path = '' as $$
#variable_conflict use_column
declare
    here  record;
    known record;
    start bigint[];
begin
    select s.epoch, sys.system_identifier, :schema.timeline() as timeline_id, d.oid as database_oid into here
    from :schema.store s, pg_catalog.pg_control_system() sys, pg_catalog.pg_database d
    where d.datname = pg_catalog.current_database();
    for known in select * from :schema.relay_checkpoint c where c.name = p_name loop
        if (known.store_epoch, known.system_identifier, known.database_oid)
            <> (here.epoch, here.system_identifier, here.database_oid)
        then
            raise exception 'the checkpoint of % was written in another PostgreSQL cluster, database or store', p_name
                using errcode = 'HD006';
        end if;
        if known.timeline <> here.timeline_id and known.event_id is not null and not exists (
            select from :schema.feed(known.xid, known.position - 1, 1, p_deep => true) f
            where f.event_id = known.event_id)
        then
            raise exception 'event %, the last that was sent to %, is not in this store any more',
                known.event_id, p_name using errcode = 'HD006';
        end if;
    end loop;
    select pg_catalog.min(furthest.place) into start
    from (
        select coalesce(pg_catalog.max(array[c.xid::text::bigint, c.position]) filter (where c.name = p_name),
                        '{0,0}') as place
        from pg_catalog.generate_series(0, 1023) as shard
        left join :schema.relay_checkpoint c on c.name = p_name and shard % c.divisor = c.remainder
        where shard % p_divisor = p_remainder
        group by shard
    ) furthest;
    return query
        insert into :schema.relay_checkpoint as own
            (name, divisor, remainder, epoch, xid, position, event_id, store_epoch, system_identifier, timeline,
             database_oid)
        select p_name, p_divisor, p_remainder, 1, start[1]::text::xid8, start[2],
               (select c.event_id from :schema.relay_checkpoint c
                where c.name = p_name and c.xid = start[1]::text::xid8 and c.position = start[2] limit 1),
               here.epoch, here.system_identifier, here.timeline_id, here.database_oid
        on conflict (name, divisor, remainder) do update set
            epoch = own.epoch + 1, xid = excluded.xid, position = excluded.position, event_id = excluded.event_id,
            timeline = excluded.timeline, updated_at = pg_catalog.now()
        returning own.epoch, own.xid, own.position;
end $$;

-- Everything is to be sent again, into this store's topic: for the operator's command, which holds the topic's lock.
create or replace function :schema.relay_reset(p_name text) returns void language plpgsql volatile set search_path = '' as $$
begin
    update :schema.relay_checkpoint c
    set epoch = c.epoch + 1, xid = '0', position = 0, event_id = null, store_epoch = s.epoch,
        system_identifier = sys.system_identifier, timeline = :schema.timeline(), database_oid = d.oid,
        updated_at = pg_catalog.now()
    from :schema.store s, pg_catalog.pg_control_system() sys, pg_catalog.pg_database d
    where c.name = p_name and d.datname = pg_catalog.current_database();
end $$;

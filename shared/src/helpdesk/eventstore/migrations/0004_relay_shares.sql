-- The relay in shares: a leader for each `remainder` of the events' shards modulo `divisor`, each with a checkpoint.
-- A row says: every event of these shards up to here has been sent. Rows of a former divisor stay and go on saying so.

-- `database_oid` tells a dump that was restored beside its original, in the same cluster.

alter table :schema.relay_checkpoint
    add column database_oid oid,
    add column divisor   integer not null default 1 check (divisor between 1 and 1024),
    add column remainder integer not null default 0,
    add check (remainder >= 0 and remainder < divisor),
    drop constraint relay_checkpoint_pkey,
    add primary key (name, divisor, remainder);
alter table :schema.relay_checkpoint no force row level security;
update :schema.relay_checkpoint set database_oid = d.oid from pg_database d where d.datname = current_database();
alter table :schema.relay_checkpoint alter column database_oid set not null, force row level security;

-- Takes the lead of one share, for whoever holds its lock: raises the epoch, which fences whoever led before, and tells
-- where to begin: for each of the 1024 shards the furthest checkpoint that covers it, and of these the lowest.
-- SQLSTATE HD006: the checkpoints were written in another cluster or store, or what they tell of stands here no longer.
create function :schema.relay_lead(p_name text, p_divisor integer, p_remainder integer)
returns table (epoch bigint, xid xid8, "position" bigint) language plpgsql volatile set search_path = '' as $$
#variable_conflict use_column
declare
    here  record;
    known record;
    start bigint[];
begin
    select s.epoch, sys.system_identifier, cp.timeline_id, d.oid as database_oid into here
    from :schema.store s, pg_catalog.pg_control_system() sys, pg_catalog.pg_control_checkpoint() cp,
         pg_catalog.pg_database d
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
revoke all on function :schema.relay_lead from public;
grant execute on function :schema.relay_lead to :schema_relay;

-- Everything is to be sent again, into this store's topic: for the operator's command, which holds the topic's lock.
create function :schema.relay_reset(p_name text) returns void language plpgsql volatile set search_path = '' as $$
begin
    update :schema.relay_checkpoint c
    set epoch = c.epoch + 1, xid = '0', position = 0, event_id = null, store_epoch = s.epoch,
        system_identifier = sys.system_identifier, timeline = cp.timeline_id, database_oid = d.oid,
        updated_at = pg_catalog.now()
    from :schema.store s, pg_catalog.pg_control_system() sys, pg_catalog.pg_control_checkpoint() cp,
         pg_catalog.pg_database d
    where c.name = p_name and d.datname = pg_catalog.current_database();
end $$;
revoke all on function :schema.relay_reset from public;
grant execute on function :schema.relay_reset to :schema_relay;

-- After a restore, by the owner of the tables: a new epoch, by which readers know that their cursors mean nothing here.
-- A dump brings the transaction ids of the cluster that it was made in, and this one counts from elsewhere: its own ids
-- would sort before them, or its horizon would hide them. So unless the checkpoints prove that this is their cluster,
-- all that was restored gets id 2, PostgreSQL's own word for "before every transaction", and keeps its order by
-- position, which along every stream is the order of versions. Returns how many events got it.
create function :schema.new_epoch() returns bigint language plpgsql volatile set search_path = '' as $$
declare
    moved bigint := 0;
begin
    lock table :schema.event in access exclusive mode;
    alter table :schema.event no force row level security;
    alter table :schema.store no force row level security;
    alter table :schema.relay_checkpoint no force row level security;
    update :schema.store set epoch = pg_catalog.gen_random_uuid();
    if not exists (
        select from :schema.relay_checkpoint c, pg_catalog.pg_control_system() sys
        where c.system_identifier = sys.system_identifier)
    then
        if exists (
            select from (
                select e.position < pg_catalog.lag(e.position) over (
                    partition by e.tenant_id, e.stream_type, e.stream_id order by e.version) as back
                from :schema.event e) w
            where back)
        then
            raise exception 'positions do not follow versions: this is no restored event table' using errcode = 'HD007';
        end if;
        alter table :schema.event disable trigger user;
        update :schema.event set xid = '2';
        get diagnostics moved = row_count;
        alter table :schema.event enable trigger user;
    end if;
    alter table :schema.relay_checkpoint force row level security;
    alter table :schema.store force row level security;
    alter table :schema.event force row level security;
    return moved;
end $$;
revoke all on function :schema.new_epoch from public;

-- The feed with both horizons. Tier 1 is PostgreSQL's own oldest running transaction: simple, and held back by any
-- writing transaction of the whole cluster. Tier 2 (p_deep) asks only who may still write events.

drop function :schema.feed(xid8, bigint, integer, integer, integer);

-- pg_locks and pg_stat_activity speak of 32 bits. A running transaction is less than 2^31 away from any present id, so
-- its full id is the one value with these lower bits that is nearest to `p_near`.
create function :schema.full_xid(p_xid xid, p_near xid8) returns xid8 language sql immutable strict set search_path = '' as $$
    select (near + (x - near % 4294967296 + 4294967296 + 2147483648) % 4294967296 - 2147483648)::text::xid8
    from (select p_xid::text::bigint as x, p_near::text::bigint as near) n
$$;

-- The lowest id that an event may still get, or has got and does not show yet. Four steps, each a statement of its own
-- (READ COMMITTED, VOLATILE), so that each looks at a later moment than the one before. Moments A < B < C < D.
--
-- Claim: a transaction T with id t that writes events and that the reader's statement (after D) cannot see has t >= the
-- result. Premises: (P1) T takes RowExclusiveLock on the event table before it gets its id, since an append is the first
-- write of its transaction (HD001) and INSERT locks its table before it runs; (P2) a transaction leaves the array of
-- running transactions before it gives up its locks; (P3) ids are given in order, and entered in that array under the
-- same lock.
--   A  xmax: the first id after the last one that had ended. If t >= xmax, the claim holds. Else t had been given to T
--      before A (P3), so T held its table lock before A (P1).
--   B  the holders of that lock. pg_locks reads the fast-path locks first and then the shared table, to which a lock can
--      move only in that direction, so none is overlooked. If T is not among the holders it ended before B (P2): the
--      reader sees it, or it was rolled back. If T is among them with its own transactionid lock, the result is <= t.
--      Holders are told apart by virtual transaction, which a prepared transaction keeps; its pid is gone.
--   C  else T is in the gap between getting its id (array) and locking it (pg_locks): a holder without an id at B. The
--      array tells: T's id is in pg_stat_activity.backend_xid of its pid as long as T runs. Null there, or nobody there,
--      means that T has ended, if it had an id at A at all; whoever had none at A gets one >= xmax. The view is copied
--      once per transaction, hence pg_stat_clear_snapshot.
--   D  except that T may have been prepared between B and C: then its id is in pg_prepared_xacts before it leaves the
--      array. Those are counted only in this rare case, for one look.
-- Where backend_xid may not be read, or on a standby, whose pg_locks does not know the writers: tier 1.
create function :schema.deep_horizon() returns xid8 language plpgsql volatile security definer set search_path = '' as $$
declare
    last      xid8;
    result    xid8;
    nameless  integer[];
begin
    if pg_catalog.pg_is_in_recovery() then
        return pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot());
    end if;
    last := pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot());                                     -- A
    with locks as materialized (
        select l.locktype, l.database, l.relation, l.transactionid, l.virtualtransaction, l.pid, l.mode
        from pg_catalog.pg_locks l
        where l.granted and l.locktype in ('relation', 'transactionid')
    ), holders as (
        select l.virtualtransaction, l.pid,
               (select pg_catalog.min(:schema.full_xid(t.transactionid, last)) from locks t
                where t.locktype = 'transactionid' and t.mode = 'ExclusiveLock'
                  and t.virtualtransaction = l.virtualtransaction) as xid
        from locks l
        where l.locktype = 'relation' and l.mode = 'RowExclusiveLock'
          and l.relation = ':schema.event'::pg_catalog.regclass
          and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
    )
    select least(last, pg_catalog.min(h.xid)), pg_catalog.array_agg(h.pid) filter (where h.xid is null)       -- B
    into result, nameless
    from holders h;
    if nameless is null then
        return result;
    end if;
    if not pg_catalog.pg_has_role('pg_read_all_stats', 'usage') then
        return pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot());
    end if;
    perform pg_catalog.pg_stat_clear_snapshot();
    result := least(result, (
        select pg_catalog.min(:schema.full_xid(a.backend_xid, last)) from pg_catalog.pg_stat_activity a
        where a.pid = any (nameless)));                                                                        -- C
    return least(result, (
        select pg_catalog.min(:schema.full_xid(p.transaction, last)) from pg_catalog.pg_prepared_xacts p
        where p.database = pg_catalog.current_database()));                                                    -- D
end $$;

-- Every tenant's events in commit order after a cursor, nothing skipped.
-- Only shards with shard % p_divisor = p_remainder: a partition's, or a relay's share.
create function :schema.feed(
    p_after_xid xid8, p_after_position bigint, p_limit integer, p_divisor integer default 1,
    p_remainder integer default 0, p_deep boolean default false)
returns setof :schema.event language plpgsql volatile security definer set search_path = '' as $$
declare
    horizon xid8;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'the feed needs a fresh snapshot: use READ COMMITTED' using errcode = 'HD005';
    end if;
    if p_deep then
        horizon := :schema.deep_horizon();
        return query
            select * from :schema.event e
            where (e.xid, e.position) > (p_after_xid, p_after_position) and e.xid < horizon
              and e.shard % p_divisor = p_remainder
            order by e.xid, e.position
            limit p_limit;
    else
        -- Horizon and rows by one snapshot: below its oldest running transaction everything has ended.
        return query
            select * from :schema.event e
            where (e.xid, e.position) > (p_after_xid, p_after_position)
              and e.xid < pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())
              and e.shard % p_divisor = p_remainder
            order by e.xid, e.position
            limit p_limit;
    end if;
end $$;

-- Whether a committed event stands beyond what tier 1 shows: somebody's transaction, anywhere, holds it back.
create function :schema.feed_held_back(
    p_after_xid xid8, p_after_position bigint, p_divisor integer default 1, p_remainder integer default 0)
returns boolean language plpgsql volatile security definer set search_path = '' as $$
begin
    return exists (
        select from :schema.event e
        where (e.xid, e.position) > (p_after_xid, p_after_position)
          and e.xid >= pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())
          and e.shard % p_divisor = p_remainder);
end $$;

grant create on schema :schema to :schema_feed;
alter function :schema.full_xid owner to :schema_feed;
alter function :schema.deep_horizon owner to :schema_feed;
alter function :schema.feed owner to :schema_feed;
alter function :schema.feed_held_back owner to :schema_feed;
revoke create on schema :schema from :schema_feed;
revoke all on function :schema.full_xid, :schema.deep_horizon, :schema.feed, :schema.feed_held_back from public;
grant execute on function :schema.feed, :schema.feed_held_back to :schema_reader, :schema_relay;

do $$
begin
    grant pg_read_all_stats to :schema_feed;
exception when insufficient_privilege then
    raise warning 'pg_read_all_stats could not be granted to :schema_feed: the feed falls back to tier 1 now and then';
end $$;

-- The event store of one owner. `:schema` is the owner's schema; every owner has the same tables and functions.
-- docs/adr/0002-event-table.md tells why each column stands here.

create table :schema.store (
    one   boolean primary key default true check (one),
    epoch uuid not null default gen_random_uuid()
);
insert into :schema.store default values;

create sequence :schema.event_position cache 1;

create table :schema.event (
    tenant_id      uuid        not null,
    stream_type    text        not null,
    stream_id      uuid        not null,
    version        integer     not null check (version >= 1),
    position       bigint      not null default nextval(':schema.event_position'),
    xid            xid8        not null default pg_current_xact_id(),
    shard          smallint    not null check (shard between 0 and 1023),
    event_id       uuid        not null,
    command_id     uuid,
    ordinal        integer     not null check (ordinal >= 1),
    remaining      integer     not null check (remaining >= 0),
    type           text        not null,
    schema_version smallint    not null check (schema_version >= 1),
    data           json        not null check (octet_length(data::text) <= 262144),
    metadata       json        not null,
    recorded_at    timestamptz not null default clock_timestamp(),
    -- The optimistic lock: two appenders of one version cannot both commit.
    constraint event_pkey primary key (tenant_id, stream_type, stream_id, version)
);
create unique index event_command_id_key on :schema.event (tenant_id, command_id) where command_id is not null;
create index event_feed_idx on :schema.event (xid, position);

create function :schema.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'history is not changed: % on %', tg_op, tg_table_name using errcode = 'HD004';
end $$;
create trigger event_is_immutable before update or delete on :schema.event
    for each row execute function :schema.refuse_change();
create trigger event_is_not_truncated before truncate on :schema.event
    for each statement execute function :schema.refuse_change();

alter table :schema.event enable row level security;
alter table :schema.event force row level security;
create policy tenant on :schema.event
    using (tenant_id = (select nullif(current_setting('app.tenant', true), '')::uuid));

-- Appends one command's events to one or many streams, in one round trip and all or nothing.
-- p_streams: [{"type", "id", "expected", "shard", "events": [{"id", "type", "schema_version", "data"}]}]
-- SQLSTATE HD001: not the first write of its transaction · HD002: the command is appended already ·
-- HD003: the stream is not at the expected version (also the primary key's 23505).
create function :schema.append(p_tenant uuid, p_command_id uuid, p_streams json, p_metadata json)
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
           e.event ->> 'type', (e.event ->> 'schema_version')::smallint, e.event -> 'data', p_metadata
    from rows from (json_to_recordset(p_streams)
                    as (type text, id uuid, expected integer, shard smallint, events json)) with ordinality
             as s(type, id, expected, shard, events, n),
         json_array_elements(s.events) with ordinality as e(event, n)
    window w as (order by s.n, e.n)
    order by s.n, e.n;
end $$;

-- One stream after a version, oldest first.
create function :schema.read_stream(p_tenant uuid, p_type text, p_id uuid, p_after integer default 0)
returns setof :schema.event language plpgsql volatile security definer set search_path = '' as $$
begin
    return query
        select * from :schema.event e
        where e.tenant_id = p_tenant and e.stream_type = p_type and e.stream_id = p_id and e.version > p_after
        order by e.version;
end $$;

-- The feed: every tenant's events in commit order after a cursor, nothing skipped.
-- Below the oldest transaction that still runs, no row can appear any more; above it, nothing is shown.
-- Only shards with shard % p_divisor = p_remainder: a partition's, or a relay's share.
create function :schema.feed(
    p_after_xid xid8, p_after_position bigint, p_limit integer, p_divisor integer default 1, p_remainder integer default 0)
returns setof :schema.event language plpgsql volatile security definer set search_path = '' as $$
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'the feed needs a fresh snapshot: use READ COMMITTED' using errcode = 'HD005';
    end if;
    return query
        select * from :schema.event e
        where (e.xid, e.position) > (p_after_xid, p_after_position)
          and e.xid < pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())
          and e.shard % p_divisor = p_remainder
        order by e.xid, e.position
        limit p_limit;
end $$;

-- How far the relay came. `epoch` fences: whoever leads raises it, and a former leader's update matches no row.
create table :schema.relay_checkpoint (
    name              text        primary key,
    epoch             bigint      not null default 0,
    xid               xid8        not null default '0',
    position          bigint      not null default 0,
    event_id          uuid,
    store_epoch       uuid        not null,
    system_identifier bigint      not null,
    timeline          integer     not null,
    updated_at        timestamptz not null default now()
);

-- Roles. A service's login is a member of those that it needs; `:schema_feed` owns the two reading functions.
select pg_temp.ensure_role(':schema_feed'), pg_temp.ensure_role(':schema_appender'),
       pg_temp.ensure_role(':schema_reader'), pg_temp.ensure_role(':schema_relay');
grant usage on schema :schema to :schema_feed, :schema_appender, :schema_reader, :schema_relay;
grant select on :schema.event to :schema_feed;
create policy feed on :schema.event for select to :schema_feed using (true);
grant create on schema :schema to :schema_feed;
alter function :schema.read_stream owner to :schema_feed;
alter function :schema.feed owner to :schema_feed;
revoke create on schema :schema from :schema_feed;
revoke all on function :schema.read_stream, :schema.feed, :schema.append from public;

grant select, insert on :schema.event to :schema_appender;
grant usage on sequence :schema.event_position to :schema_appender;
grant execute on function :schema.append, :schema.read_stream to :schema_appender;

grant execute on function :schema.read_stream, :schema.feed to :schema_reader;
grant select on :schema.store to :schema_reader;

grant execute on function :schema.feed to :schema_relay;
grant select on :schema.store to :schema_relay;
grant select, insert, update on :schema.relay_checkpoint to :schema_relay;

alter table :schema.store enable row level security;
alter table :schema.store force row level security;
create policy background on :schema.store for select to :schema_reader, :schema_relay using (true);
alter table :schema.relay_checkpoint enable row level security;
alter table :schema.relay_checkpoint force row level security;
create policy relay on :schema.relay_checkpoint to :schema_relay using (true);

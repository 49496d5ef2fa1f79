-- What a consumer keeps beside what it does, in its owner's schema, written in the same transaction.

-- The judge of "seen already": the last applied version of each stream, kept for ever.
create table :schema.stream_guard (
    tenant_id   uuid    not null,
    stream_type text    not null,
    stream_id   uuid    not null,
    version     integer not null check (version >= 1),
    primary key (tenant_id, stream_type, stream_id)
);

-- How far each partition is applied: the next offset for Kafka, and the place in the store's feed for the day on which
-- Kafka has lost it. `topic_id` tells a topic from a later one of the same name.
create table :schema.progress (
    topic       text        not null,
    partition   integer     not null,
    topic_id    uuid        not null,
    next_offset bigint      not null,
    store_epoch uuid        not null,
    xid         bigint      not null,
    position    bigint      not null,
    event_id    uuid        not null,
    updated_at  timestamptz not null default clock_timestamp(),
    primary key (topic, partition)
);

select pg_temp.ensure_role(':schema_background'), pg_temp.ensure_role(':schema_applied');
grant usage on schema :schema to :schema_background, :schema_applied;
grant select, insert, update on :schema.stream_guard, :schema.progress to :schema_background;
grant select on :schema.stream_guard to :schema_applied;
alter table :schema.stream_guard enable row level security;
alter table :schema.stream_guard force row level security;
alter table :schema.progress enable row level security;
alter table :schema.progress force row level security;
create policy background on :schema.stream_guard to :schema_background using (true);
create policy applied on :schema.stream_guard for select to :schema_applied using (true);
create policy background on :schema.progress to :schema_background using (true);

-- Which of the given streams have reached the given versions, by their place (from 1) in the arrays.
create function :schema.applied(p_tenants uuid[], p_types text[], p_ids uuid[], p_versions integer[])
returns setof integer language sql stable security definer set search_path = '' as $$
    select w.place::integer
    from rows from (unnest(p_tenants, p_types, p_ids, p_versions)) with ordinality
         as w(tenant_id, stream_type, stream_id, version, place)
    join :schema.stream_guard g using (tenant_id, stream_type, stream_id)
    where g.version >= w.version
$$;
grant create on schema :schema to :schema_applied;
alter function :schema.applied owner to :schema_applied;
revoke create on schema :schema from :schema_applied;
revoke all on function :schema.applied from public;

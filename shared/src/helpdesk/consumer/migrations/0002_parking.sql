-- What a consumer cannot apply waits, stream by stream; and what it must know to tell one history from another.

-- The id of the last applied event: the same version under another id is another history. Null: written before this.
alter table :schema.stream_guard add column event_id uuid;

-- The number of partitions that the cursor was kept under: among other partitions it means nothing. Null: unknown.
alter table :schema.progress add column partitions integer;

-- A stream of which an event could not be applied: the guard stands before that event's command, later events wait in the
-- store. `error` names class and place, never what people wrote.
create table :schema.parked (
    tenant_id   uuid        not null,
    stream_type text        not null,
    stream_id   uuid        not null,
    version     integer     not null check (version >= 1),
    error       text        not null,
    since       timestamptz not null default clock_timestamp(),
    tries       integer     not null default 1,
    tried_at    timestamptz not null default clock_timestamp(),
    primary key (tenant_id, stream_type, stream_id)
);

-- A record that is no envelope belongs to no stream. It is kept for whoever looks for its origin; what should have stood
-- there comes from the store.
create table :schema.unreadable_record (
    topic_id  uuid        not null,
    partition integer     not null,
    "offset"  bigint      not null,
    error     text        not null,
    head      bytea       not null check (octet_length(head) <= 65536),
    length    integer     not null,
    since     timestamptz not null default clock_timestamp(),
    primary key (topic_id, partition, "offset")
);

grant select, insert, update, delete on :schema.parked, :schema.unreadable_record to :schema_background;
alter table :schema.parked enable row level security;
alter table :schema.parked force row level security;
create policy background on :schema.parked to :schema_background using (true);
alter table :schema.unreadable_record enable row level security;
alter table :schema.unreadable_record force row level security;
create policy background on :schema.unreadable_record to :schema_background using (true);

-- Moves the guards of these streams from versions to versions, or none: a stream that stands elsewhere was moved by
-- somebody else. SQLSTATE HD020. A second consumer of the same events waits here for the first one's transaction.
create function :schema.advance_guards(
    p_tenants uuid[], p_types text[], p_ids uuid[], p_from integer[], p_to integer[], p_events uuid[])
returns void language plpgsql as $$
declare
    moved bigint;
begin
    insert into :schema.stream_guard as g (tenant_id, stream_type, stream_id, version, event_id)
    select * from unnest(p_tenants, p_types, p_ids, p_to, p_events)
    on conflict (tenant_id, stream_type, stream_id) do update
    set version = excluded.version, event_id = excluded.event_id
    where (g.tenant_id, g.stream_type, g.stream_id, g.version) in (select * from unnest(p_tenants, p_types, p_ids, p_from));
    get diagnostics moved = row_count;
    if moved <> cardinality(p_tenants) then
        raise exception 'another consumer has applied these events' using errcode = 'HD020';
    end if;
end $$;
revoke all on function :schema.advance_guards from public;
grant execute on function :schema.advance_guards to :schema_background;

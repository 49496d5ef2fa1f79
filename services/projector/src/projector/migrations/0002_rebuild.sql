-- What a rebuild has done so far: whoever goes on with it after a kill reads it here. Written by the role that migrates.
create table views.rebuild (
    id         integer     primary key generated always as identity,
    views      text[]      not null check (cardinality(views) > 0),
    whole      boolean     not null,
    step       text        not null default 'fold'
               check (step in ('fold', 'index', 'compare', 'switched', 'done', 'discarded')),
    started_at timestamptz not null default clock_timestamp(),
    folded_at  timestamptz,
    indexed_at timestamptz,
    ended_at   timestamptz
);
-- One at a time, until its former tables are given up.
create unique index rebuild_open_key on views.rebuild ((true)) where step not in ('done', 'discarded');

-- A range of streams, from this key to that of the next chunk; done with the transaction that wrote its rows.
create table views.rebuild_chunk (
    rebuild_id  integer not null references views.rebuild on delete cascade,
    number      integer not null,
    from_tenant uuid    not null,
    from_type   text    not null,
    from_stream uuid    not null,
    streams     bigint  not null,
    events      bigint  not null,
    done_at     timestamptz,
    primary key (rebuild_id, number)
);

do $$
declare one text;
begin
    foreach one in array array['rebuild', 'rebuild_chunk'] loop
        execute format('alter table views.%I enable row level security', one);
        execute format('alter table views.%I force row level security', one);
        execute format('create policy migrate on views.%I to current_user using (true)', one);
    end loop;
end $$;

-- It reads the live tables as the projector does: row-level security binds their owner too.
grant views_background to current_user;

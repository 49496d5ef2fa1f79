-- `json` and not `jsonb` where clients handed it in: it comes back as it went. jsonb reorders keys, and writes 1e-300 out
-- as 302 characters, so that 64 kB of metadata would be 3 MB in every answer.

-- The read models. A row is the fold of one stream and holds the ids of others; names are joined when read, so the order
-- between streams cannot matter.

create table views.tenants (
    tenant_id  uuid        primary key,
    name       text        not null,
    slug       text        not null,
    settings   jsonb       not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    version    integer     not null
);

create table views.people (
    tenant_id  uuid        not null,
    id         uuid        not null,
    email      text        not null,
    name       text        not null,
    role       text        not null,
    enabled    boolean     not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    version    integer     not null,
    primary key (tenant_id, id)
);

create table views.tickets (
    tenant_id     uuid        not null,
    id            uuid        not null,
    number        integer     not null,
    title         text        not null,
    description   text        not null,
    status        text        not null,
    priority      text        not null,
    waiting_on    text,
    resolution    text,
    tags          text[]      not null,
    metadata      json,
    created_by_id uuid        not null,
    assignee_id   uuid,
    created_at    timestamptz not null,
    updated_at    timestamptz not null,
    closed_at     timestamptz,
    deleted       boolean     not null,
    version       integer     not null,
    primary key (tenant_id, id)
);
create index tickets_created_idx on views.tickets (tenant_id, created_at, id) where not deleted;
create index tickets_updated_idx on views.tickets (tenant_id, updated_at, id) where not deleted;
create index tickets_creator_idx on views.tickets (tenant_id, created_by_id, created_at, id) where not deleted;
create index tickets_assignee_idx on views.tickets (tenant_id, assignee_id, created_at, id) where not deleted;

create table views.comments (
    tenant_id   uuid        not null,
    ticket_id   uuid        not null,
    id          uuid        not null,
    content     text        not null,
    is_internal boolean     not null,
    author_id   uuid        not null,
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    deleted     boolean     not null,
    primary key (tenant_id, ticket_id, id)
);
create index comments_created_idx on views.comments (tenant_id, ticket_id, created_at, id) where not deleted;

create table views.activities (
    tenant_id   uuid        not null,
    ticket_id   uuid        not null,
    version     integer     not null,
    id          uuid        not null,
    type        text        not null,
    changes     json        not null,
    is_internal boolean     not null,
    actor_id    uuid        not null,
    created_at  timestamptz not null,
    primary key (tenant_id, ticket_id, version)
);

-- Row-level security: a tenant sees its own rows; the projector writes everyone's through a role of its own.
do $$
declare one text;
begin
    perform pg_temp.ensure_role('query_api');
    grant usage on schema views to query_api;
    foreach one in array array['tenants', 'people', 'tickets', 'comments', 'activities'] loop
        execute format('alter table views.%I enable row level security', one);
        execute format('alter table views.%I force row level security', one);
        execute format(
            'create policy tenant on views.%I using (tenant_id = (select nullif(current_setting(''app.tenant'', true), '''')::uuid))',
            one);
        execute format('create policy background on views.%I to views_background using (true)', one);
        execute format('grant select, insert, update on views.%I to views_background', one);
        execute format('grant select on views.%I to query_api', one);
    end loop;
end $$;

-- Who may ask how far the views are: everyone who answers writes, and the query API for consistency tokens.
select pg_temp.ensure_role('projector'), pg_temp.ensure_role('views_progress');
grant views_background to projector;
grant usage on schema views to views_progress;
grant execute on function views.applied to views_progress, query_api, projector;

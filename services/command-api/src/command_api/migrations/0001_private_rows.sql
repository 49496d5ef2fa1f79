-- What the command API keeps beside its events: rows that hold a secret, or that must be unique, or that find a stream.
-- They are written in the append's transaction, or by its triggers, and never leave this schema.

create table events.tenant (
    tenant_id uuid primary key,
    slug      text not null,
    name      text not null,
    settings  json not null,
    constraint tenant_slug_key unique (slug)
);

-- Who may act now (docs/adr/0007-who-may-act.md). `valid_from`: tokens issued before it no longer count.
create table events.person (
    tenant_id  uuid        not null,
    id         uuid        not null,
    email      text        not null,
    name       text        not null,
    role       text        not null,
    enabled    boolean     not null,
    valid_from timestamptz not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    version    integer     not null,
    primary key (tenant_id, id)
);

create table events.credential (
    tenant_id     uuid not null,
    user_id       uuid not null,
    address       text not null check (address = lower(address)),
    password_hash text not null,
    primary key (tenant_id, user_id),
    constraint credential_address_key unique (tenant_id, address)
);
create index credential_address_idx on events.credential (address);

create table events.refresh_token (
    token_hash bytea       primary key,
    tenant_id  uuid        not null,
    user_id    uuid        not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null
);
create index refresh_token_user_idx on events.refresh_token (tenant_id, user_id);

create table events.api_key (
    key_hash   bytea       primary key,
    tenant_id  uuid        not null,
    id         uuid        not null,
    user_id    uuid        not null,
    expires_at timestamptz,
    constraint api_key_id_key unique (tenant_id, id)
);

-- Human numbers. The counter may step back in a crash (it does not wait for its commit); the unique row is the judge.
create table events.ticket_counter (
    tenant_id uuid    primary key,
    next      integer not null
);
create table events.ticket_number (
    tenant_id uuid    not null,
    number    integer not null,
    ticket_id uuid    not null,
    constraint ticket_number_pkey primary key (tenant_id, number)
);

-- In which ticket's stream a comment lives.
create table events.comment_place (
    tenant_id  uuid not null,
    comment_id uuid not null,
    ticket_id  uuid not null,
    primary key (tenant_id, comment_id)
);

create function events.take_ticket_numbers(p_tenant uuid, p_count integer) returns integer
language plpgsql as $$
declare first integer;
begin
    perform set_config('app.tenant', p_tenant::text, true), set_config('synchronous_commit', 'off', true);
    insert into events.ticket_counter as c (tenant_id, next) values (p_tenant, 1 + p_count)
    on conflict (tenant_id) do update set next = c.next + p_count
    returning c.next - p_count into first;
    return first;
end $$;

-- After a clash: the counter goes on behind the highest number that exists.
create function events.mend_ticket_numbers(p_tenant uuid) returns void
language plpgsql as $$
begin
    perform set_config('app.tenant', p_tenant::text, true);
    update events.ticket_counter c set next = greatest(
        c.next, (select coalesce(max(n.number), 0) + 1 from events.ticket_number n where n.tenant_id = p_tenant))
    where c.tenant_id = p_tenant;
end $$;

-- Both rows follow from the event, so the append itself writes them: one round trip, and never one without the other.
create function events.place_ticket() returns trigger language plpgsql as $$
begin
    insert into events.ticket_number (tenant_id, number, ticket_id)
    values (new.tenant_id, (new.data ->> 'number')::integer, new.stream_id);
    return null;
end $$;
create trigger ticket_created after insert on events.event
    for each row when (new.type = 'ticket.created') execute function events.place_ticket();

create function events.place_comment() returns trigger language plpgsql as $$
begin
    insert into events.comment_place (tenant_id, comment_id, ticket_id)
    values (new.tenant_id, (new.data ->> 'comment_id')::uuid, new.stream_id);
    return null;
end $$;
create trigger comment_added after insert on events.event
    for each row when (new.type = 'comment.added') execute function events.place_comment();

-- Before a tenant is known there are exactly these four questions. They are owned by a role of their own.
create function events.logins_by_address(p_address text)
returns table (tenant_id uuid, slug text, user_id uuid, password_hash text)
language sql stable security definer set search_path = '' as $$
    select c.tenant_id, t.slug, c.user_id, c.password_hash
    from events.credential c join events.tenant t using (tenant_id)
    where c.address = lower(p_address)
    order by t.slug
$$;

create function events.refresh_token_by_hash(p_hash bytea)
returns table (tenant_id uuid, user_id uuid, expires_at timestamptz)
language sql stable security definer set search_path = '' as $$
    select r.tenant_id, r.user_id, r.expires_at from events.refresh_token r where r.token_hash = p_hash
$$;

create function events.tenant_by_slug_or_id(p_slug text, p_id uuid)
returns table (tenant_id uuid, slug text, name text, settings json)
language sql stable security definer set search_path = '' as $$
    select t.tenant_id, t.slug, t.name, t.settings from events.tenant t where t.slug = p_slug or t.tenant_id = p_id
$$;

create function events.api_key_by_hash(p_hash bytea)
returns table (tenant_id uuid, id uuid, user_id uuid, expires_at timestamptz)
language sql stable security definer set search_path = '' as $$
    select k.tenant_id, k.id, k.user_id, k.expires_at from events.api_key k where k.key_hash = p_hash
$$;

select pg_temp.ensure_role('events_lookup'), pg_temp.ensure_role('command_api'), pg_temp.ensure_role('command_relay');
grant events_appender to command_api;
grant events_relay to command_relay;
grant usage on schema events to events_lookup, command_api;
grant create on schema events to events_lookup;
do $$
declare one text;
begin
    foreach one in array array['tenant', 'person', 'credential', 'refresh_token', 'api_key', 'ticket_counter',
                               'ticket_number', 'comment_place'] loop
        execute format('alter table events.%I enable row level security', one);
        execute format('alter table events.%I force row level security', one);
        execute format(
            'create policy tenant on events.%I using (tenant_id = (select nullif(current_setting(''app.tenant'', true), '''')::uuid))',
            one);
        execute format('grant select, insert, update, delete on events.%I to command_api', one);
    end loop;
    foreach one in array array['tenant', 'credential', 'refresh_token', 'api_key'] loop
        execute format('create policy lookup on events.%I for select to events_lookup using (true)', one);
        execute format('grant select on events.%I to events_lookup', one);
    end loop;
    foreach one in array array['logins_by_address(text)', 'refresh_token_by_hash(bytea)',
                               'tenant_by_slug_or_id(text, uuid)', 'api_key_by_hash(bytea)'] loop
        execute format('alter function events.%s owner to events_lookup', one);
        execute format('revoke all on function events.%s from public', one);
        execute format('grant execute on function events.%s to command_api', one);
    end loop;
    revoke all on function events.take_ticket_numbers, events.mend_ticket_numbers from public;
    grant execute on function events.take_ticket_numbers, events.mend_ticket_numbers to command_api;
end $$;
revoke create on schema events from events_lookup;

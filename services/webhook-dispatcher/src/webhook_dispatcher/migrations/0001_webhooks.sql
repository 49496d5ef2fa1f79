-- Endpoints, what their payloads are made from, and what is due to whom.

create table webhooks.endpoint (
    tenant_id  uuid        not null,
    id         uuid        not null,
    url        text        not null,
    events     text[]      not null check (cardinality(events) > 0),
    secret     bytea       not null,                      -- sealed (vault.py); empty once deleted
    is_active  boolean     not null default true,
    deleted    boolean     not null default false,
    version    integer     not null check (version >= 1), -- of its stream: row and event change together
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (tenant_id, id)
);
create index endpoint_created_idx on webhooks.endpoint (tenant_id, created_at, id) where not deleted;

-- A ticket at the version up to which intake has applied its stream. JSON as text order: `json` keeps the order of keys.
create table webhooks.ticket (
    tenant_id   uuid        not null,
    id          uuid        not null,
    number      integer     not null,
    title       text        not null,
    description text        not null,
    status      text        not null,
    priority    text        not null,
    metadata    json,
    tags        text[]      not null,
    created_by  uuid        not null,
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    assignee_id uuid,
    waiting_on  text,
    resolution  text,
    closed_at   timestamptz,
    deleted     boolean     not null,
    primary key (tenant_id, id)
);

-- One message for one endpoint; `body` is stored = signed = sent. `due_at` is the next moment to act on it: of the next
-- attempt, or, while it is being sent, of the end of the sender's claim; null when nothing is to be done any more.
create table webhooks.delivery (
    tenant_id   uuid        not null,
    id          uuid        not null,
    endpoint_id uuid        not null,
    event_id    uuid        not null,
    ticket_id   uuid        not null,
    type        text        not null,
    body        bytea       not null,
    state       text        not null default 'pending' check (state in ('pending', 'sending', 'delivered', 'failed')),
    attempt     integer     not null default 0,           -- how many are recorded
    due_at      timestamptz default clock_timestamp(),
    claim       uuid,                                     -- of the sender that works on it: only it may record
    created_at  timestamptz not null default clock_timestamp(),
    primary key (tenant_id, id),
    foreign key (tenant_id, endpoint_id) references webhooks.endpoint,
    check ((state in ('pending', 'sending')) = (due_at is not null)),
    check ((state = 'sending') = (claim is not null))
);
create index delivery_due_idx on webhooks.delivery (tenant_id, endpoint_id, due_at) where due_at is not null;
create index delivery_timer_idx on webhooks.delivery (due_at) where due_at is not null;
create index delivery_sending_idx on webhooks.delivery (tenant_id, endpoint_id, due_at) where state = 'sending';
create index delivery_log_idx on webhooks.delivery (tenant_id, endpoint_id, created_at, id);

create table webhooks.delivery_attempt (
    tenant_id   uuid        not null,
    delivery_id uuid        not null,
    attempt     integer     not null check (attempt >= 1),
    at          timestamptz not null,
    status      integer,
    error       text        check (error in ('dns', 'connect', 'tls', 'timeout', 'http', 'blocked')),
    latency_ms  integer     not null,
    head        text        not null check (octet_length(head) <= 65536), -- the first 16 kB of the answer, decoded
    primary key (tenant_id, delivery_id, attempt),
    foreign key (tenant_id, delivery_id) references webhooks.delivery
);

-- `webhook_dispatcher` serves the API within the caller's tenant; `webhook_worker` takes in, sends and relays for all.
select pg_temp.ensure_role('webhook_dispatcher'), pg_temp.ensure_role('webhook_worker');
grant webhooks_appender to webhook_dispatcher, webhook_worker;
grant webhooks_background, webhooks_relay to webhook_worker;
grant usage on schema webhooks to webhook_dispatcher;

do $$
declare one text;
begin
    foreach one in array array['endpoint', 'ticket', 'delivery', 'delivery_attempt'] loop
        execute format('alter table webhooks.%I enable row level security', one);
        execute format('alter table webhooks.%I force row level security', one);
        execute format(
            'create policy tenant on webhooks.%I using (tenant_id = (select nullif(current_setting(''app.tenant'', true), '''')::uuid))',
            one);
        execute format('create policy background on webhooks.%I to webhooks_background using (true)', one);
    end loop;
end $$;
grant select, insert, update on webhooks.endpoint to webhook_dispatcher;
grant select, update (state, due_at, claim) on webhooks.delivery to webhook_dispatcher;
grant select on webhooks.delivery_attempt to webhook_dispatcher;
grant select, update (is_active, version, updated_at) on webhooks.endpoint to webhooks_background;
grant select, insert, update on webhooks.ticket, webhooks.delivery to webhooks_background;
grant select, insert on webhooks.delivery_attempt to webhooks_background;

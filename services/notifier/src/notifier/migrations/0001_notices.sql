-- What the notifier knows of people and tickets (each row the fold of one stream), and what it told whom.

create table notices.person (
    tenant_id uuid not null,
    id        uuid not null,
    email     text not null,
    name      text not null,
    role      text not null,
    primary key (tenant_id, id)
);

create table notices.ticket (
    tenant_id   uuid    not null,
    id          uuid    not null,
    number      integer not null,
    title       text    not null,
    creator_id  uuid    not null,
    assignee_id uuid,
    primary key (tenant_id, id)
);

-- In-app notifications. The id is derived from the command's first event and the person: the primary key is the promise
-- that a command tells a person once. A deleted row does not come back, because the stream's guard is kept for ever.
create table notices.notification (
    tenant_id   uuid        not null,
    id          uuid        not null,
    user_id     uuid        not null,
    event_id    uuid        not null,
    type        text        not null,
    title       text        not null,
    message     text        not null,
    data        jsonb       not null,
    actor_id    uuid        not null,
    -- Shown only to a reader who is staff: the role of whoever it is for may have been unknown when it was written.
    is_internal boolean     not null,
    is_read     boolean     not null default false,
    created_at  timestamptz not null,
    primary key (tenant_id, id)
);
create index notification_feed_idx on notices.notification (tenant_id, user_id, created_at, id);
create index notification_unread_idx on notices.notification (tenant_id, user_id, created_at, id) where not is_read;

-- Row-level security: a tenant sees its own rows; the intake writes everyone's through a role of its own.
do $$
declare one text;
begin
    perform pg_temp.ensure_role('notifier');
    foreach one in array array['person', 'ticket', 'notification'] loop
        execute format('alter table notices.%I enable row level security', one);
        execute format('alter table notices.%I force row level security', one);
        execute format(
            'create policy tenant on notices.%I using (tenant_id = (select nullif(current_setting(''app.tenant'', true), '''')::uuid))',
            one);
        execute format('create policy background on notices.%I to notices_background using (true)', one);
    end loop;
end $$;

grant usage on schema notices to notifier;
grant select on notices.person to notifier;
grant select, delete, update (is_read) on notices.notification to notifier;
grant select, insert, update on notices.person, notices.ticket to notices_background;
grant select, insert on notices.notification to notices_background;

-- The intake's login; and who may ask how far it is: the command API, before it answers a self-assignment.
select pg_temp.ensure_role('notices_worker'), pg_temp.ensure_role('notices_progress');
grant notices_background to notices_worker;
grant usage on schema notices to notices_progress;
grant execute on function notices.applied to notices_progress;

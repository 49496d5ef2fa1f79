-- Who may act now (docs/adr/0007-who-may-act.md). Null: nothing has happened since the account began.
create table webhooks.person (
    tenant_id     uuid        not null,
    id            uuid        not null,
    role          text        not null,
    enabled       boolean     not null,
    valid_from    timestamptz,
    sessions_from timestamptz,
    primary key (tenant_id, id)
);
alter table webhooks.person enable row level security;
alter table webhooks.person force row level security;
create policy tenant on webhooks.person
    using (tenant_id = (select nullif(current_setting('app.tenant', true), '')::uuid));
create policy background on webhooks.person to webhooks_background using (true);
grant select on webhooks.person to webhook_dispatcher;
grant select, insert, update, delete on webhooks.person to webhooks_background;

-- Until now nothing was made of users: their next event finds a gap, which is healed from the store.
grant webhooks_background to current_user;
delete from webhooks.stream_guard where stream_type = 'user';

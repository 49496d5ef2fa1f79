-- Who may act now (docs/adr/0007-who-may-act.md). Null: nothing has happened since the account began.
alter table views.people
    add column invited       boolean not null default false,
    add column valid_from    timestamptz,
    add column sessions_from timestamptz;
create index people_created_idx on views.people (tenant_id, created_at, id);

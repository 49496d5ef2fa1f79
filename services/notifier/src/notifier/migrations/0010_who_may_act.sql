-- Who may act now (docs/adr/0007-who-may-act.md). Null: nothing has happened since the account began.
alter table notices.person
    add column enabled       boolean not null default true,
    add column valid_from    timestamptz,
    add column sessions_from timestamptz;

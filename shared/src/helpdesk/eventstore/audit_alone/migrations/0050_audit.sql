-- What is no event and must be known all the same: attempts to read or change that were denied, and what an operator reads
-- of other tenants. Rows are added and read, never changed; only the purge of a whole tenant takes them away.
create table :schema.audit (
    tenant_id  uuid        not null,
    id         uuid        not null,
    at         timestamptz not null,
    actor_id   uuid,
    action     text        not null,
    target     text        not null,
    outcome    text        not null,
    status     smallint    not null,
    reason     text,
    request_id uuid,
    address    text,
    constraint audit_pkey primary key (tenant_id, id)
);
create index audit_at_idx on :schema.audit (tenant_id, at);

alter table :schema.audit enable row level security;
alter table :schema.audit force row level security;
create policy tenant on :schema.audit
    using (tenant_id = (select nullif(current_setting('app.tenant', true), '')::uuid));
-- Rows of several tenants are written at once, beside the requests that they tell of.
select pg_temp.ensure_role(':schema_auditor');
create policy batch on :schema.audit for insert to :schema_auditor
    with check (tenant_id = any ((select nullif(current_setting('app.tenants', true), '')::uuid[])::uuid[]));
grant usage on schema :schema to :schema_auditor;
grant select, insert on :schema.audit to :schema_auditor;

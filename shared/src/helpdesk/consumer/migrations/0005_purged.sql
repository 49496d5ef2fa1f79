-- Tenants whose rows are destroyed here: what a late record, or another partition, still tells of them is passed over.
create table :schema.purged_tenant (
    tenant_id uuid        primary key,
    purged_at timestamptz not null default clock_timestamp()
);
grant select, insert on :schema.purged_tenant to :schema_background;
alter table :schema.purged_tenant enable row level security;
alter table :schema.purged_tenant force row level security;
create policy background on :schema.purged_tenant to :schema_background using (true);

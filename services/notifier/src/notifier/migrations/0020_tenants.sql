-- Tokens outlive the tenant that they were given out in: the doors ask here whether it is closed.
create table notices.closed_tenant (tenant_id uuid primary key);
alter table notices.closed_tenant enable row level security;
alter table notices.closed_tenant force row level security;
create policy tenant on notices.closed_tenant
    using (tenant_id = (select nullif(current_setting('app.tenant', true), '')::uuid));
create policy background on notices.closed_tenant to notices_background using (true);
grant select on notices.closed_tenant to notifier;
grant select, insert, delete on notices.closed_tenant to notices_background;
